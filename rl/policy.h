/* What a mini-batch is trained on: the clipped surrogate (Schulman et al. 2017), the value's loss, an entropy
 * bonus and a KL penalty, token by token. All are means over the mini-batch's tokens, by weights that sum
 * to 1. */
#ifndef TERSE_RL_POLICY_H
#define TERSE_RL_POLICY_H

#include "rl/value.h"
#include "train/micro.h"

enum kl_loss { KL_NONE, KL_K2, KL_K3 }; /* x = log p - log ref: x^2 / 2; exp(-x) + x - 1 */

struct policy_config {
    double clip_low, clip_high; /* the ratio counts in [1 - low, 1 + high] */
    double value_clip;          /* a value moves by at most this; 0: no limit */
    double value_coef; /* of the value's loss in the trunk's gradient; 0: the trunk does not see it */
    double entropy_coef, kl_coef;
    enum kl_loss kl;
    bool critic; /* there is a value head to train */
};

/* What is known of a token before the step, and what comes out. */
struct policy_token {
    float logp_old, logp_ref; /* when sampled; of the reference */
    float advantage, ret;     /* ret: what the value should have been */
    float value_old;
    float weight;
    float logp, entropy, value; /* out */
};

/* The answer of a document: its tokens from `from` on. */
struct policy_doc {
    struct policy_token *token;
    uint32_t from;
};

struct policy_loss {
    const struct policy_config *c;
    struct value_head *head;         /* NULL: none */
    const struct micro_place *place; /* micro_places */
    const struct policy_doc *doc;    /* [docs] of the row that is run */
    bool entropy;                    /* wanted, though it has no coefficient */
    double value_loss;               /* out: sum of weight times loss */
};

/* The loss of one token and its gradients. */
double policy_surrogate(const struct policy_config *c, const struct policy_token *t, float logp,
                        float *dlogp);
double policy_value(const struct policy_config *c, const struct policy_token *t, float value, float *dvalue);

struct objective policy_objective(struct policy_loss *l);

#endif
