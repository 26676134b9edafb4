/* The verifier: chains sampled for problems, graded, and the hidden states that they leave, from which a head
 * is to tell whether they are right. */
#ifndef TERSE_RL_VERIFIER_H
#define TERSE_RL_VERIFIER_H

#include "data/features.h"
#include "data/problems.h"
#include "infer/loaded.h"
#include "infer/sampler.h"
#include "infer/session.h"

struct verifier_config {
    struct session_config session; /* streams: chains at a time; max_tokens and states are found out */
    struct states_config depths;
    enum pooling pooling; /* POOL_LAST: of the last token of all; else of the chain */
    const char *prompt;   /* what is appended to a chain for POOL_LAST; "": nothing */
    const char *made;     /* of the features' origin */
    const char *system;   /* as for prompt_chat */
    bool think;
    uint32_t chains;  /* of a problem, >= 1 */
    uint32_t max_new; /* tokens of a chain, at most */
    struct sampler_config sampler;
};

/* What there is so far, of this call and those before it that it goes on from. */
struct verifier_progress {
    size_t before; /* chains that were there when it began */
    size_t chains; /* done, those included; right, cut and tokens are of the others */
    size_t right, cut;
    uint64_t tokens;
};

/* Where the features come from; texts are l's and c's. */
struct features_origin verifier_origin(const struct loaded *l, const struct verifier_config *c);

/* Samples c->chains answers to every problem, all of a block of problems in one running batch, grades them,
 * and writes the feature set DIR: a row a chain, problem by problem, with the class of its answer
 * (infer/vote.h, equal being what the grader calls so) and the label that it is right. Rows are a function of
 * problems, models and settings: not of streams, threads or stops. l has its digests. No two problems may
 * have the same question (problems_unique).
 *
 * `tick` (may be NULL) hears of every token, and stops by not returning 0: INTERRUPTED; whole blocks are kept
 * in DIR.tmp, and the same call goes on after them. Other errors: FIELD_RANGE (a depth that the model has
 * not, a sampler's setting), CTX_FULL (naming the row of a problem that leaves no room), those of
 * prompt_chat, check_init, session_create, generate_run, features_writer_open and _add. */
int verifier_features(const struct loaded *l, const struct problems *p, const struct verifier_config *c,
                      const char *dir, int (*tick)(void *ctx, const struct verifier_progress *at), void *ctx,
                      struct err *e);

#endif
