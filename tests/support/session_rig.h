/* A random model with an adapter, a session of it, and a session to compare with. */
#ifndef TERSE_TESTS_SESSION_RIG_H
#define TERSE_TESTS_SESSION_RIG_H

#include "infer/session.h"
#include "tests/support/random_model.h"

struct session_rig {
    struct random_model r;
    struct adapter *adapter; /* of rank 8, on everything */
    struct lora *lora;
    struct session *s, *fresh; /* fresh: one stream and no cache, what runs everything from scratch */
};

void session_rig_init(struct session_rig *g, const struct model_config *m, enum weight_type type,
                      unsigned threads, const struct session_config *c);
void session_rig_free(struct session_rig *g);

/* Tokens of tiny_config's vocabulary, a function of (seed, place). */
void random_text(int32_t *ids, uint32_t n, uint64_t seed);

/* Of stream i of g->s; they fail the test on error. rig_sync returns how many tokens were run. */
uint32_t rig_sync(struct session_rig *g, uint32_t i, const int32_t *ids, uint32_t n, uint32_t adapt_from);
void rig_step(struct session_rig *g, uint32_t i, int32_t token);
/* Its logits are those of a run from scratch of the tokens it holds, bit for bit. */
void rig_as_from_scratch(struct session_rig *g, const char *what, uint32_t i, uint32_t adapt_from);

#endif
