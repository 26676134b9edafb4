/* A session: streams of tokens on one model, each with its keys and values, stepped together. */
#ifndef TERSE_INFER_SESSION_H
#define TERSE_INFER_SESSION_H

#include "infer/forward.h"

struct session;

struct session_config {
    uint32_t streams;    /* most at once */
    uint32_t max_tokens; /* of a stream: prompt and answer */
    int64_t prefill;     /* rows of a pass; 0: SESSION_PREFILL */
};

enum { SESSION_PREFILL = 512 };

/* Bytes session_create takes. */
uint64_t session_plan(const struct model *m, const struct lora *lora, const struct session_config *c);
/* lora may be NULL. Both are borrowed. Errors: NOMEM, CTX_FULL (max_tokens above the model's context). */
int session_create(struct session **out, const struct model *m, const struct lora *lora,
                   const struct session_config *c, struct err *e);
void session_free(struct session *s);

/* Makes stream `i` hold exactly ids [n], n >= 1, with the adapter acting from token `adapt_from` on (n or
 * more: not at all). What the stream already holds of that, under the same gate, is kept; only the rest is
 * run. Afterwards session_logits(s, i) are those after the last token. *ran (may be NULL): tokens that were
 * run. Errors: CTX_FULL, TOKEN_RANGE; the stream is then what it was, or empty. */
int session_sync(struct session *s, uint32_t i, const int32_t *ids, uint32_t n, uint32_t adapt_from,
                 uint32_t *ran, struct err *e);

/* One more token for each of n different streams, in one pass. token[k] goes to stream[k]; the adapter acts
 * where adapt_from says. Errors: as session_sync (CTX_FULL too when one of the streams holds max_tokens);
 * then nothing changed. */
int session_step(struct session *s, const uint32_t *stream, const int32_t *token, uint32_t n, struct err *e);

/* Logits [V] after the last token of stream i: owned by the session, until its next sync or step. */
const float *session_logits(const struct session *s, uint32_t i);
/* Tokens of stream i. */
const int32_t *session_tokens(const struct session *s, uint32_t i, uint32_t *n);
const struct model *session_model(const struct session *s);
/* Tokens a stream can hold: the configuration's max_tokens. */
uint32_t session_max_tokens(const struct session *s);
/* Log-probability of `token` after stream i, as the trainer would compute it. */
float session_logprob(const struct session *s, uint32_t i, int32_t token);
/* Forgets all but the first n tokens of stream i. Its logits are then no longer valid. */
void session_rewind(struct session *s, uint32_t i, uint32_t n);

#endif
