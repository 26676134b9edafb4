/* Choosing the next token.
 *
 * Tokens are in one order: the likelier first, among equals the lower id. Every cut keeps a beginning of it:
 * top_k the first k; top_p, of what top_k left, the fewest whose probabilities reach p; min_p those with at
 * least min_p times the first one's probability. Nothing is sorted to find out: a cut is found by selection,
 * in time linear in the tokens that come into question, and with the result that sorting would give. */
#ifndef TERSE_INFER_SAMPLER_H
#define TERSE_INFER_SAMPLER_H

#include "infer/err.h"
#include "kernels/kernels.h"

struct sampler_config {
    double temperature;        /* 0: the likeliest token (greedy) */
    uint32_t top_k;            /* keep the k likeliest; 0: all */
    double top_p;              /* keep the fewest tokens whose probabilities reach p; 1: all */
    double min_p;              /* drop tokens below min_p times the likeliest; 0: none */
    double repetition_penalty; /* > 1 makes tokens of the history less likely; 1: off */
    uint64_t seed;
};

/* Greedy, nothing cut. */
void sampler_config_init(struct sampler_config *c);
/* FIELD_RANGE naming the field. */
int sampler_config_check(const struct sampler_config *c, struct err *e);

/* Memory to choose with; not for two threads at a time. It keeps nothing from one token to the next. */
struct sampler;

/* vocab: tokens that may be chosen are the ids below, at most the model's V: the embedding's padding is not
 * among them. kern is borrowed. Errors: NOMEM. */
int sampler_create(struct sampler **out, const struct kernels *kern, uint32_t vocab, struct err *e);
void sampler_free(struct sampler *s);

/* Picks *token from logits [vocab or more], which stay as they are. c was checked. The draw is a function of
 * (c->seed, stream, position) alone (rng_uniform). history [n]: the sequence so far, for the penalty. Errors:
 * NONFINITE (a logit is infinite or no number; the message names token and position). Allocates nothing. */
int sampler_pick(struct sampler *s, const struct sampler_config *c, const float *logits,
                 const int32_t *history, uint32_t n, uint64_t stream, uint32_t position, int32_t *token,
                 struct err *e);

#endif
