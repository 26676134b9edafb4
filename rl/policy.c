#include "rl/policy.h"

#include <math.h>

static double kl_of(enum kl_loss kl, double x, double *d)
{
    if (kl == KL_K2) {
        *d = x;
        return x * x / 2;
    }
    *d = 1 - exp(-x);
    return exp(-x) + x - 1;
}

double policy_surrogate(const struct policy_config *c, const struct policy_token *t, float logp, float *dlogp)
{
    double ratio = exp((double)logp - (double)t->logp_old), a = (double)t->advantage, d = 0;
    double bound = a > 0 ? 1 + c->clip_high : 1 - c->clip_low;
    bool clipped = a > 0 ? ratio > bound : ratio < bound;
    double loss = -a * (clipped ? bound : ratio), slope = clipped ? 0 : -a * ratio;
    if (c->kl != KL_NONE) {
        loss += c->kl_coef * kl_of(c->kl, (double)logp - (double)t->logp_ref, &d);
        slope += c->kl_coef * d;
    }
    *dlogp = (float)slope;
    return loss;
}

double policy_value(const struct policy_config *c, const struct policy_token *t, float value, float *dvalue)
{
    double error = (double)value - (double)t->ret, by = (double)value - (double)t->value_old,
           most = c->value_clip;
    *dvalue = (float)error;
    if (most <= 0 || fabs(by) <= most) return error * error / 2;
    double held = (double)t->value_old + (by > 0 ? most : -most) - (double)t->ret;
    if (held * held <= error * error) return error * error / 2;
    *dvalue = 0; /* the clipped value's error is larger, and does not move */
    return held * held / 2;
}

static struct policy_token *token_of(const struct policy_loss *l, int64_t label)
{
    const struct micro_place *at = &l->place[label];
    return l->doc[at->doc].token + (at->t - l->doc[at->doc].from);
}

static void label(void *ctx, int64_t i, float logp, float entropy, float *dlogp, float *dentropy)
{
    const struct policy_loss *l = ctx;
    struct policy_token *t = token_of(l, i);
    t->logp = logp, t->entropy = entropy;
    policy_surrogate(l->c, t, logp, dlogp);
    *dlogp *= t->weight;
    *dentropy = (float)-l->c->entropy_coef * t->weight;
}

static void states(void *ctx, int64_t first, int64_t n, const float *xn, float *dn)
{
    struct policy_loss *l = ctx;
    for (int64_t i = 0; i < n && l->head; i++) {
        struct policy_token *t = token_of(l, first + i);
        const float *x = xn + i * l->head->width;
        float d;
        t->value = value_of(l->head, x);
        if (!l->c->critic) continue;
        l->value_loss += policy_value(l->c, t, t->value, &d) * (double)t->weight;
        value_add(l->head, x, d * t->weight);
        for (uint32_t j = 0; dn && l->c->value_coef > 0 && j < l->head->width; j++)
            dn[i * l->head->width + j] += (float)l->c->value_coef * d * t->weight * l->head->weight[j];
    }
}

struct objective policy_objective(struct policy_loss *l)
{
    bool entropy = l->entropy || l->c->entropy_coef != 0;
    return (struct objective){label, l->head ? states : NULL, entropy, l};
}
