/* A session: streams of tokens on one model, each with its keys and values, run together.
 *
 * What a stream holds is its tokens, a gate (the token from which on the adapter acts) and the keys and
 * values that follow from both. None of these depends on the other streams, or on how a stream came to hold
 * it: run from scratch, forked, found in the prefix cache or rewound, the bits are the same.
 *
 * A session belongs to one thread at a time. Nothing here allocates but session_create. */
#ifndef TERSE_INFER_SESSION_H
#define TERSE_INFER_SESSION_H

#include "infer/forward.h"

struct session;

struct session_config {
    uint32_t streams;     /* most at once */
    uint32_t max_tokens;  /* of a stream: prompt and answer */
    int64_t prefill;      /* rows of a pass; 0: SESSION_PREFILL */
    enum kv_type kv;      /* how keys and values are kept */
    uint64_t cache_bytes; /* of keys and values that no stream holds any more, for prompts that begin alike */
    bool cache_base; /* only of what stands before the gates: for adapters that do not stay as they are */
    uint32_t pages;  /* of 64 tokens, for all streams together; 0: so many that they are never short */
    uint32_t rank;   /* highest rank of adapters to come, beside the first one's */
    struct states_config states; /* hidden states that session_watch may ask for */
};

enum { SESSION_PREFILL = 256 };

/* Bytes session_create takes. */
uint64_t session_plan(const struct model *m, const struct lora *lora, const struct session_config *c);
/* lora may be NULL. Both are borrowed. Errors: NOMEM, CTX_FULL (max_tokens above the model's context),
 * FIELD_RANGE (states that the model has not). */
int session_create(struct session **out, const struct model *m, const struct lora *lora,
                   const struct session_config *c, struct err *e);
void session_free(struct session *s);

/* Another adapter from now on, or the same one with other weights, or NULL for none. Streams keep what the
 * base alone has made of them. Errors: AD_RANK (a rank above the first one's); then nothing changed. */
int session_set_lora(struct session *s, const struct lora *lora, struct err *e);

/* ---- one stream ---------------------------------------------------------------------------------------- */

/* Makes stream `i` hold exactly ids [n], n >= 1, with the adapter acting from token `adapt_from` on (n or
 * more: not at all): session_begin, then passes of the rest. Afterwards session_logits(s, i) are those after
 * the last token. *ran (may be NULL): tokens that were run. Errors: those of session_begin; CTX_FULL when the
 * pages are short, and the stream then holds a beginning of ids. */
int session_sync(struct session *s, uint32_t i, const int32_t *ids, uint32_t n, uint32_t adapt_from,
                 uint32_t *ran, struct err *e);

/* Makes stream i hold as much of ids [n] as can be had without running it, under this gate and short of the
 * last token: what it holds itself, what another stream holds (forked), what the prefix cache has. *held: so
 * many tokens. Errors: TOKEN_RANGE, CTX_FULL (n above max_tokens); then nothing changed. */
int session_begin(struct session *s, uint32_t i, const int32_t *ids, uint32_t n, uint32_t adapt_from,
                  uint32_t *held, struct err *e);

/* Stream `to` becomes another with the first n tokens of stream `from`, its gate and, if that is all of it,
 * its logits. Whole pages are shared; the last one is copied when one of the two goes on. n at most what
 * `from` holds. */
void session_fork(struct session *s, uint32_t from, uint32_t to, uint32_t n);

/* Forgets all but the first n tokens of stream i. Its logits are then no longer valid. */
void session_rewind(struct session *s, uint32_t i, uint32_t n);

/* ---- hidden states -------------------------------------------------------------------------------------

 * States are pooled as tokens are run, at no cost but the sums. What was run without being watched has left
 * none: so a prompt is watched from its last turn on, say, before it is synced, and what comes before may be
 * found in the cache. */

/* From now on stream i pools the states of positions [from, to) as it runs them; to UINT32_MAX: whatever
 * comes, to == from: none. Until the range is pooled, session_begin (and session_sync) hold no token of it
 * that would leave a gap; another stream lends its tokens with all that it has pooled of the same range. A
 * range that is watched already goes on as it is, when the stream still holds what was pooled. Forks take
 * along what is pooled; rewinding into it, or syncing to other tokens, begins the range anew. Does nothing in
 * a session whose configuration has no states. */
void session_watch(struct session *s, uint32_t i, uint32_t from, uint32_t to);
/* Pools what stream i has of the k-th depth of the configuration's states to out [width]. Returns the tokens
 * in it; 0: none, and out is as it was. */
uint32_t session_states(const struct session *s, uint32_t i, uint32_t k, enum pooling how, float *out);

/* ---- streams together ---------------------------------------------------------------------------------- */

/* Tokens that a pass appends to a stream. */
struct session_part {
    uint32_t stream;
    uint32_t n;         /* >= 1 */
    const int32_t *ids; /* [n] */
    bool quiet;         /* no logits are wanted */
};

/* One pass: appends each part to its stream (all different). At most session_rows tokens in all; prompts and
 * single tokens may be mixed. The adapter acts where the streams' gates say. Afterwards session_logits of the
 * streams are those after their last tokens, unless quiet. Errors: TOKEN_RANGE, TOO_MANY (tokens in all),
 * CTX_FULL (a stream or the pages are full); then nothing changed. */
int session_run(struct session *s, const struct session_part *part, uint32_t parts, struct err *e);
int64_t session_rows(const struct session *s);

/* One more token for each of n different streams, in one pass. token[k] goes to stream[k]. Errors: as
 * session_run. */
int session_step(struct session *s, const uint32_t *stream, const int32_t *token, uint32_t n, struct err *e);

/* ---- what there is ---------------------------------------------------------------------------------------
 */

/* Logits [V] after the last token of stream i: owned by the session, until the stream changes; NULL where
 * there are none. */
const float *session_logits(const struct session *s, uint32_t i);
/* Log-probability of `token` after stream i, as the trainer would compute it. May be called by several
 * threads. */
float session_logprob(const struct session *s, uint32_t i, int32_t token);
/* Tokens of stream i. */
const int32_t *session_tokens(const struct session *s, uint32_t i, uint32_t *n);
const struct model *session_model(const struct session *s);
/* Tokens a stream can hold: the configuration's max_tokens. */
uint32_t session_max_tokens(const struct session *s);
/* Pages of 64 tokens that can still be had, and those that stream i would take to hold `tokens` tokens. */
uint32_t session_unused_pages(const struct session *s);
uint32_t session_pages_wanted(const struct session *s, uint32_t i, uint32_t tokens);
/* The prefix cache's books. */
void session_cache(const struct session *s, struct kv_index_stats *out);

#endif
