/* One list of error kinds for the whole project, and the one way to report them.
 *
 * A function that can fail returns `int`: 0 or a negative ERR_ code, and fills a `struct err` at the place
 * where the fact is known. The message says what was wrong, what was expected, where, and a hint if there is
 * one. Libraries never print and never exit; only cmd_*.c files do. */
#ifndef TERSE_INFER_ERR_H
#define TERSE_INFER_ERR_H

#include <stdarg.h>

/* X(kind, what it means in a few words) */
#define ERR_LIST(X)                                                                                          \
    /* any folder */                                                                                         \
    X(USAGE, "wrong command line")                                                                           \
    X(NOMEM, "out of memory")                                                                                \
    X(OVERFLOW, "size does not fit")                                                                         \
    X(IO, "reading or writing failed")                                                                       \
    X(EACCES, "permission denied")                                                                           \
    X(EIO, "device error")                                                                                   \
    X(ENOSPC, "disk full")                                                                                   \
    X(EXISTS, "already exists")                                                                              \
    X(FILE_MISSING, "file not found")                                                                        \
    X(NOT_REGULAR, "not a regular file")                                                                     \
    X(CHANGED, "file changed while reading")                                                                 \
    X(PATH, "path not allowed")                                                                              \
    X(LOCKED, "in use by another process")                                                                   \
    X(HASH, "content differs from its digest")                                                               \
    X(VERSION, "unknown version")                                                                            \
    X(INTERRUPTED, "interrupted")                                                                            \
    X(TOOL, "another program is not installed")                                                              \
    X(NEED, "buffer too small")                                                                              \
    X(INTERNAL, "a bug in terse")                                                                            \
    X(SELFTEST, "self test failed")                                                                          \
    /* shapes of any structured file */                                                                      \
    X(TOO_LARGE, "over the size limit")                                                                      \
    X(TOO_MANY, "over the count limit")                                                                      \
    X(DEPTH, "nested too deep")                                                                              \
    X(UTF8, "invalid UTF-8")                                                                                 \
    X(MAGIC, "unexpected file type")                                                                         \
    X(DUP_KEY, "key given twice")                                                                            \
    X(FIELD_MISSING, "required field missing")                                                               \
    X(FIELD_UNKNOWN, "unknown field")                                                                        \
    X(FIELD_TYPE, "field of wrong type")                                                                     \
    X(FIELD_RANGE, "field out of range")                                                                     \
    X(OVERLAP, "ranges overlap")                                                                             \
    X(HOLE, "gap between ranges")                                                                            \
    X(TRAILING, "bytes after the end")                                                                       \
    X(BOMB, "decompresses to far more than it should")                                                       \
    X(LINE_LEN, "line too long")                                                                             \
    /* JSON */                                                                                               \
    X(JSON_TRUNC, "JSON ends early")                                                                         \
    X(JSON_SYNTAX, "JSON syntax")                                                                            \
    X(JSON_TRAILING, "text after the JSON value")                                                            \
    X(JSON_SURROGATE, "lone surrogate")                                                                      \
    X(JSON_NUMBER, "malformed JSON number")                                                                  \
    X(JSON_CTRL, "control character in JSON")                                                                \
    X(JSON_BOM, "byte order mark")                                                                           \
    X(NAME_CHAR, "character not allowed in a name")                                                          \
    X(NAME_LEN, "name too long")                                                                             \
    /* safetensors and its index */                                                                          \
    X(HDR_SHORT, "file shorter than a header")                                                               \
    X(HDR_EMPTY, "empty header")                                                                             \
    X(HDR_PAST_EOF, "header longer than the file")                                                           \
    X(HDR_TOO_LARGE, "header over the limit")                                                                \
    X(HDR_START, "header does not start with {")                                                             \
    X(HDR_NOT_OBJECT, "header is not an object")                                                             \
    X(HDR_SPARSE, "header is mostly padding")                                                                \
    X(META_TYPE, "metadata is not a map of strings")                                                         \
    X(DTYPE, "unknown or unsupported element type")                                                          \
    X(SHAPE_INT, "shape is not a list of sizes")                                                             \
    X(RANK, "too many dimensions")                                                                           \
    X(OFFSETS, "malformed offsets")                                                                          \
    X(DATA_PAST_EOF, "data past the end of file")                                                            \
    X(SIZE_MISMATCH, "bytes disagree with shape and type")                                                   \
    X(SUBBYTE, "odd count of 4-bit elements")                                                                \
    X(SHARD_MISSING, "shard file missing")                                                                   \
    X(SHARD_TENSOR, "tensor not in its shard")                                                               \
    X(DUP_TENSOR, "tensor given twice")                                                                      \
    X(INDEX_SIZE, "index total_size is wrong")                                                               \
    X(INDEX_TYPE, "index is malformed")                                                                      \
    /* GGUF */                                                                                               \
    X(GG_MAGIC, "not a GGUF file")                                                                           \
    X(GG_ENDIAN, "big-endian GGUF")                                                                          \
    X(GG_KEY, "malformed key")                                                                               \
    X(GG_STRING, "string past the end of file")                                                              \
    X(GG_TYPE, "unknown value type")                                                                         \
    X(GG_ARRAY, "array past the end of file")                                                                \
    X(GG_ALIGN, "malformed alignment")                                                                       \
    X(GG_BLOCK, "row is no multiple of the quantised block")                                                 \
    X(GG_SPLIT, "model split over several files")                                                            \
    /* model */                                                                                              \
    X(MODEL_MISSING, "required tensor missing")                                                              \
    X(MODEL_SHAPE, "tensor shape disagrees with the config")                                                 \
    X(MODEL_EXTRA, "tensor the model does not have")                                                         \
    X(MODEL_TIE, "tied head present with other values")                                                      \
    X(NONFINITE, "NaN or infinity")                                                                          \
    X(CFG_HEADS, "head counts do not divide")                                                                \
    X(CFG_RANGE, "model config value out of range")                                                          \
    X(CFG_VOCAB, "vocabulary smaller than the tokenizer")                                                    \
    X(CFG_TYPE, "unsupported model type")                                                                    \
    X(CTX_FULL, "longer than the context")                                                                   \
    /* tokenizer and templates */                                                                            \
    X(TOK_ROOT, "tokenizer root is not an object")                                                           \
    X(TOK_UNSUPPORTED, "tokenizer feature not supported")                                                    \
    X(TOK_VOCAB, "malformed vocabulary")                                                                     \
    X(TOK_ID, "malformed token id")                                                                          \
    X(TOK_DUP_ID, "two tokens with one id")                                                                  \
    X(TOK_DUP_TEXT, "one added text twice")                                                                  \
    X(TOK_HOLE, "hole in the token ids")                                                                     \
    X(TOK_EMPTY, "empty token")                                                                              \
    X(TOK_LEN, "token too long")                                                                             \
    X(TOK_BYTES, "a byte has no token")                                                                      \
    X(TOK_ALPHABET, "token outside the byte alphabet")                                                       \
    X(TOK_MERGE, "malformed merge")                                                                          \
    X(TOK_MERGE_OOV, "merge of unknown tokens")                                                              \
    X(TOK_MERGE_DUP, "merge given twice")                                                                    \
    X(TOK_EMBED, "token id beyond the embedding")                                                            \
    X(TOK_SPECIAL, "special token unknown")                                                                  \
    X(TOK_PATTERN, "unknown split pattern")                                                                  \
    X(TOK_DROPOUT, "tokenizer dropout")                                                                      \
    X(TOK_VERSION, "unknown tokenizer version")                                                              \
    X(TOK_CONFLICT, "tokenizer files disagree")                                                              \
    X(TPL_UNKNOWN, "unknown chat template")                                                                  \
    X(TEXT_LEN, "text too long")                                                                             \
    X(TOKEN_RANGE, "token id out of range")                                                                  \
    X(TOK_HASH, "another tokenizer")                                                                         \
    /* adapters */                                                                                           \
    X(AD_TYPE, "not a LoRA adapter")                                                                         \
    X(AD_RANK, "rank out of range")                                                                          \
    X(AD_ALPHA, "alpha out of range")                                                                        \
    X(AD_UNSUPPORTED, "adapter feature not supported")                                                       \
    X(AD_TARGET, "malformed target modules")                                                                 \
    X(AD_SHAPE, "adapter shape disagrees with the model")                                                    \
    X(AD_PAIR, "A without B or B without A")                                                                 \
    X(AD_KEY, "unknown adapter tensor")                                                                      \
    X(AD_NOMATCH, "no adapter tensor matches the model")                                                     \
    X(AD_PARTIAL, "a module is missing in some layers")                                                      \
    X(AD_NORM, "adapter weight absurdly large")                                                              \
    X(AD_COLD, "adapter is the identity")                                                                    \
    X(AD_HASH, "another adapter")                                                                            \
    X(HEAD_TYPE, "not a head of this kind")                                                                  \
    X(HEAD_LAYER, "the model has no such layer")                                                             \
    X(HEAD_WIDTH, "head for states of another width")                                                        \
    X(HEAD_TENSOR, "tensors are not those of the head")                                                      \
    X(BUNDLE, "not a bundle, or one that does not belong together")                                          \
    X(BASE_HASH, "another base model")                                                                       \
    X(EXPORT_DIFF, "the exported adapter answers differently")                                               \
    /* parquet */                                                                                            \
    X(PQ_SHORT, "too short for parquet")                                                                     \
    X(PQ_MAGIC, "no PAR1")                                                                                   \
    X(PQ_UNSUPPORTED, "parquet feature not supported")                                                       \
    X(PQ_FOOTER, "malformed footer length")                                                                  \
    X(PQ_COUNT, "row counts disagree")                                                                       \
    X(PQ_SCHEMA, "malformed schema")                                                                         \
    X(PQ_ENUM, "value outside its enumeration")                                                              \
    X(PQ_OFFSET, "offset outside the file")                                                                  \
    X(PQ_SIZE, "sizes disagree")                                                                             \
    X(PQ_EXTERNAL, "column in another file")                                                                 \
    X(PQ_CODEC, "unknown compression")                                                                       \
    X(PQ_LEVELS, "malformed levels")                                                                         \
    X(PQ_BITS, "bit width out of range")                                                                     \
    X(PQ_RLE, "malformed run")                                                                               \
    X(PQ_DICT, "malformed dictionary")                                                                       \
    X(PQ_BYTES, "malformed byte array")                                                                      \
    X(PQ_DELTA, "malformed delta block")                                                                     \
    X(PQ_CRC, "page checksum wrong")                                                                         \
    X(PQ_NULL, "null in a required column")                                                                  \
    X(THRIFT_TRUNC, "thrift ends early")                                                                     \
    X(THRIFT_VARINT, "varint too long")                                                                      \
    X(THRIFT_SIZE, "thrift size past the end")                                                               \
    X(THRIFT_TYPE, "unknown thrift type")                                                                    \
    X(COL_MISSING, "column missing")                                                                         \
    X(COL_TYPE, "column of wrong type")                                                                      \
    X(ZSTD, "zstd data damaged")                                                                             \
    X(ZSTD_EMPTY, "zstd frame without content")                                                              \
    X(ZSTD_DICT, "zstd frame needs a dictionary")                                                            \
    X(ZSTD_WINDOW, "zstd window too large")                                                                  \
    X(ZSTD_CRC, "zstd checksum wrong")                                                                       \
    X(ZSTD_TRUNC, "zstd frame is cut")                                                                       \
    X(ZSTD_TRAILING, "bytes after a zstd frame")                                                             \
    X(SNAPPY, "snappy data damaged")                                                                         \
    X(GZIP, "gzip data damaged")                                                                             \
    X(BROTLI, "brotli data damaged")                                                                         \
    X(LZ4, "LZ4 data damaged")                                                                               \
    /* rows of training data */                                                                              \
    X(DATA_EMPTY, "no rows")                                                                                 \
    X(ROW_TYPE, "row is not an object")                                                                      \
    X(ROW_EMPTY, "row without turns")                                                                        \
    X(ROW_UNSUPPORTED, "row of a kind that is not supported")                                                \
    X(ROW_AMBIGUOUS, "row of two kinds at once")                                                             \
    X(ROLE, "unknown role")                                                                                  \
    X(ROLE_ORDER, "turns in an impossible order")                                                            \
    X(NO_LABELS, "nothing to learn from")                                                                    \
    X(DUP_SHARD, "shard given twice")                                                                        \
    X(DATA_HASH, "data changed")                                                                             \
    /* HDF5 */                                                                                               \
    X(H5_MAGIC, "no HDF5 signature")                                                                         \
    X(H5_UNSUPPORTED, "HDF5 feature not supported")                                                          \
    X(H5_VERSION, "unknown HDF5 superblock")                                                                 \
    X(H5_WIDTH, "HDF5 offsets of unexpected width")                                                          \
    X(H5_EOF, "HDF5 file is cut")                                                                            \
    X(H5_ADDR, "HDF5 address outside the file")                                                              \
    X(H5_LINK, "link out of the dataset's place")                                                            \
    X(H5_EXTERNAL, "data kept in another file")                                                              \
    X(H5_CHUNK, "malformed HDF5 chunks")                                                                     \
    X(H5_OPEN, "HDF5 cannot open the file")                                                                  \
    X(H5_MISSING, "dataset or attribute missing")                                                            \
    X(H5_TYPE, "dataset of wrong type")                                                                      \
    X(H5_SPACE, "dataset of wrong shape")                                                                    \
    X(H5_FILTER, "unexpected filter")                                                                        \
    X(H5_READ, "HDF5 read failed")                                                                           \
    X(H5_WRITE, "HDF5 write failed")                                                                         \
    X(DOC_OFFSETS, "document offsets malformed")                                                             \
    /* run directory and saved state */                                                                      \
    X(CK_SHORT, "state is incomplete")                                                                       \
    X(CK_MAGIC, "not a state manifest")                                                                      \
    X(CK_STATE, "state lacks a field")                                                                       \
    X(CK_CURSOR, "data position out of range")                                                               \
    X(CK_NONE, "no usable state")                                                                            \
    X(RUN_MISMATCH, "state of another run")                                                                  \
    X(MODE, "numeric mode differs")                                                                          \
    X(ALARM, "training ran away")                                                                            \
    /* configuration */                                                                                      \
    X(KEY_UNKNOWN, "unknown key")                                                                            \
    X(CFG_EMPTY, "empty configuration")                                                                      \
    X(CFG_ROOT, "configuration is not a map")                                                                \
    X(CFG_CONFLICT, "settings contradict each other")                                                        \
    X(YAML_TAB, "tab in indentation")                                                                        \
    X(YAML_OCTAL, "number with leading zero")                                                                \
    X(YAML_ALIAS, "anchors and aliases are not allowed")                                                     \
    X(YAML_MERGE, "merge keys are not allowed")                                                              \
    X(YAML_TAG, "tags are not allowed")                                                                      \
    X(YAML_MULTI, "more than one document")                                                                  \
    X(YAML_DIRECTIVE, "directive not supported")                                                             \
    X(YAML_CTRL, "control character")                                                                        \
    X(YAML_SYNTAX, "YAML syntax")                                                                            \
    X(YAML_KEY, "key is not a plain word")                                                                   \
    X(URL_SCHEME, "URL scheme not allowed")                                                                  \
    X(URL_CRED, "credentials in a URL")                                                                      \
    X(URL_HASH, "URL without its sha256")                                                                    \
    X(URL_HOST, "address of a private network")                                                              \
    /* what servers do */                                                                                    \
    X(NETWORK, "no connection")                                                                              \
    X(TLS, "the server is not who it says")                                                                  \
    X(OFFLINE, "needs the network")                                                                          \
    X(REDIRECTS, "too many redirects")                                                                       \
    X(HTTP_STATUS, "the server says no")                                                                     \
    X(HTTP_HEADER, "headers too long")                                                                       \
    X(HTTP_LENGTH, "malformed length of a body")                                                             \
    X(HTTP_CHUNK, "malformed chunk of a body")                                                               \
    X(HTTP_RANGE, "not the bytes asked for")                                                                 \
    X(HTTP_ENCODING, "unexpected encoding of a body")                                                        \
    X(LFS_POINTER, "a Git LFS pointer, not the file")                                                        \
    X(SIZE_CAP, "more bytes than there should be")                                                           \
    X(LOW_SPEED, "transfer too slow")                                                                        \
    X(TIMEOUT, "no answer")                                                                                  \
    X(RETRY_LIMIT, "tried too often")                                                                        \
    /* before starting */                                                                                    \
    X(PREFLIGHT_DISK, "not enough disk")                                                                     \
    X(PREFLIGHT_MEM, "not enough memory")

enum err_kind {
    ERR_OK_, /* never returned: codes are the negatives of what follows */
#define X(kind, text) ERR_POS_##kind,
    ERR_LIST(X)
#undef X
        ERR_COUNT_
};

enum err_code {
#define X(kind, text) ERR_##kind = -ERR_POS_##kind,
    ERR_LIST(X)
#undef X
};

struct err {
    int code;       /* 0 or an ERR_ code */
    char msg[1024]; /* one sentence, UTF-8 safe to print: control characters of quoted input are escaped */
};

/* Fills *e (which may be NULL) and returns `code`. The first error stays: when e->code is already set, the
 * call only returns `code`. Control characters in the formatted text are replaced by '?'. */
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* As err_set from an errno value: ENOENT -> FILE_MISSING, EACCES, ENOSPC, EIO, ENOMEM, else IO.
 * The message is "<formatted>: <strerror>". */
int err_errno(struct err *e, int errnum, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* "HDR_SHORT" for ERR_HDR_SHORT; "OK" for 0; "?" otherwise. Static storage. */
const char *err_name(int code);
/* The few words of the list. Static storage. */
const char *err_text(int code);

#endif
