#include "tests/support/random_model.h"
#include "kernels/quant.h"

#include <math.h>
#include <stdlib.h>

float random_at(uint64_t seed, uint64_t i)
{
    uint64_t x = (seed + 1) * 0x9e3779b97f4a7c15u + i * 0xbf58476d1ce4e5b9u;
    x ^= x >> 30, x *= 0xbf58476d1ce4e5b9u, x ^= x >> 27, x *= 0x94d049bb133111ebu, x ^= x >> 31;
    return (float)((double)(x >> 11) / 9007199254740992.0 * 2 - 1);
}

struct model_config tiny_config(void)
{
    struct model_config c;
    model_config_init(&c);
    c.layers = 2, c.heads = 7, c.kv_heads = 1, c.head_dim = 32, c.width = 96, c.ff = 101, c.vocab = 75;
    c.max_positions = 512, c.tied = true, c.rope_theta = 10000;
    return c;
}

struct model_config tiny_config_for(enum weight_type type)
{
    struct model_config c = tiny_config();
    if (weight_quantised(type)) c.ff = 96;
    return c;
}

void weights_snap(enum weight_type type, uint64_t rows, uint64_t cols, float *w)
{
    char block[Q8_0_BLOCK];
    float scale = 0;
    for (uint64_t i = 0; i < rows * cols; i += GROUP) {
        if (i % cols == 0) scale = row_scale_w4((int64_t)cols, w + i);
        if (type == WT_Q8_0)
            block_put_q8_0(w + i, block), block_get_q8_0(block, w + i);
        else if (type == WT_Q4_0)
            block_put_q4_0(w + i, block), block_get_q4_0(block, w + i);
        else
            block_put_w4(w + i, scale, block), block_get_q4_0(block, w + i);
    }
}

static void fill(struct tensor *t, enum param p, uint64_t rows, uint64_t cols, uint64_t seed)
{
    float *w = malloc(rows * cols * sizeof *w);
    float scale = params[p].kind == PARAM_BIAS ? 0.3f : 1.7f / sqrtf((float)cols);
    for (uint64_t i = 0; i < rows * cols; i++) {
        float u = random_at(seed, i);
        w[i] = params[p].kind == PARAM_NORM ? 1 + 0.2f * u : scale * u;
    }
    *t = (struct tensor){.dtype = DTYPE_F32, .rank = cols > 1 ? 2 : 1, .shape = {rows, cols}, .data = w};
    t->bytes = rows * cols * sizeof *w;
}

void random_model_create(struct random_model *r, const struct model_config *c, enum weight_type type,
                         unsigned threads, const char *isa, uint64_t seed)
{
    random_model_create_snapped(r, c, type, type, threads, isa, seed);
}

void random_model_create_snapped(struct random_model *r, const struct model_config *c, enum weight_type snap,
                                 enum weight_type type, unsigned threads, const char *isa, uint64_t seed)
{
    struct err e = {0};
    uint32_t layer;
    r->slots = params_slots(c);
    r->tensors = calloc(r->slots, sizeof *r->tensors);
    r->bound = calloc(r->slots, sizeof *r->bound);
    for (uint32_t s = 0; s < r->slots; s++) {
        enum param p = params_of_slot(c, s, &layer);
        uint64_t rows, cols;
        if (!params_has(c, p)) continue;
        params_shape(c, p, &rows, &cols);
        fill(&r->tensors[s], p, rows, cols, seed * 1000 + s);
        if (weight_quantised(snap) && params[p].cols)
            weights_snap(snap, rows, cols, (float *)(uintptr_t)r->tensors[s].data);
        r->bound[s] = &r->tensors[s];
    }
    if (pool_create(&r->pool, threads, &e)) abort();
    if (model_create(&r->m, c, type, 0, r->bound, r->pool, cpu_limit(cpu_detect(), isa), &e)) abort();
}

void random_model_free(struct random_model *r)
{
    model_free(r->m);
    pool_free(r->pool);
    for (uint32_t s = 0; s < r->slots; s++) free((void *)(uintptr_t)r->tensors[s].data);
    free(r->tensors);
    free(r->bound);
}

struct adapter *random_adapter(const struct model_config *c, uint32_t rank, uint32_t targets, uint64_t seed)
{
    struct adapter_config cfg = {.rank = rank, .alpha = 2 * rank, .targets = targets};
    struct adapter *a;
    struct err e = {0};
    if (adapter_create(&a, c, &cfg, &e)) abort();
    for (uint64_t i = 0; i < a->count; i++) a->weights[i] = 0.2f * random_at(seed, i);
    return a;
}
