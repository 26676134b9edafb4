/* Choosing the next token. */
#ifndef TERSE_INFER_SAMPLER_H
#define TERSE_INFER_SAMPLER_H

#include "infer/model.h"

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

struct sampler {
    struct sampler_config c;
    uint32_t vocab; /* tokens that may be chosen: ids below; the embedding's padding is not */
    struct candidate {
        float logit;
        int32_t id;
    } * candidate; /* [vocab] scratch */
};

/* vocab: the tokenizer's, <= the model's V. Errors: NOMEM. */
int sampler_create(struct sampler **out, const struct sampler_config *c, uint32_t vocab, struct err *e);
void sampler_free(struct sampler *s);

/* Picks from logits [V]. The draw is a function of (seed, stream, position) alone. history [n]: the sequence
 * so far, for the penalty. Ties go to the lower id. Logits are not changed. */
int32_t sampler_pick(struct sampler *s, const float *logits, const int32_t *history, uint32_t n,
                     uint64_t stream, uint32_t position);

#endif
