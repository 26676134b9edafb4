/* Perplexity of a text: exp of the mean loss of its tokens, as llama.cpp's llama-perplexity counts it. The
 * text is cut into windows of `context` tokens, each read by itself; of each the tokens in its second half
 * count (they have at least context / 2 tokens before them), and what is left over at the end does not. */
#ifndef TERSE_INFER_PERPLEXITY_H
#define TERSE_INFER_PERPLEXITY_H

#include "infer/forward.h"
#include "infer/tokenizer.h"

struct perplexity {
    double loss;      /* mean, nats a token */
    double value;     /* exp(loss) */
    double deviation; /* standard error of `value`, tokens taken as independent */
    uint64_t tokens;  /* that counted */
    uint32_t context;
};

/* After every window, `done` of `total`; nonzero ends with INTERRUPTED. */
typedef int perplexity_tick(void *ctx, uint64_t done, uint64_t total);

/* The tokens of a text file, special ones where it names them. *ids is the caller's to free, NULL after an
 * error: those of file_load and tokenizer_encode, NOMEM. */
int perplexity_text(int32_t **ids, size_t *n, const char *path, const struct tokenizer *t, struct err *e);

/* kv: how keys and values are kept. ids [n], each in [0, V). context: 0 for 512, or less where the model or
 * the text is shorter. tick may be NULL. Runs the one forward pass; *out is filled on success. Errors:
 * DATA_EMPTY (fewer tokens than a window, or a context below 4), CTX_FULL (context above the model's),
 * TOKEN_RANGE, NONFINITE, NOMEM, INTERRUPTED. */
int perplexity_run(struct perplexity *out, const struct model *m, enum kv_type kv, const int32_t *ids,
                   size_t n, uint32_t context, perplexity_tick *tick, void *ctx, struct err *e);

#endif
