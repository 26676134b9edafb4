#include "infer/adapter.h"

#include "infer/rng.h"

#include <math.h>
#include <stdlib.h>

const char *const lora_gate_names[] = {
    [GATE_ASSISTANT] = "assistant", [GATE_RESPONSE] = "response", [GATE_ALL] = "all"};

const enum param lora_param[LORA_TARGETS] = {
    [LORA_Q] = P_Q,       [LORA_K] = P_K,   [LORA_V] = P_V,       [LORA_O] = P_O,
    [LORA_GATE] = P_GATE, [LORA_UP] = P_UP, [LORA_DOWN] = P_DOWN,
};

double adapter_scale(const struct adapter_config *c)
{
    return c->alpha / (c->rslora ? sqrt(c->rank) : (double)c->rank);
}

void adapter_shape(const struct model_config *m, enum lora_target t, uint64_t *in, uint64_t *out)
{
    params_shape(m, lora_param[t], out, in);
}

static int adapted(const struct adapter_config *c, enum lora_target t)
{
    return c->targets >> t & 1;
}

/* Floats of A and B of one target. */
static uint64_t target_count(const struct model_config *m, const struct adapter_config *c, enum lora_target t)
{
    uint64_t in, out;
    if (!adapted(c, t)) return 0;
    adapter_shape(m, t, &in, &out);
    return (in + out) * c->rank;
}

/* Floats of the targets before `end` in one layer. */
static uint64_t count_before(const struct model_config *m, const struct adapter_config *c, int end)
{
    uint64_t n = 0;
    for (int t = 0; t < end; t++) n += target_count(m, c, (enum lora_target)t);
    return n;
}

uint64_t adapter_count(const struct model_config *m, const struct adapter_config *c)
{
    return m->layers * count_before(m, c, LORA_TARGETS);
}

uint64_t adapter_offset_a(const struct adapter *a, uint32_t layer, enum lora_target t)
{
    if (!adapted(&a->cfg, t)) return UINT64_MAX;
    return layer * count_before(&a->model, &a->cfg, LORA_TARGETS) + count_before(&a->model, &a->cfg, t);
}

uint64_t adapter_offset_b(const struct adapter *a, uint32_t layer, enum lora_target t)
{
    uint64_t in, out, offset_a = adapter_offset_a(a, layer, t);
    if (offset_a == UINT64_MAX) return UINT64_MAX;
    adapter_shape(&a->model, t, &in, &out);
    return offset_a + in * a->cfg.rank;
}

/* A rank above min(in, out) would cost more than the matrix it adapts and add nothing. */
static int rank_check(const struct model_config *m, const struct adapter_config *c, struct err *e)
{
    if (c->rank < 1 || c->rank > LORA_MAX_RANK)
        return err_set(e, ERR_AD_RANK, "rank r is %u, expected 1 to %d", c->rank, LORA_MAX_RANK);
    for (int t = 0; t < LORA_TARGETS; t++) {
        uint64_t in, out;
        if (!adapted(c, (enum lora_target)t)) continue;
        adapter_shape(m, (enum lora_target)t, &in, &out);
        if (c->rank > in || c->rank > out)
            return err_set(e, ERR_AD_RANK,
                           "rank r is %u, above the smaller side of %s, which is %llu by %llu", c->rank,
                           params[lora_param[t]].target, (unsigned long long)out, (unsigned long long)in);
    }
    return 0;
}

int adapter_config_check(const struct model_config *m, const struct adapter_config *c, struct err *e)
{
    if (c->targets == 0 || c->targets & ~(uint32_t)LORA_ALL)
        return err_set(e, ERR_AD_TARGET, "targets are 0x%x, expected some of the seven bits 0x%x", c->targets,
                       LORA_ALL);
    int r = rank_check(m, c, e);
    if (r) return r;
    if (!isfinite(c->alpha) || !(c->alpha > 0))
        return err_set(e, ERR_AD_ALPHA, "lora_alpha is %g, expected a finite number above 0", c->alpha);
    if (!(c->dropout >= 0 && c->dropout < 1))
        return err_set(e, ERR_FIELD_RANGE, "lora_dropout is %g, expected 0 to below 1", c->dropout);
    return 0;
}

int adapter_create(struct adapter **out, const struct model_config *m, const struct adapter_config *c,
                   struct err *e)
{
    *out = NULL;
    int r = adapter_config_check(m, c, e);
    if (r) return r;
    struct adapter *a = malloc(sizeof *a);
    if (!a) return err_set(e, ERR_NOMEM, "no memory for an adapter");
    *a = (struct adapter){.cfg = *c, .model = *m, .count = adapter_count(m, c)};
    a->weights = calloc(a->count, sizeof *a->weights);
    if (!a->weights) {
        r = err_set(e, ERR_NOMEM, "no memory for an adapter of rank %u: %llu bytes", c->rank,
                    (unsigned long long)(a->count * sizeof *a->weights));
        adapter_free(a);
        return r;
    }
    *out = a;
    return 0;
}

void adapter_drop_weights(struct adapter *a)
{
    free(a->weights);
    a->weights = NULL;
}

void adapter_free(struct adapter *a)
{
    if (!a) return;
    free(a->weights);
    free(a);
}

enum { INIT_STREAM = 0x61646170 }; /* "adap": no other draw uses this stream */

void adapter_init_random(struct adapter *a, uint64_t seed)
{
    for (uint64_t i = 0; i < a->count; i++) a->weights[i] = 0;
    for (uint32_t layer = 0; layer < a->model.layers; layer++)
        for (int t = 0; t < LORA_TARGETS; t++) {
            uint64_t in, out, begin = adapter_offset_a(a, layer, (enum lora_target)t);
            if (begin == UINT64_MAX) continue;
            adapter_shape(&a->model, (enum lora_target)t, &in, &out);
            double bound = 1 / sqrt((double)in);
            for (uint64_t i = begin; i < begin + in * a->cfg.rank; i++)
                a->weights[i] = (float)((2 * rng_uniform(seed, INIT_STREAM, i) - 1) * bound);
        }
}
