#include "infer/config.h"

#include <math.h>
#include <string.h>

void model_config_init(struct model_config *c)
{
    *c = (struct model_config){
        .rope_theta = 1e6,
        .rms_eps = 1e-6,
        .init_std = 0.02,
        .max_positions = 32768,
        .bos = -1,
        .pad = -1,
        .temperature = 1,
        .top_p = 1,
        .repetition_penalty = 1,
    };
}

static int range_check(const char *key, uint64_t value, uint64_t lo, uint64_t hi, struct err *e)
{
    if (value >= lo && value <= hi) return 0;
    return err_set(e, ERR_CFG_RANGE, "%s is %llu, expected %llu to %llu", key, (unsigned long long)value,
                   (unsigned long long)lo, (unsigned long long)hi);
}

static int sizes_check(const struct model_config *c, struct err *e)
{
    const struct {
        const char *key;
        uint64_t value, lo, hi;
    } rows[] = {
        {"num_hidden_layers", c->layers, 1, 1024},  {"hidden_size", c->width, 2, 1 << 20},
        {"num_attention_heads", c->heads, 1, 4096}, {"intermediate_size", c->ff, 1, 1 << 22},
        {"vocab_size", c->vocab, 2, 1 << 24},       {"max_position_embeddings", c->max_positions, 1, 1 << 24},
        {"head_dim", c->head_dim, 2, 1024},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        int r = range_check(rows[i].key, rows[i].value, rows[i].lo, rows[i].hi, e);
        if (r) return r;
    }
    return 0;
}

static int heads_check(const struct model_config *c, struct err *e)
{
    if (c->kv_heads == 0 || c->kv_heads > c->heads || c->heads % c->kv_heads)
        return err_set(e, ERR_CFG_HEADS,
                       "num_key_value_heads is %u, expected a divisor of num_attention_heads (%u)",
                       c->kv_heads, c->heads);
    if (c->head_dim % 2)
        return err_set(e, ERR_CFG_HEADS, "head width is %u, expected an even number", c->head_dim);
    return 0;
}

int model_config_check(const struct model_config *c, struct err *e)
{
    int r = sizes_check(c, e);
    if (!r) r = heads_check(c, e);
    if (r) return r;
    if (!(c->rope_theta > 0) || !isfinite(c->rope_theta))
        return err_set(e, ERR_CFG_RANGE, "rope_theta is %g, expected a positive number", c->rope_theta);
    if (!(c->rms_eps > 0) || !(c->rms_eps < 1))
        return err_set(e, ERR_CFG_RANGE, "rms_norm_eps is %g, expected a number between 0 and 1", c->rms_eps);
    return 0;
}

static const struct {
    const char *name;
    uint32_t layers, width, heads, kv_heads, ff, vocab;
    bool tied;
} named[] = {
    {"qwen2.5-0.5b", 24, 896, 14, 2, 4864, 151936, true},
    {"qwen2.5-1.5b", 28, 1536, 12, 2, 8960, 151936, true},
    {"qwen2.5-3b", 36, 2048, 16, 2, 11008, 151936, true},
    {"qwen2.5-7b", 28, 3584, 28, 4, 18944, 152064, false},
};

int model_config_named(struct model_config *c, const char *name, struct err *e)
{
    for (unsigned i = 0; i < sizeof named / sizeof *named; i++) {
        if (strcmp(named[i].name, name)) continue;
        model_config_init(c);
        c->layers = named[i].layers, c->width = named[i].width, c->heads = named[i].heads;
        c->kv_heads = named[i].kv_heads, c->ff = named[i].ff, c->vocab = named[i].vocab;
        c->head_dim = c->width / c->heads, c->tied = named[i].tied;
        c->bos = 151643, c->pad = 151643, c->eos[0] = 151645, c->eos[1] = 151643, c->n_eos = 2;
        return 0;
    }
    return err_set(e, ERR_KEY_UNKNOWN,
                   "unknown shape \"%s\", expected qwen2.5-0.5b, qwen2.5-1.5b, qwen2.5-3b or qwen2.5-7b",
                   name);
}

uint64_t model_config_params(const struct model_config *c)
{
    uint64_t d = c->width, q = (uint64_t)c->heads * c->head_dim, kv = (uint64_t)c->kv_heads * c->head_dim;
    uint64_t layer = 2 * d + q * d + q + 2 * (kv * d + kv) + d * q + 3 * (uint64_t)c->ff * d;
    return c->layers * layer + d + (c->tied ? 1 : 2) * (uint64_t)c->vocab * d;
}
