/* A model, or an adapter, as a GGUF file (infer/gguf_model.h and infer/gguf_adapter.h say what is in it). */
#ifndef TERSE_CHECKPOINTS_GGUF_SAVE_H
#define TERSE_CHECKPOINTS_GGUF_SAVE_H

#include "checkpoints/gguf_write.h"
#include "checkpoints/model_rows.h"
#include "checkpoints/quant.h"
#include "infer/pool.h"

/* What became of a tensor. */
struct gguf_saved {
    const char *name; /* GGUF's; valid during the call that brings it */
    enum dtype from, to;
    uint64_t rows, cols, bytes_from, bytes_to;
    struct quant_error error;
};

struct gguf_model_options {
    enum dtype matrices; /* F32, BF16, F16, Q8_0, Q4_0 or W4; where rows are no multiple of 32, a quantised
                            type gives way to BF16 */
    enum dtype head;     /* of the embedding, and of the head: the same choice */
    enum quant_method method;
    const char *name; /* general.name */
    /* May both be NULL. After every tensor; after every chunk, out of `total` bytes of the file's data
     * (nonzero ends with INTERRUPTED). */
    void (*saved)(void *ctx, const struct gguf_saved *s);
    int (*tick)(void *ctx, uint64_t done, uint64_t total);
    void *ctx;
};

/* Writes the model with its tokenizer to PATH, whole or not at all, on all threads of the pool. A matrix that
 * has the wanted type already is copied as it is. chat_template [n] may be NULL. Memory: a few rows a thread
 * and a chunk. Errors: those of gguf_save, CFG_CONFLICT (W4 beside Q4_0), NONFINITE (after merging), CHANGED,
 * INTERRUPTED, NOMEM. */
int gguf_model_save(const char *path, const struct model_rows *source, const struct tokenizer *t,
                    const char *chat_template, size_t n, const struct gguf_model_options *o,
                    struct pool *pool, struct err *e);
/* Bytes of the tensors that gguf_model_save will write. */
uint64_t gguf_model_bytes(const struct model_config *c, const struct gguf_model_options *o);

/* Writes an adapter, its tensors as F32, F16 or BF16. `info` as adapter_info has it; with gate `assistant`
 * its invocation tokens are written for other programs (llama.cpp reads them). Errors: those of gguf_save,
 * AD_NORM, NONFINITE, CFG_CONFLICT (invocation tokens with another gate). */
int gguf_adapter_save(const char *path, const struct adapter *a, const struct adapter_info *info,
                      enum dtype dtype, struct err *e);

#endif
