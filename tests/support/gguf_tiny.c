#include "tests/support/gguf_tiny.h"
#include "infer/byte_alphabet.h"
#include "infer/params.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { VOCAB = 264, CONTROL = 257, MAX = 32, RANK = 4 };

struct model_config gguf_tiny_config(void)
{
    struct model_config c;
    model_config_init(&c);
    c.layers = 1, c.width = 32, c.heads = 1, c.kv_heads = 1, c.head_dim = 32, c.ff = 64, c.vocab = VOCAB;
    c.max_positions = 64, c.tied = true, c.rope_theta = 10000;
    c.bos = CONTROL, c.pad = CONTROL, c.eos[0] = CONTROL + 2, c.eos[1] = CONTROL, c.n_eos = 2;
    return c;
}

/* ---- keys ---------------------------------------------------------------------------------------------- */

static void key_text(struct gguf_keys *k, const char *drop, const char *key, const char *v)
{
    if (!drop || strcmp(drop, key)) gguf_put_string(k, key, v);
}

static void key_u32(struct gguf_keys *k, const char *drop, const char *key, uint32_t v)
{
    if (!drop || strcmp(drop, key)) gguf_put_u32(k, key, v);
}

static void key_f32(struct gguf_keys *k, const char *drop, const char *key, float v)
{
    if (!drop || strcmp(drop, key)) gguf_put_f32(k, key, v);
}

static void put_tokens(struct gguf_keys *k)
{
    static const char *const added[] = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"};
    gguf_put_array(k, "tokenizer.ggml.tokens", GGUF_STRING, NULL, VOCAB);
    for (int id = 0; id < VOCAB; id++) {
        char byte = (char)id, text[16];
        if (id < 256)
            gguf_add_string(k, text, alphabet_spell(&byte, 1, text));
        else if (id == 256)
            gguf_add_string(k, "he", 2);
        else if (id < CONTROL + 3)
            gguf_add_string(k, added[id - CONTROL], strlen(added[id - CONTROL]));
        else
            gguf_add_string(k, text, (size_t)snprintf(text, sizeof text, "[PAD%d]", id));
    }
}

static void put_types(struct gguf_keys *k)
{
    gguf_put_array(k, "tokenizer.ggml.token_type", GGUF_I32, NULL, VOCAB);
    for (int32_t id = 0, type; id < VOCAB; id++) {
        type = id <= 256 ? 1 : id < CONTROL + 3 ? 3 : 5;
        gguf_add_bytes(k, &type, sizeof type);
    }
}

static void put_merges(struct gguf_keys *k)
{
    gguf_put_array(k, "tokenizer.ggml.merges", GGUF_STRING, NULL, 1);
    gguf_add_string(k, "h e", 3);
}

static void put_model_keys(struct gguf_keys *k, const char *drop)
{
    key_text(k, drop, "general.architecture", "qwen2");
    key_u32(k, drop, "qwen2.block_count", 1);
    key_u32(k, drop, "qwen2.context_length", 64);
    key_u32(k, drop, "qwen2.embedding_length", 32);
    key_u32(k, drop, "qwen2.feed_forward_length", 64);
    key_u32(k, drop, "qwen2.attention.head_count", 1);
    key_u32(k, drop, "qwen2.attention.head_count_kv", 1);
    key_f32(k, drop, "qwen2.attention.layer_norm_rms_epsilon", 1e-6f);
    key_f32(k, drop, "qwen2.rope.freq_base", 10000);
    key_text(k, drop, "tokenizer.ggml.model", "gpt2");
    key_text(k, drop, "tokenizer.ggml.pre", "qwen2");
    key_u32(k, drop, "tokenizer.ggml.eos_token_id", CONTROL + 2);
    key_u32(k, drop, "tokenizer.ggml.bos_token_id", CONTROL);
    key_u32(k, drop, "tokenizer.ggml.padding_token_id", CONTROL);
    if (!drop || strcmp(drop, "tokenizer.ggml.tokens")) put_tokens(k);
    if (!drop || strcmp(drop, "tokenizer.ggml.token_type")) put_types(k);
    if (!drop || strcmp(drop, "tokenizer.ggml.merges")) put_merges(k);
}

/* ---- tensors ------------------------------------------------------------------------------------------- */

struct list {
    struct tensor t[MAX];
    bool nan[MAX];
    char name[MAX][96];
    size_t n;
};

static void add(struct list *l, const char *name, uint64_t rows, uint64_t cols, const struct gguf_change *c)
{
    bool changed = c && c->tensor && !strcmp(c->tensor, name);
    struct tensor *t = &l->t[l->n];
    if (changed && c->dtype < 0) return;
    if (changed && c->rows) rows = c->rows;
    snprintf(l->name[l->n], sizeof l->name[l->n], "%s", changed && c->rename ? c->rename : name);
    *t = (struct tensor){.name = l->name[l->n],
                         .dtype = changed ? (enum dtype)c->dtype : DTYPE_F32,
                         .rank = cols ? 2 : 1,
                         .shape = {rows, cols}};
    t->bytes = rows * (cols ? cols : 1) / dtype_block(t->dtype) * dtype_block_bytes(t->dtype);
    l->nan[l->n++] = changed && c->nan;
}

/* Quantised tensors have scale 1, but 2 in their second block. */
static int fill(void *ctx, size_t i, uint64_t first, uint64_t n, void *dst, struct err *e)
{
    const struct list *l = ctx;
    const struct tensor *t = &l->t[i];
    uint64_t rows = t->rank > 1 ? t->shape[0] : 1, size = t->bytes / rows * n;
    (void)first, (void)e;
    memset(dst, l->nan[i] ? 0xff : 0, size);
    unsigned block = dtype_block_bytes(t->dtype);
    for (uint64_t at = 0; dtype_quantised(t->dtype) && !l->nan[i] && at < size; at += block)
        ((unsigned char *)dst)[at + 1] = at / block == 1 ? 0x40 : 0x3c;
    return 0;
}

static void save(const char *path, struct gguf_keys *k, struct list *l)
{
    struct err e = {0};
    if (gguf_save(path, k, l->t, l->n, fill, l, &e)) fail_msg("%s", e.msg);
    gguf_keys_free(k);
}

void gguf_tiny_model(const char *path, const struct gguf_change *c)
{
    const struct model_config shape = gguf_tiny_config();
    struct gguf_keys k = {0};
    struct list l = {.n = 0};
    uint32_t layer;
    put_model_keys(&k, c ? c->drop : NULL);
    if (c && c->put) c->put(&k);
    for (uint32_t s = 0; s < params_slots(&shape); s++) {
        enum param p = params_of_slot(&shape, s, &layer);
        uint64_t rows, cols;
        char name[96];
        if (!params_has(&shape, p)) continue;
        params_shape(&shape, p, &rows, &cols);
        params_name_as(&shape, PARAMS_GGUF, s, name, sizeof name);
        add(&l, name, rows, params[p].cols ? cols : 0, c);
    }
    save(path, &k, &l);
}

void gguf_tiny_adapter(const char *path, const struct gguf_change *c)
{
    struct gguf_keys k = {0};
    struct list l = {.n = 0};
    const char *drop = c ? c->drop : NULL;
    key_text(&k, drop, "general.architecture", "qwen2");
    key_text(&k, drop, "general.type", "adapter");
    key_text(&k, drop, "adapter.type", "lora");
    key_f32(&k, drop, "adapter.lora.alpha", 8);
    if (c && c->put) c->put(&k);
    add(&l, "blk.0.attn_q.weight.lora_a", RANK, 32, c);
    add(&l, "blk.0.attn_q.weight.lora_b", 32, RANK, c);
    add(&l, "blk.0.attn_v.weight.lora_a", RANK, 32, c);
    add(&l, "blk.0.attn_v.weight.lora_b", 32, RANK, c);
    save(path, &k, &l);
}
