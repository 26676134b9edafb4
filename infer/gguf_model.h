/* A Qwen2 model in a GGUF file, as llama.cpp lays it out: general.architecture "qwen2", its keys qwen2.*, the
 * tensors of params[].gguf, the tokenizer under tokenizer.ggml.*.
 *
 * Keys of our own, which other programs pass over:
 *   terse.base           digest of the model it was made from, before any rounding ("" or absent: unknown)
 *   terse.tokenizer      digest of the tokenizer
 *   terse.w4             true: Q4_0 tensors have one scale a row, and become WT_W4 panels
 *   terse.eos_token_ids  all tokens that end an answer (tokenizer.ggml.eos_token_id has room for one)
 *   terse.nfc            whether text is normalised first; absent: it is, as Qwen2's is
 *   terse.rope_theta, terse.rms_eps  as f64, where f32 does not hold them */
#ifndef TERSE_INFER_GGUF_MODEL_H
#define TERSE_INFER_GGUF_MODEL_H

#include "infer/gguf.h"
#include "infer/params.h"
#include "infer/tokenizer.h"

enum { GGUF_DIGEST = 65 }; /* 64 hex digits and a NUL */

struct gguf_model {
    struct gguf *file;
    struct model_config config;
    const struct tensor **bound;                    /* [params_slots(&config)], as params_bind makes it */
    enum dtype dtype;                               /* of products: F32 when every matrix is F32, else BF16 */
    uint64_t bytes;                                 /* of all tensors as they are in the file */
    char base[GGUF_DIGEST], tokenizer[GGUF_DIGEST]; /* terse.base, terse.tokenizer; "" unknown */

    struct tensor *tensors; /* [n], under Hugging Face's names; data lies in the map */
    size_t n;
    char (*names)[96];
};

/* Opens a file, reads the configuration, binds the tensors and looks at every value. Not the tokenizer. *out
 * is the caller's to close, NULL after an error: those of gguf_open and params_bind, CFG_TYPE (not qwen2, an
 * adapter, or a feature we do not have), CFG_HEADS, CFG_RANGE, FIELD_MISSING, FIELD_TYPE, FIELD_RANGE,
 * TOK_VOCAB (tokens and embedding disagree), TOK_SPECIAL, GG_BLOCK (terse.w4, but scales differ in a row),
 * NONFINITE, CHANGED, NOMEM. */
int gguf_model_open(struct gguf_model **out, const char *path, struct err *e);
/* The same for a file in memory, which must outlive *out. */
int gguf_model_open_memory(struct gguf_model **out, const void *file, size_t n, const char *label,
                           struct err *e);
/* NULL is fine. The tensors are gone afterwards. */
void gguf_model_close(struct gguf_model *m);
/* As gguf_intact: call it after the weights were copied. */
int gguf_model_intact(const struct gguf_model *m, struct err *e);

/* The configuration alone. Errors: as above. */
int gguf_config(struct model_config *c, const struct gguf *g, struct err *e);
/* The tokenizer inside; the same ids as the Hugging Face folder's. *out is the caller's to tokenizer_free,
 * NULL after an error: FIELD_MISSING, FIELD_TYPE, TOK_UNSUPPORTED (not byte-level BPE), TOK_PATTERN (not
 * Qwen2's split), TOK_VOCAB (arrays of different lengths, a type out of range), UTF8, TPL_UNKNOWN, those of
 * vocab_* and tokenizer_create. */
int gguf_tokenizer(struct tokenizer **out, const struct gguf *g, struct err *e);
/* True when `path` is a file that begins with "GGUF". */
bool gguf_is_file(const char *path);

#endif
