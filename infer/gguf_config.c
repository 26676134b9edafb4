#include "infer/gguf_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARCH "qwen2."

static int check_kind(const struct gguf *g, struct err *e)
{
    const char *arch = "", *type = "model";
    size_t n = 0, m = 5;
    int rc = gguf_get_string(g, "general.type", false, &type, &m, e);
    if (!rc) rc = gguf_get_string(g, "general.architecture", true, &arch, &n, e);
    if (rc) return rc;
    if (m == 7 && !memcmp(type, "adapter", 7))
        return err_set(e, ERR_CFG_TYPE, "%s is an adapter, not a model: give it as --lora", gguf_label(g));
    if (m != 5 || memcmp(type, "model", 5))
        return err_set(e, ERR_CFG_TYPE, "%s: general.type is \"%.*s\", expected \"model\"", gguf_label(g),
                       (int)(m < 60 ? m : 60), type);
    if (n != 5 || memcmp(arch, "qwen2", 5))
        return err_set(e, ERR_CFG_TYPE, "%s: general.architecture is \"%.*s\", expected \"qwen2\"",
                       gguf_label(g), (int)(n < 60 ? n : 60), arch);
    return 0;
}

static int get_u32(const struct gguf *g, const char *key, bool need, uint32_t *out, struct err *e)
{
    uint64_t v = *out;
    int rc = gguf_get_uint(g, key, need, 0, UINT32_MAX, &v, e);
    if (!rc) *out = (uint32_t)v;
    return rc;
}

/* The shortest decimal number that an fp32 value may have been: 1e-06, not 9.99999997e-07. */
static double decimal(double x)
{
    char text[32];
    double d = x;
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, x);
        d = strtod(text, NULL);
        if ((float)d == (float)x) break;
    }
    return d;
}

static int get_float(const struct gguf *g, const char *key, const char *exact, bool need, double *out,
                     struct err *e)
{
    double v = *out;
    int rc = gguf_get_float(g, key, need, &v, e);
    if (!rc && v != *out) *out = decimal(v);
    return rc ? rc : gguf_get_float(g, exact, false, out, e);
}

static int get_sizes(struct model_config *c, const struct gguf *g, struct err *e)
{
    int rc = get_u32(g, ARCH "block_count", true, &c->layers, e);
    if (!rc) rc = get_u32(g, ARCH "embedding_length", true, &c->width, e);
    if (!rc) rc = get_u32(g, ARCH "feed_forward_length", true, &c->ff, e);
    if (!rc) rc = get_u32(g, ARCH "context_length", true, &c->max_positions, e);
    if (!rc) rc = get_u32(g, ARCH "attention.head_count", true, &c->heads, e);
    c->kv_heads = c->heads;
    if (!rc) rc = get_u32(g, ARCH "attention.head_count_kv", false, &c->kv_heads, e);
    if (!rc && !c->heads)
        rc = err_set(e, ERR_CFG_HEADS, "%s: " ARCH "attention.head_count is 0", gguf_label(g));
    if (rc) return rc;
    c->head_dim = c->width / c->heads;
    return get_u32(g, ARCH "attention.key_length", false, &c->head_dim, e);
}

/* Numbers that say what we do anyway, or cannot do. */
static int check_features(const struct model_config *c, const struct gguf *g, struct err *e)
{
    const char *scaling = "none";
    size_t n = 4;
    uint32_t values = c->head_dim, rotated = c->head_dim;
    double factor = 1;
    int rc = get_u32(g, ARCH "attention.value_length", false, &values, e);
    if (!rc) rc = get_u32(g, ARCH "rope.dimension_count", false, &rotated, e);
    if (!rc) rc = gguf_get_string(g, ARCH "rope.scaling.type", false, &scaling, &n, e);
    if (!rc) rc = gguf_get_float(g, ARCH "rope.scaling.factor", false, &factor, e);
    if (rc) return rc;
    if (values != c->head_dim || rotated != c->head_dim)
        return err_set(e, ERR_CFG_TYPE,
                       "%s: keys of %u, values of %u and %u rotated dimensions; terse has one width for all",
                       gguf_label(g), c->head_dim, values, rotated);
    if (factor != 1 && !(n == 4 && !memcmp(scaling, "none", 4)))
        return err_set(e, ERR_CFG_TYPE, "%s: scaled rotary positions (%.*s, factor %g) are not supported",
                       gguf_label(g), (int)(n < 60 ? n : 60), scaling, factor);
    return 0;
}

/* A tensor of [rows][width] says how many tokens there are; so may a key, and the tokenizer's list. */
static int get_vocab(struct model_config *c, const struct gguf *g, struct err *e)
{
    const struct tensor *embed = gguf_find(g, params[P_EMBED].gguf);
    const struct gguf_kv *tokens;
    uint64_t stated = 0;
    int rc = gguf_get_uint(g, ARCH "vocab_size", false, 1, UINT32_MAX, &stated, e);
    if (!rc) rc = gguf_get_array(g, "tokenizer.ggml.tokens", false, GGUF_STRING, &tokens, e);
    if (rc) return rc;
    if (!embed) return err_set(e, ERR_MODEL_MISSING, "%s: no tensor %s", gguf_label(g), params[P_EMBED].gguf);
    uint64_t rows = embed->rank == 2 ? embed->shape[0] : 0;
    if (rows > UINT32_MAX || (stated && stated != rows))
        return err_set(e, ERR_MODEL_SHAPE, "%s: %s has %llu rows, " ARCH "vocab_size is %llu", gguf_label(g),
                       embed->name, (unsigned long long)rows, (unsigned long long)stated);
    if (tokens && tokens->n != rows)
        return err_set(e, ERR_TOK_VOCAB, "%s: tokenizer.ggml.tokens has %llu tokens, %s has %llu rows",
                       gguf_label(g), (unsigned long long)tokens->n, embed->name, (unsigned long long)rows);
    c->vocab = (uint32_t)rows;
    c->tied = !gguf_find(g, params[P_HEAD].gguf);
    return 0;
}

static int get_token(const struct model_config *c, const struct gguf *g, const char *key, int32_t *out,
                     struct err *e)
{
    uint64_t id = UINT64_MAX;
    int rc = gguf_get_uint(g, key, false, 0, UINT32_MAX, &id, e);
    if (rc || id == UINT64_MAX || id == UINT32_MAX) return rc; /* -1 as u32: none */
    if (id >= c->vocab)
        return err_set(e, ERR_TOK_SPECIAL, "%s: %s is %llu, the vocabulary has %u", gguf_label(g), key,
                       (unsigned long long)id, c->vocab);
    *out = (int32_t)id;
    return 0;
}

static void add_eos(struct model_config *c, int32_t id)
{
    for (uint32_t i = 0; i < c->n_eos; i++)
        if (c->eos[i] == id) return;
    if (id >= 0 && c->n_eos < CONFIG_MAX_EOS) c->eos[c->n_eos++] = id;
}

/* Ours lists them all; in other files the end of text ends an answer beside the end of a turn, as in
 * llama.cpp. */
static int get_eos(struct model_config *c, const struct gguf *g, struct err *e)
{
    const struct gguf_kv *all;
    int32_t eos = -1, eot = -1;
    int rc = gguf_get_array(g, "terse.eos_token_ids", false, GGUF_U32, &all, e);
    if (!rc) rc = get_token(c, g, "tokenizer.ggml.eos_token_id", &eos, e);
    if (!rc) rc = get_token(c, g, "tokenizer.ggml.eot_token_id", &eot, e);
    if (rc) return rc;
    add_eos(c, eos);
    if (!all) {
        add_eos(c, eot);
        add_eos(c, c->bos >= 0 && c->bos == c->pad ? c->bos : -1);
    }
    for (uint64_t i = 0; all && i < all->n; i++) {
        int64_t id;
        if (!gguf_int_at(all, i, &id) || id < 0 || id >= c->vocab || all->n > CONFIG_MAX_EOS)
            return err_set(e, ERR_TOK_SPECIAL, "%s: terse.eos_token_ids: expected at most %d tokens below %u",
                           gguf_label(g), CONFIG_MAX_EOS, c->vocab);
        add_eos(c, (int32_t)id);
    }
    return 0;
}

static int get_sampling(struct model_config *c, const struct gguf *g, struct err *e)
{
    int rc = get_float(g, "general.sampling.temp", "", false, &c->temperature, e);
    if (!rc) rc = get_float(g, "general.sampling.top_p", "", false, &c->top_p, e);
    if (!rc) rc = get_float(g, "general.sampling.penalty_repeat", "", false, &c->repetition_penalty, e);
    if (!rc) rc = get_u32(g, "general.sampling.top_k", false, &c->top_k, e);
    if (rc) return rc;
    if (c->temperature >= 0 && c->top_p > 0 && c->top_p <= 1 && c->repetition_penalty > 0) return 0;
    return err_set(e, ERR_FIELD_RANGE, "%s: general.sampling: temp %g, top_p %g, penalty_repeat %g",
                   gguf_label(g), c->temperature, c->top_p, c->repetition_penalty);
}

int gguf_config(struct model_config *c, const struct gguf *g, struct err *e)
{
    model_config_init(c);
    c->rope_theta = 10000; /* where the key is absent, as in llama.cpp */
    int rc = check_kind(g, e);
    if (!rc) rc = get_sizes(c, g, e);
    if (!rc) rc = get_float(g, ARCH "rope.freq_base", "terse.rope_theta", false, &c->rope_theta, e);
    if (!rc)
        rc = get_float(g, ARCH "attention.layer_norm_rms_epsilon", "terse.rms_eps", true, &c->rms_eps, e);
    if (!rc) rc = check_features(c, g, e);
    if (!rc) rc = get_vocab(c, g, e);
    if (!rc) rc = get_token(c, g, "tokenizer.ggml.bos_token_id", &c->bos, e);
    if (!rc) rc = get_token(c, g, "tokenizer.ggml.padding_token_id", &c->pad, e);
    if (!rc) rc = get_eos(c, g, e);
    if (!rc) rc = get_sampling(c, g, e);
    if (rc) return rc;
    struct err why = {0};
    rc = model_config_check(c, &why);
    return rc ? err_set(e, rc, "%s: %s", gguf_label(g), why.msg) : 0;
}
