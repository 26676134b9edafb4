#include "infer/kv.h"
#include "infer/size.h"
#include "kernels/math.h"

#include <stdlib.h>
#include <string.h>

struct kv_pool {
    enum weight_type type;
    uint32_t layers, heads, head_dim;
    size_t key_bytes, value_bytes; /* of one layer and head in a page */
    size_t page_bytes;
    uint32_t pages, unused;
    uint32_t *spare;  /* [pages]: a stack of unused page numbers */
    uint32_t *owners; /* [pages]: reference counts */
    char *memory;
    struct arena arena;
};

static void shape_init(struct kv_pool *p, const struct model *m, uint32_t pages)
{
    *p = (struct kv_pool){.type = m->type, .layers = m->c.layers, .heads = m->c.kv_heads};
    p->head_dim = m->c.head_dim, p->pages = pages;
    p->key_bytes = weight_size(p->type, KV_PAGE, p->head_dim);
    p->value_bytes = weight_size(p->type, p->head_dim, KV_PAGE);
    p->page_bytes = round_up((p->key_bytes + p->value_bytes) * p->layers * p->heads, 64);
}

static void carve(struct arena *a, struct kv_pool *p)
{
    p->spare = arena_take(a, p->pages, sizeof *p->spare);
    p->owners = arena_take(a, p->pages, sizeof *p->owners);
    p->memory = arena_take(a, p->pages, p->page_bytes);
}

uint64_t kv_pool_plan(const struct model *m, uint32_t pages)
{
    struct arena count = {0};
    struct kv_pool p;
    shape_init(&p, m, pages);
    carve(&count, &p);
    return count.used;
}

int kv_pool_create(struct kv_pool **out, const struct model *m, uint32_t pages, struct err *e)
{
    *out = NULL;
    struct kv_pool *p = malloc(sizeof *p);
    if (!p) return err_set(e, ERR_NOMEM, "no memory for a KV pool");
    shape_init(p, m, pages);
    int r = arena_create(&p->arena, kv_pool_plan(m, pages), "the KV cache", e);
    if (r) {
        free(p);
        return r;
    }
    carve(&p->arena, p);
    for (uint32_t i = 0; i < pages; i++) p->spare[i] = pages - 1 - i;
    p->unused = pages;
    *out = p;
    return 0;
}

void kv_pool_free(struct kv_pool *p)
{
    if (!p) return;
    arena_free(&p->arena);
    free(p);
}

uint32_t kv_pool_unused(const struct kv_pool *p)
{
    return p->unused;
}

int kv_stream_create(struct kv_stream **out, struct kv_pool *p, uint32_t max_tokens, struct err *e)
{
    uint32_t capacity = (max_tokens + KV_PAGE - 1) / KV_PAGE;
    *out = NULL;
    struct kv_stream *s = malloc(sizeof *s + capacity * sizeof *s->page);
    if (!s) return err_set(e, ERR_NOMEM, "no memory for a stream of %u tokens", max_tokens);
    *s = (struct kv_stream){.capacity = capacity, .pool = p, .page = (uint32_t *)(s + 1)};
    *out = s;
    return 0;
}

void kv_stream_free(struct kv_stream *s)
{
    if (!s) return;
    kv_stream_cut(s, 0);
    free(s);
}

static uint32_t pages_for(uint32_t tokens)
{
    return tokens / KV_PAGE + (tokens % KV_PAGE != 0);
}

int kv_stream_extend(struct kv_stream *s, uint32_t n, struct err *e)
{
    uint32_t wanted = pages_for(s->length + n), more = wanted - s->pages;
    if (wanted > s->capacity || s->length + n < s->length)
        return err_set(e, ERR_CTX_FULL, "%u tokens do not fit a context of %u", s->length + n,
                       s->capacity * KV_PAGE);
    if (more > s->pool->unused)
        return err_set(e, ERR_CTX_FULL, "the KV cache is full: %u more pages of %d tokens wanted, %u left",
                       more, KV_PAGE, s->pool->unused);
    for (; s->pages < wanted; s->pages++) {
        uint32_t page = s->pool->spare[--s->pool->unused];
        s->pool->owners[page] = 1;
        memset(s->pool->memory + page * s->pool->page_bytes, 0, s->pool->page_bytes);
        s->page[s->pages] = page;
    }
    s->length += n;
    return 0;
}

void *kv_keys(const struct kv_stream *s, uint32_t block, uint32_t layer, uint32_t head)
{
    const struct kv_pool *p = s->pool;
    return p->memory + s->page[block] * p->page_bytes +
           (layer * p->heads + head) * (p->key_bytes + p->value_bytes);
}

void *kv_values(const struct kv_stream *s, uint32_t block, uint32_t layer, uint32_t head)
{
    return (char *)kv_keys(s, block, layer, head) + s->pool->key_bytes;
}

static void put(enum weight_type t, void *panel, int64_t i, float x)
{
    if (t == WT_BF16)
        ((uint16_t *)panel)[i] = f32_to_bf16(x);
    else
        ((float *)panel)[i] = x;
}

static float get(enum weight_type t, const void *panel, int64_t i)
{
    return t == WT_BF16 ? bf16_to_f32(((const uint16_t *)panel)[i]) : ((const float *)panel)[i];
}

/* Index in a page's keys of (position r, column d). */
static int64_t key_index(const struct kv_pool *p, uint32_t r, uint32_t d)
{
    return r / PANEL * panel_elems(p->head_dim) + panel_index(p->type, r % PANEL, d);
}

static int64_t value_index(const struct kv_pool *p, uint32_t r, uint32_t d)
{
    return d / PANEL * panel_elems(KV_PAGE) + panel_index(p->type, d % PANEL, r);
}

void kv_put(const struct kv_stream *s, uint32_t t, uint32_t layer, uint32_t head, const float *key,
            const float *value)
{
    const struct kv_pool *p = s->pool;
    uint32_t r = t % KV_PAGE;
    void *k = kv_keys(s, t / KV_PAGE, layer, head), *v = kv_values(s, t / KV_PAGE, layer, head);
    for (uint32_t d = 0; d < p->head_dim; d++) {
        put(p->type, k, key_index(p, r, d), key[d]);
        put(p->type, v, value_index(p, r, d), value[d]);
    }
}

void kv_get(const struct kv_stream *s, uint32_t t, uint32_t layer, uint32_t head, float *key, float *value)
{
    const struct kv_pool *p = s->pool;
    uint32_t r = t % KV_PAGE;
    const void *k = kv_keys(s, t / KV_PAGE, layer, head), *v = kv_values(s, t / KV_PAGE, layer, head);
    for (uint32_t d = 0; d < p->head_dim; d++) {
        key[d] = get(p->type, k, key_index(p, r, d));
        value[d] = get(p->type, v, value_index(p, r, d));
    }
}

/* Values of positions from `length` to the end of its page become zero again. */
static void tail_clear(const struct kv_stream *s, uint32_t length)
{
    const struct kv_pool *p = s->pool;
    for (uint32_t i = 0; i < p->layers * p->heads; i++) {
        void *v = kv_values(s, length / KV_PAGE, i / p->heads, i % p->heads);
        for (uint32_t r = length % KV_PAGE; r < KV_PAGE; r++)
            for (uint32_t d = 0; d < p->head_dim; d++) put(p->type, v, value_index(p, r, d), 0);
    }
}

void kv_stream_cut(struct kv_stream *s, uint32_t length)
{
    if (length > s->length) return;
    while (s->pages > pages_for(length)) {
        uint32_t page = s->page[--s->pages];
        if (--s->pool->owners[page] == 0) s->pool->spare[s->pool->unused++] = page;
    }
    if (length % KV_PAGE && length < s->length) tail_clear(s, length);
    s->length = length;
}
