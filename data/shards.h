/* Token shards: what training reads. A folder of HDF5 files, ids as u32 with shuffle and zstd, beside a
 * manifest.json that holds the sha256 of each; no shard is opened before its digest is checked.
 *
 *     manifest.json    {"format": "terse-shards", "version", "recipe", "tokenizer", "template", "vocab",
 *                       "sources": [{"name", "sha256"}],
 *                       "shards": [{"name", "sha256", "docs", "tokens"}], "index": sha256}
 *     shard-00000.h5   ids u32[T]; doc_offset u64[D+1], first 0, last T; of each document header_at,
 *                      response_at, source, n_labels u32[D], source_row, question u64[D], domain u8[D];
 *                      label_from, label_to u32[sum of n_labels], counted from the document's start;
 *                      sources u8[], as sha256sum prints them;
 *                      attributes version, vocab, recipe, tokenizer, template
 *     documents.h5     the index: length u32[D] and question u64[D] of the documents of all shards, so that
 *                      order, split and packing are known before a shard is opened. A set without one is
 *                      read as well, shard by shard. */
#ifndef TERSE_DATA_SHARDS_H
#define TERSE_DATA_SHARDS_H

#include "infer/err.h"

#include <stddef.h>
#include <stdint.h>

enum { SHARDS_VERSION = 1, SHARD_TOKENS = 16 << 20 /* a shard is closed once it holds that many: 64 MB */ };

enum shard_domain { DOMAIN_OTHER, DOMAIN_MATH, DOMAIN_CODE, DOMAIN_SCIENCE, DOMAIN_CHAT, DOMAIN_COUNT };

/* Tokens [from, to) of a document are learned: the loss is taken where they are the next token. */
struct label_span {
    uint32_t from, to;
};

struct shard_doc {
    const uint32_t *ids;            /* n token ids */
    uint32_t n;                     /* >= 2 */
    uint32_t header_at;             /* index of the <|im_start|> that opens the last assistant turn */
    uint32_t response_at;           /* index of the first token after that header, <= n */
    const struct label_span *spans; /* n_spans, ascending, apart, within [1, n) */
    uint32_t n_spans;               /* >= 1 */
    enum shard_domain domain;
    uint32_t source;     /* index into the manifest's sources */
    uint64_t source_row; /* row of that file */
    uint64_t question;   /* hash of the prompt: equal for all answers to one question */
};

/* What the shards were made of; every string is hex or a short name, copied. */
struct shards_origin {
    const char *recipe;    /* hash over everything that decides the ids: sources, tokenizer, template ... */
    const char *tokenizer; /* tokenizer digest */
    const char *template_; /* digest of the chat template */
    const char *const *source_names;
    const char *const *source_hashes; /* sha256 of each source file */
    uint32_t n_sources;
    uint32_t vocab; /* every id is below it */
};

/* ---- writing ----------------------------------------------------------------------------------------- */

struct pool;
struct shard_writer;

/* Starts a set of shards in DIR.tmp (an old one is removed). *origin's strings must outlive the writer.
 * ERR_LOCKED while another process writes DIR; errors of writing. *out is then NULL. */
int shard_writer_open(struct shard_writer **out, const char *dir, const struct shards_origin *origin,
                      struct err *e);
/* The same, but goes on with what an earlier writer of the same recipe left in DIR.tmp: the first *docs
 * documents are written already, and the next one to add is the one after them. A shard is closed once it
 * holds shard_tokens, and compressed on the pool's threads (NULL: the caller's alone). */
int shard_writer_resume(struct shard_writer **out, const char *dir, const struct shards_origin *origin,
                        uint64_t shard_tokens, struct pool *pool, uint64_t *docs, struct err *e);
/* Frees `w` and lets DIR.tmp stand, for shard_writer_resume. NULL ok */
void shard_writer_leave(struct shard_writer *w);
/* Appends one document, copied. Errors: TOKEN_RANGE, NO_LABELS, FIELD_RANGE (spans or indices outside the
 * document), those of writing; the set is then only good for abort. */
int shard_writer_add(struct shard_writer *w, const struct shard_doc *doc, struct err *e);
/* Writes what is left and the manifest, fsyncs, and renames DIR.tmp to DIR
 * (an old DIR is replaced). `w` is freed either way; on an error DIR is what it was and DIR.tmp is gone.
 * ERR_DATA_EMPTY without documents. */
int shard_writer_commit(struct shard_writer *w, struct err *e);
void shard_writer_abort(struct shard_writer *w); /* removes DIR.tmp and frees; NULL ok */

/* ---- reading ----------------------------------------------------------------------------------------- */

struct shards;

enum {
    SHARDS_TRUST = 1, /* for tests and forensics only: skip the digests */
    SHARDS_LAZY = 2   /* look at a shard when a document of it is first asked for, not now */
};

/* Opens a set: manifest, index, and of every shard its digest and its table of documents. What stays in
 * memory is 12 bytes a document, the tables of the shards used last (at most 32 of them) and one chunk of
 * ids; with SHARDS_LAZY what is read is manifest and index, so that a set of any size opens at once. A handle
 * belongs to one thread at a time; a set may be opened several times.
 * Errors: FILE_MISSING, VERSION, HASH (a shard differs from its digest), H5_*, DOC_OFFSETS, TOKEN_RANGE,
 * FIELD_*, JSON_*, TOO_MANY; *out is then NULL. */
int shards_open(struct shards **out, const char *dir, unsigned flags, struct err *e);
void shards_close(struct shards *s); /* NULL ok */

/* What the set says of its origin; strings owned by `s`. */
const struct shards_origin *shards_origin(const struct shards *s);
uint64_t shards_docs(const struct shards *s);
uint64_t shards_tokens(const struct shards *s);
/* sha256 (hex) of the manifest: changes with any byte of any shard. Owned by `s`. */
const char *shards_digest(const struct shards *s);
const char *shards_dir(const struct shards *s); /* as it was opened */
/* Tokens of each document, and the hash of its question: shards_docs of them, owned by `s`. */
const uint32_t *shards_lengths(const struct shards *s);
const uint64_t *shards_questions(const struct shards *s);
/* Document `doc` (< shards_docs) without its ids: those are NULL. Spans are owned by `s` and valid until the
 * next call that asks for another document. Errors: HASH (the file is not, or no longer, the one that the
 * manifest names), and what else opening a shard finds. */
int shards_doc(struct shards *s, uint64_t doc, struct shard_doc *out, struct err *e);
/* Reads the ids of document `doc` into `ids` (its length of them). Errors: those of shards_doc; H5_READ,
 * H5_CHUNK, ZSTD_*, BOMB, TOKEN_RANGE. */
int shards_read(struct shards *s, uint64_t doc, uint32_t *ids, struct err *e);

#endif
