/* Any bytes as a GGUF file: its keys and tensors, a model, a tokenizer, an adapter, heads. Every refusal has
 * its message. */
#include "infer/gguf_adapter.h"
#include "infer/gguf_head.h"
#include "infer/gguf_model.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must_say(int rc, const struct err *e)
{
    if (rc && (e->code != rc || !e->msg[0])) __builtin_trap();
}

static void look(const struct gguf *g, const uint8_t *data, size_t n)
{
    char key[GGUF_MAX_KEY + 1];
    for (size_t i = 0; i < gguf_count(g); i++) {
        const struct tensor *t = gguf_at(g, i);
        const uint8_t *p = t->data;
        if (t->bytes && (p < data || t->bytes > n || p > data + n - t->bytes)) __builtin_trap();
        if (gguf_find(g, t->name) != t) __builtin_trap();
    }
    for (size_t i = 0; i < gguf_keys(g); i++) {
        const struct gguf_kv *kv = gguf_key_at(g, i);
        const uint8_t *p = (const uint8_t *)kv->data;
        if (p < data || kv->bytes > n || p > data + n - kv->bytes) __builtin_trap();
        memcpy(key, kv->key, kv->key_len);
        key[kv->key_len] = 0;
        if (gguf_key(g, key) != kv) __builtin_trap();
        if (kv->type != GGUF_ARRAY || kv->elem != GGUF_STRING) continue;
        uint64_t strings = 0;
        for (struct gguf_iter it = gguf_iter(kv); gguf_next(&it);) strings++;
        if (strings != kv->n) __builtin_trap();
    }
}

static void read_model(const uint8_t *data, size_t n)
{
    struct gguf_model *m;
    struct err e = {0};
    int rc = gguf_model_open_memory(&m, data, n, "fuzz", &e);
    must_say(rc, &e);
    gguf_model_close(m);
}

static void read_tokenizer(const struct gguf *g)
{
    struct tokenizer *t;
    struct err e = {0};
    int32_t ids[64];
    size_t count;
    int rc = gguf_tokenizer(&t, g, &e);
    must_say(rc, &e);
    if (!rc && tokenizer_encode(t, "Hello <|im_end|> he", 19, 1, ids, 64, &count, &e)) __builtin_trap();
    tokenizer_free(t);
}

static void read_heads(const struct gguf *g)
{
    struct head *h[HEAD_TASKS];
    struct err e = {0};
    must_say(gguf_heads_read(h, g, &e), &e);
    for (int t = 0; t < HEAD_TASKS; t++) {
        if (h[t] && head_values_check(h[t], &e)) __builtin_trap();
        head_free(h[t]);
    }
}

static void read_adapter(const struct gguf *g)
{
    struct model_config m;
    struct adapter *a;
    struct adapter_info info;
    struct err e = {0};
    model_config_init(&m);
    m.layers = 1, m.width = 32, m.heads = 1, m.kv_heads = 1, m.head_dim = 32, m.ff = 64, m.vocab = 272;
    must_say(gguf_adapter_read(&a, &info, NULL, g, &m, NULL, &e), &e);
    adapter_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct err e = {0};
    struct gguf *g;
    int rc = gguf_open_memory(&g, data, n, "fuzz", &e);
    must_say(rc, &e);
    if (rc && !strstr(e.msg, "fuzz")) __builtin_trap();
    if (rc) return 0;
    look(g, data, n);
    read_model(data, n);
    read_tokenizer(g);
    read_adapter(g);
    read_heads(g);
    gguf_close(g);
    return 0;
}
