/* The switcher: labelled prompts, their hidden states in the base, and the head that is learned from them. */
#ifndef TERSE_RL_SWITCHER_H
#define TERSE_RL_SWITCHER_H

#include "data/features.h"
#include "data/labelled.h"
#include "rl/eval.h"

/* How a prompt is answered: [0] by the base, [1] by the base with the adapter. */
struct switcher_answers {
    uint32_t tokens[2]; /* >= 1 */
    uint8_t right[2];
};

/* Lets the base alone, and then the base with l's adapter, answer every prompt under `c` (whose caps are not
 * looked at), and judges the answers by the prompts' references, which all have: out [prompts->n]. `tick`
 * (may be NULL) hears how many of the 2 n answers are done, and tokens so far, and stops it by not returning
 * 0: INTERRUPTED. Other errors: those of eval_run, DATA_EMPTY (no adapter). */
int switcher_measure(struct switcher_answers *out, const struct loaded *l, const struct labelled *prompts,
                     const struct eval_config *c, int (*tick)(void *ctx, size_t done, uint64_t tokens),
                     void *ctx, struct err *e);

struct switcher_states {
    struct states_config depths;
    enum pooling pooling;
    const char *system; /* as for prompt_chat */
    const char *made;   /* of the features' origin */
    uint32_t max_tokens;
};

/* Where the features come from; texts are l's and c's. */
struct features_origin switcher_origin(const struct loaded *l, const struct switcher_states *c);

/* Runs every prompt through the base, as a chat whose next turn is the assistant's, and writes the states of
 * what was asked last (prompt_asked) as the feature set DIR, with their labels and, if they were measured,
 * answers [prompts->n]; else NULL. l has its digests. `tick` (may be NULL) hears
 * how many are done, and stops it by not returning 0: INTERRUPTED; the same call then
 * goes on. Other errors: FIELD_RANGE (a depth that the model has not), CTX_FULL (a prompt above max_tokens,
 * naming its row), those of prompt_chat, session_create and features_writer_add. */
int switcher_features(const struct loaded *l, const struct labelled *prompts,
                      const struct switcher_answers *answers, const struct switcher_states *c,
                      const char *dir, int (*tick)(void *ctx, size_t done), void *ctx, struct err *e);

#endif
