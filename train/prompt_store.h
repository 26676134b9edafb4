/* Prompts that the base alone has read, once each: documents that begin alike go on from the same keys and
 * values, in a row and, since the base never changes, in later rows too.
 *
 * None of this can be seen in a result: what a row computes does not depend on who else holds its pages
 * (clause 1 of docs/design.md). */
#ifndef TERSE_TRAIN_PROMPT_STORE_H
#define TERSE_TRAIN_PROMPT_STORE_H

#include "infer/kv.h"

struct stored_prompt {
    struct kv_stream *kv;
    uint32_t *ids;  /* [n] */
    uint32_t n;     /* 0: nothing is stored here */
    float *x;       /* [D] residual after its last token */
    uint64_t asked; /* the last row that wanted it */
    bool fresh;     /* it is to be run first */
};

struct prompt_store {
    struct stored_prompt *at; /* [count] */
    uint32_t count;
    uint32_t keep; /* pages that prompts may hold which the row at hand does not want */
    uint64_t row;  /* counts rows */
};

struct prompt_store_config {
    uint32_t docs;       /* of a row, at most */
    uint32_t max_tokens; /* of a prompt, at most */
    uint32_t keep;
};

/* Takes its memory from a (counting only, where a has none). Pages the pool needs for it: keep, and one a
 * document.
 */
void prompt_store_carve(struct arena *a, struct prompt_store *s, const struct prompt_store_config *c,
                        uint32_t width);
/* After carving: the streams. Errors: NOMEM; then prompt_store_free. */
int prompt_store_open(struct prompt_store *s, struct kv_pool *pool, uint32_t max_tokens, struct err *e);
void prompt_store_free(struct prompt_store *s);

/* For a row of documents whose prompts are the first n[i] of ids[i]: where each is stored (NULL for an empty
 * one), in `out`. Those that are fresh have room in their streams but nothing in it yet: they are to be run,
 * and then prompt_store_ran told. Others may be forgotten. Errors: CTX_FULL. */
int prompt_store_ask(struct prompt_store *s, const uint32_t *const *ids, const uint32_t *n, uint32_t docs,
                     struct stored_prompt **out, struct err *e);
void prompt_store_ran(struct prompt_store *s);

#endif
