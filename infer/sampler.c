#include "infer/sampler.h"
#include "infer/rng.h"
#include "kernels/math.h"

#include <stdlib.h>

void sampler_config_init(struct sampler_config *c)
{
    *c = (struct sampler_config){.top_p = 1, .repetition_penalty = 1};
}

static int range(struct err *e, const char *key, double v, double lo, double hi)
{
    if (v >= lo && v <= hi) return 0;
    return err_set(e, ERR_FIELD_RANGE, "%s is %g, expected %g to %g", key, v, lo, hi);
}

int sampler_config_check(const struct sampler_config *c, struct err *e)
{
    int r = range(e, "temperature", c->temperature, 0, 100);
    if (!r) r = range(e, "top_p", c->top_p, 1e-6, 1);
    if (!r) r = range(e, "min_p", c->min_p, 0, 1);
    if (!r) r = range(e, "repetition_penalty", c->repetition_penalty, 0.01, 100);
    return r;
}

int sampler_create(struct sampler **out, const struct sampler_config *c, uint32_t vocab, struct err *e)
{
    *out = NULL;
    int r = sampler_config_check(c, e);
    if (r) return r;
    struct sampler *s = malloc(sizeof *s);
    struct candidate *list = malloc(vocab * sizeof *list);
    if (!s || !list) {
        free(s);
        free(list);
        return err_set(e, ERR_NOMEM, "no memory to sample from %u tokens", vocab);
    }
    *s = (struct sampler){*c, vocab, list};
    *out = s;
    return 0;
}

void sampler_free(struct sampler *s)
{
    if (!s) return;
    free(s->candidate);
    free(s);
}

/* CTRL's rule (Keskar et al. 2019, 4.1): once for each different token of the history. */
static void penalise(struct sampler *s, const float *logits, const int32_t *history, uint32_t n)
{
    float p = (float)s->c.repetition_penalty;
    for (uint32_t i = 0; i < n; i++) {
        if ((uint32_t)history[i] >= s->vocab) continue;
        float x = logits[history[i]];
        s->candidate[history[i]].logit = x > 0 ? x / p : x * p;
    }
}

static int likelier(const void *pa, const void *pb)
{
    const struct candidate *a = pa, *b = pb;
    if (a->logit != b->logit) return a->logit > b->logit ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

static int32_t best(const struct sampler *s)
{
    uint32_t top = 0;
    for (uint32_t i = 1; i < s->vocab; i++)
        if (s->candidate[i].logit > s->candidate[top].logit) top = i;
    return s->candidate[top].id;
}

/* How many of the sorted candidates stay; logits become probabilities that sum to about 1. */
static uint32_t cut(struct sampler *s, uint32_t n)
{
    struct candidate *c = s->candidate;
    float top = c[0].logit, inverse = (float)(1 / s->c.temperature);
    double sum = 0, part = 0;
    if (s->c.top_k && s->c.top_k < n) n = s->c.top_k;
    for (uint32_t i = 0; i < n; i++) {
        c[i].logit = exp_f32((c[i].logit - top) * inverse);
        sum += (double)c[i].logit;
    }
    uint32_t kept = 0;
    while (kept < n && (kept == 0 || (part < s->c.top_p * sum && (double)c[kept].logit >= s->c.min_p)))
        part += (double)c[kept++].logit;
    return kept;
}

static int32_t draw(const struct sampler *s, uint32_t n, double u)
{
    double sum = 0, at = 0;
    for (uint32_t i = 0; i < n; i++) sum += (double)s->candidate[i].logit;
    for (uint32_t i = 0; i < n; i++) {
        at += (double)s->candidate[i].logit;
        if (u * sum < at) return s->candidate[i].id;
    }
    return s->candidate[n - 1].id;
}

int32_t sampler_pick(struct sampler *s, const float *logits, const int32_t *history, uint32_t n,
                     uint64_t stream, uint32_t position)
{
    for (uint32_t i = 0; i < s->vocab; i++) s->candidate[i] = (struct candidate){logits[i], (int32_t)i};
    if (s->c.repetition_penalty != 1) penalise(s, logits, history, n);
    if (s->c.temperature == 0) return best(s);
    qsort(s->candidate, s->vocab, sizeof *s->candidate, likelier);
    return draw(s, cut(s, s->vocab), rng_uniform(s->c.seed, stream, position));
}
