#include "checkpoints/gguf_keys.h"
#include "infer/byte_alphabet.h"

#include <stdio.h>
#include <string.h>

#define ARCH      "qwen2."
#define TOKENIZER "tokenizer.ggml."

/* general.file_type */
static uint32_t file_type(enum dtype t)
{
    switch (t) {
    case DTYPE_F32:
        return 0;
    case DTYPE_F16:
        return 1;
    case DTYPE_Q8_0:
        return 7;
    case DTYPE_BF16:
        return 32;
    default:
        return 2; /* Q4_0 */
    }
}

/* As f32, which other programs expect; and exactly, where that is something else. */
static void put_float(struct gguf_keys *k, const char *key, const char *exact, double v)
{
    gguf_put_f32(k, key, (float)v);
    if (exact && (double)(float)v != v) gguf_put_f64(k, exact, v);
}

static void put_shape(struct gguf_keys *k, const struct model_config *c)
{
    gguf_put_u32(k, ARCH "block_count", c->layers);
    gguf_put_u32(k, ARCH "context_length", c->max_positions);
    gguf_put_u32(k, ARCH "embedding_length", c->width);
    gguf_put_u32(k, ARCH "feed_forward_length", c->ff);
    gguf_put_u32(k, ARCH "attention.head_count", c->heads);
    gguf_put_u32(k, ARCH "attention.head_count_kv", c->kv_heads);
    if (c->head_dim * c->heads != c->width) {
        gguf_put_u32(k, ARCH "attention.key_length", c->head_dim);
        gguf_put_u32(k, ARCH "attention.value_length", c->head_dim);
    }
    put_float(k, ARCH "rope.freq_base", "terse.rope_theta", c->rope_theta);
    put_float(k, ARCH "attention.layer_norm_rms_epsilon", "terse.rms_eps", c->rms_eps);
}

static void put_sampling(struct gguf_keys *k, const struct model_config *c)
{
    put_float(k, "general.sampling.temp", NULL, c->temperature);
    put_float(k, "general.sampling.top_p", NULL, c->top_p);
    put_float(k, "general.sampling.penalty_repeat", NULL, c->repetition_penalty);
    gguf_put_u32(k, "general.sampling.top_k", c->top_k);
}

void gguf_keys_model(struct gguf_keys *k, const struct base *b, const struct tokenizer *t,
                     const struct gguf_model_options *o, const char *base_digest,
                     const char *tokenizer_digest)
{
    const struct model_config *c = &b->config;
    uint32_t all[CONFIG_MAX_EOS];
    int n;
    const int32_t *eos = tokenizer_eos(t, &n);
    if (!n) eos = c->eos, n = (int)c->n_eos;
    for (int i = 0; i < n; i++) all[i] = (uint32_t)eos[i];
    gguf_put_string(k, "general.architecture", "qwen2");
    gguf_put_string(k, "general.type", "model");
    gguf_put_string(k, "general.name", o->name);
    put_sampling(k, c);
    put_shape(k, c);
    gguf_put_u32(k, "general.quantization_version", 2);
    gguf_put_u32(k, "general.file_type", file_type(o->matrices));
    gguf_put_string(k, "terse.base", base_digest);
    gguf_put_string(k, "terse.tokenizer", tokenizer_digest);
    if (o->matrices == DTYPE_W4 || o->head == DTYPE_W4) gguf_put_bool(k, "terse.w4", true);
    if (n) gguf_put_array(k, "terse.eos_token_ids", GGUF_U32, all, (uint64_t)n);
    if (n) gguf_put_u32(k, TOKENIZER "eos_token_id", all[0]);
    if (c->bos >= 0) gguf_put_u32(k, TOKENIZER "bos_token_id", (uint32_t)c->bos);
    if (c->pad >= 0) gguf_put_u32(k, TOKENIZER "padding_token_id", (uint32_t)c->pad);
}

/* ---- the tokenizer ------------------------------------------------------------------------------------- */

static void add_token(struct gguf_keys *k, const struct tokenizer *t, uint32_t id)
{
    char spelt[2 * TOKEN_MAX_LEN];
    size_t len;
    const char *text = tokenizer_text(t, (int32_t)id, &len);
    switch (tokenizer_kind(t, (int32_t)id)) {
    case TOKEN_NORMAL:
        gguf_add_string(k, spelt, alphabet_spell(text, len, spelt));
        break;
    case TOKEN_CONTROL:
    case TOKEN_USER:
        gguf_add_string(k, text, len);
        break;
    default:
        gguf_add_string(k, spelt, (size_t)snprintf(spelt, sizeof spelt, "[PAD%u]", id));
    }
}

static void put_types(struct gguf_keys *k, const struct tokenizer *t, uint32_t rows)
{
    static const int32_t types[] = {
        [TOKEN_NORMAL] = 1, [TOKEN_CONTROL] = 3, [TOKEN_USER] = 4, [TOKEN_UNUSED] = 5};
    gguf_put_array(k, TOKENIZER "token_type", GGUF_I32, NULL, rows);
    for (uint32_t id = 0; id < rows; id++)
        gguf_add_bytes(k, &types[tokenizer_kind(t, (int32_t)id)], sizeof *types);
}

static void add_merge(struct gguf_keys *k, const struct tokenizer *t, const uint32_t pair[2])
{
    char spelt[4 * TOKEN_MAX_LEN + 1];
    size_t n = 0, len;
    for (int i = 0; i < 2; i++) {
        const char *text = tokenizer_text(t, (int32_t)pair[i], &len);
        n += alphabet_spell(text, len, spelt + n);
        if (i == 0) spelt[n++] = ' ';
    }
    gguf_add_string(k, spelt, n);
}

void gguf_keys_tokenizer(struct gguf_keys *k, const struct model_config *c, const struct tokenizer *t,
                         const char *chat_template, size_t n)
{
    size_t n_merges;
    const uint32_t(*merges)[2] = tokenizer_merges(t, &n_merges);
    gguf_put_string(k, TOKENIZER "model", "gpt2");
    gguf_put_string(k, TOKENIZER "pre", "qwen2");
    gguf_put_array(k, TOKENIZER "tokens", GGUF_STRING, NULL, c->vocab);
    for (uint32_t id = 0; id < c->vocab; id++) add_token(k, t, id);
    put_types(k, t, c->vocab);
    gguf_put_array(k, TOKENIZER "merges", GGUF_STRING, NULL, n_merges);
    for (size_t i = 0; i < n_merges; i++) add_merge(k, t, merges[i]);
    gguf_put_bool(k, TOKENIZER "add_bos_token", false);
    if (!tokenizer_nfc(t)) gguf_put_bool(k, "terse.nfc", false);
    if (chat_template) gguf_put_text(k, "tokenizer.chat_template", chat_template, n);
}

/* ---- an adapter ---------------------------------------------------------------------------------------- */

void gguf_keys_adapter(struct gguf_keys *k, const struct adapter *a, const struct adapter_info *info)
{
    uint32_t tokens[ADAPTER_MAX_INVOCATION];
    for (uint32_t i = 0; i < info->n_invocation; i++) tokens[i] = (uint32_t)info->invocation[i];
    gguf_put_string(k, "general.architecture", "qwen2");
    gguf_put_string(k, "general.type", "adapter");
    gguf_put_string(k, "adapter.type", "lora");
    gguf_put_f32(k, "adapter.lora.alpha", (float)(adapter_scale(&a->cfg) * a->cfg.rank));
    if (info->n_invocation)
        gguf_put_array(k, "adapter.alora.invocation_tokens", GGUF_U32, tokens, info->n_invocation);
    if (*info->base_name) {
        gguf_put_u32(k, "general.base_model.count", 1);
        gguf_put_string(k, "general.base_model.0.name", info->base_name);
    }
    gguf_put_string(k, "terse.gate", lora_gate_names[a->cfg.gate]);
    gguf_put_f64(k, "terse.alpha", a->cfg.alpha);
    gguf_put_bool(k, "terse.rslora", a->cfg.rslora);
    if (*info->base) gguf_put_string(k, "terse.base", info->base);
    if (*info->self) gguf_put_string(k, "terse.adapter", info->self);
    if (*info->tokenizer) gguf_put_string(k, "terse.tokenizer", info->tokenizer);
}
