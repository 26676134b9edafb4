#include "infer/hash.h"
#include "infer/kv_pool.h"
#include "infer/size.h"
#include "kernels/math.h"

#include <stdlib.h>

enum { ZERO_I8 = 0x80 };

/* ---- the pool ------------------------------------------------------------------------------------------ */

static void shape_init(struct kv_pool *p, const struct model *m, const struct kv_config *c)
{
    int quantised = c->type == KV_INT8;
    *p = (struct kv_pool){.c = *c, .layers = m->c.layers, .heads = m->c.kv_heads, .head_dim = m->c.head_dim};
    p->type = quantised ? WT_I8 : m->type;
    p->elem = quantised ? 1 : value_bytes(m->type);
    p->key_bytes = weight_size(p->type, KV_PAGE, p->head_dim);
    p->value_bytes = weight_size(p->type, p->head_dim, KV_PAGE);
    p->head_bytes = p->key_bytes + p->value_bytes + (quantised ? 2 * KV_PAGE * sizeof(float) : 0);
    p->page_bytes = round_up(p->head_bytes * p->layers * p->heads, 64);
    for (p->buckets = c->resting ? 1 : 0; p->buckets && p->buckets < c->pages; p->buckets *= 2) continue;
    p->oldest = p->newest = NO_PAGE, p->serial = KV_ROOT;
}

static void carve(struct arena *a, struct kv_pool *p)
{
    p->spare = arena_take(a, p->c.pages, sizeof *p->spare);
    p->page = arena_take(a, p->c.pages, sizeof *p->page);
    p->bucket = arena_take(a, p->buckets, sizeof *p->bucket);
    p->memory = arena_take(a, p->c.pages, p->page_bytes);
}

uint64_t kv_pool_plan_for(const struct model *m, const struct kv_config *c)
{
    struct arena count = {0};
    struct kv_pool p;
    shape_init(&p, m, c);
    carve(&count, &p);
    return count.used;
}

int kv_pool_create_for(struct kv_pool **out, const struct model *m, const struct kv_config *c, struct err *e)
{
    *out = NULL;
    struct kv_pool *p = malloc(sizeof *p);
    if (!p) return err_set(e, ERR_NOMEM, "no memory for a KV pool");
    shape_init(p, m, c);
    int r = arena_create(&p->arena, kv_pool_plan_for(m, c), "the KV cache", e);
    if (r) {
        free(p);
        return r;
    }
    carve(&p->arena, p);
    for (uint32_t i = 0; i < c->pages; i++) p->spare[i] = (int32_t)(c->pages - 1 - i);
    for (uint32_t i = 0; i < p->buckets; i++) p->bucket[i] = NO_PAGE;
    p->unused = c->pages;
    p->seed = hash_seed();
    *out = p;
    return 0;
}

uint64_t kv_pool_plan(const struct model *m, uint32_t pages)
{
    return kv_pool_plan_for(m, &(struct kv_config){.pages = pages});
}

int kv_pool_create(struct kv_pool **out, const struct model *m, uint32_t pages, struct err *e)
{
    return kv_pool_create_for(out, m, &(struct kv_config){.pages = pages}, e);
}

void kv_pool_free(struct kv_pool *p)
{
    if (!p) return;
    arena_free(&p->arena);
    free(p);
}

uint32_t kv_pool_unused(const struct kv_pool *p)
{
    return p->unused + p->resting;
}

size_t kv_page_bytes(const struct model *m, enum kv_type type)
{
    struct kv_pool p;
    shape_init(&p, m, &(struct kv_config){.type = type});
    return p.page_bytes;
}

/* ---- streams ------------------------------------------------------------------------------------------- */

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

/* The caller has made sure that there is one. */
static uint32_t page_take(struct kv_pool *p)
{
    uint32_t page = p->unused ? (uint32_t)p->spare[--p->unused] : page_evict(p);
    p->page[page].owners = 1;
    return page;
}

static char *page_memory(const struct kv_pool *p, uint32_t page)
{
    return p->memory + page * p->page_bytes;
}

/* All values 0, which an 8-bit panel writes as 0x80. */
static void page_clear(const struct kv_pool *p, uint32_t page)
{
    char *at = page_memory(p, page);
    memset(at, 0, p->page_bytes);
    for (uint32_t i = 0; p->type == WT_I8 && i < p->layers * p->heads; i++)
        memset(at + i * p->head_bytes + p->key_bytes, ZERO_I8, p->value_bytes);
}

static void tail_clear(const struct kv_stream *s);

/* Makes the last page, of which the stream holds a part, one that it may write. `spare`: a page can be had.
 */
static void tail_own(struct kv_stream *s, int spare)
{
    struct kv_pool *p = s->pool;
    uint32_t old = s->page[s->pages - 1];
    if (p->page[old].owners == 1 && !spare) page_forget(p, old);
    if (p->page[old].owners > 1 || p->page[old].serial) {
        uint32_t new = page_take(p);
        memcpy(page_memory(p, new), page_memory(p, old), p->page_bytes);
        page_drop(p, old);
        s->page[s->pages - 1] = new;
    }
    if (s->stale) tail_clear(s);
    s->stale = false;
}

static int tail_shared(const struct kv_stream *s)
{
    return s->length % KV_PAGE && s->pool->page[s->page[s->pages - 1]].owners > 1;
}

uint32_t kv_stream_wants(const struct kv_stream *s, uint32_t length)
{
    return length > s->length ? pages_for(length) - s->pages + (uint32_t)tail_shared(s) : 0;
}

/* A page that is of others or in the index is not written; one in the index that nobody else holds can be
 * taken out of it where there is no page for a copy. */
int kv_stream_extend(struct kv_stream *s, uint32_t n, struct err *e)
{
    struct kv_pool *p = s->pool;
    uint32_t wanted = pages_for(s->length + n), free = p->unused + p->resting;
    if (wanted > s->capacity || s->length + n < s->length)
        return err_set(e, ERR_CTX_FULL, "%u tokens do not fit a context of %u", s->length + n,
                       s->capacity * KV_PAGE);
    uint32_t more = kv_stream_wants(s, s->length + n);
    if (more > free)
        return err_set(e, ERR_CTX_FULL, "the KV cache is full: %u more pages of %d tokens wanted, %u left",
                       more, KV_PAGE, free);
    if (n && s->length % KV_PAGE) tail_own(s, free > more);
    for (; s->pages < wanted; s->pages++) {
        s->page[s->pages] = page_take(p);
        page_clear(p, s->page[s->pages]);
    }
    s->length += n;
    return 0;
}

void kv_stream_cut(struct kv_stream *s, uint32_t length)
{
    if (length >= s->length) return;
    while (s->pages > pages_for(length)) page_drop(s->pool, s->page[--s->pages]);
    s->length = length;
    s->stale = length % KV_PAGE != 0;
}

void kv_stream_fork(struct kv_stream *to, const struct kv_stream *from, uint32_t n)
{
    if (to == from) {
        kv_stream_cut(to, n);
        return;
    }
    for (uint32_t i = 0; i < pages_for(n); i++) page_hold(to->pool, from->page[i]);
    kv_stream_cut(to, 0);
    memcpy(to->page, from->page, pages_for(n) * sizeof *to->page);
    to->pages = pages_for(n), to->length = n;
    to->stale = n % KV_PAGE && (n < from->length || from->stale);
}

/* ---- keys and values ----------------------------------------------------------------------------------- */

static char *head_memory(const struct kv_stream *s, uint32_t block, uint32_t layer, uint32_t head)
{
    const struct kv_pool *p = s->pool;
    return page_memory(p, s->page[block]) + (layer * p->heads + head) * p->head_bytes;
}

struct kv_block kv_block(const struct kv_stream *s, uint32_t block, uint32_t layer, uint32_t head)
{
    const struct kv_pool *p = s->pool;
    const char *at = head_memory(s, block, layer, head);
    struct kv_block b = {.type = p->type, .keys = at, .values = at + p->key_bytes};
    if (p->type == WT_I8) {
        b.key_scale = (const float *)(const void *)(at + p->key_bytes + p->value_bytes);
        b.value_scale = b.key_scale + KV_PAGE;
    }
    return b;
}

/* Where in a page's keys (position r, column d) is, in bytes; and in its values. With a constant type, loops
 * over d have little left to compute. */
static inline size_t key_at(const struct kv_pool *p, const enum weight_type t, uint32_t r, uint32_t d)
{
    size_t elem = t == WT_I8 ? 1 : value_bytes(t);
    return r / PANEL * panel_bytes(t, p->head_dim) + (size_t)panel_index(t, r % PANEL, d) * elem;
}

static inline size_t value_at(const enum weight_type t, uint32_t r, uint32_t d)
{
    size_t elem = t == WT_I8 ? 1 : value_bytes(t);
    return d / PANEL * panel_bytes(t, KV_PAGE) + (size_t)panel_index(t, d % PANEL, r) * elem;
}

/* 127 / max |x|, and *scale its inverse; what is not finite makes the scale NaN, and with it all that is made
 * of it. */
static float inverse_scale(const float *x, uint32_t n, float *scale)
{
    float most = 0, odd = 0;
    for (uint32_t i = 0; i < n; i++) {
        most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
        odd += x[i] * 0;
    }
    *scale = most / 127 + odd;
    return most > 0 && odd == 0 ? 127 / most : 0;
}

/* x rounded to the nearest integer, ties to even, as an 8-bit panel has it; |x| <= 127. */
static uint8_t rounded(float x)
{
    return (uint8_t)((int)((x + 12582912.0f) - 12582912.0f) + ZERO_I8);
}

static void put_int8(const struct kv_pool *p, char *keys, uint32_t r, const float *key, const float *value)
{
    char *values = keys + p->key_bytes;
    float *scale = (float *)(void *)(values + p->value_bytes);
    float a = inverse_scale(key, p->head_dim, scale + r);
    float b = inverse_scale(value, p->head_dim, scale + KV_PAGE + r);
    for (uint32_t d = 0; d < p->head_dim; d++) {
        *(uint8_t *)(keys + key_at(p, WT_I8, r, d)) = a > 0 ? rounded(key[d] * a) : ZERO_I8;
        *(uint8_t *)(values + value_at(WT_I8, r, d)) = b > 0 ? rounded(value[d] * b) : ZERO_I8;
    }
}

static void put_bf16(const struct kv_pool *p, char *keys, uint32_t r, const float *key, const float *value)
{
    for (uint32_t d = 0; d < p->head_dim; d++) {
        *(uint16_t *)(void *)(keys + key_at(p, WT_BF16, r, d)) = f32_to_bf16(key[d]);
        *(uint16_t *)(void *)(keys + p->key_bytes + value_at(WT_BF16, r, d)) = f32_to_bf16(value[d]);
    }
}

static void put_f32(const struct kv_pool *p, char *keys, uint32_t r, const float *key, const float *value)
{
    for (uint32_t d = 0; d < p->head_dim; d++) {
        *(float *)(void *)(keys + key_at(p, WT_F32, r, d)) = key[d];
        *(float *)(void *)(keys + p->key_bytes + value_at(WT_F32, r, d)) = value[d];
    }
}

void kv_put(const struct kv_stream *s, uint32_t t, uint32_t layer, uint32_t head, const float *key,
            const float *value)
{
    const struct kv_pool *p = s->pool;
    char *keys = head_memory(s, t / KV_PAGE, layer, head);
    if (p->type == WT_I8)
        put_int8(p, keys, t % KV_PAGE, key, value);
    else if (p->type == WT_BF16)
        put_bf16(p, keys, t % KV_PAGE, key, value);
    else
        put_f32(p, keys, t % KV_PAGE, key, value);
}

static float get(enum weight_type t, const char *at, float scale)
{
    if (t == WT_I8) return (float)(*(const uint8_t *)at - ZERO_I8) * scale;
    return t == WT_BF16 ? bf16_to_f32(*(const uint16_t *)(const void *)at) : *(const float *)(const void *)at;
}

void kv_get(const struct kv_stream *s, uint32_t t, uint32_t layer, uint32_t head, float *key, float *value)
{
    const struct kv_pool *p = s->pool;
    uint32_t r = t % KV_PAGE;
    struct kv_block b = kv_block(s, t / KV_PAGE, layer, head);
    for (uint32_t d = 0; d < p->head_dim; d++) {
        key[d] =
            get(p->type, (const char *)b.keys + key_at(p, p->type, r, d), b.key_scale ? b.key_scale[r] : 0);
        value[d] = get(p->type, (const char *)b.values + value_at(p->type, r, d),
                       b.value_scale ? b.value_scale[r] : 0);
    }
}

/* Values of positions from `length` to the end of its page become zero again: one by one to the next quad of
 * positions, from where they stand together. */
static void tail_clear(const struct kv_stream *s)
{
    const struct kv_pool *p = s->pool;
    uint32_t first = s->length % KV_PAGE, quad = (first + 3) / 4 * 4;
    int zero = p->type == WT_I8 ? ZERO_I8 : 0;
    for (uint32_t i = 0; i < p->layers * p->heads; i++) {
        char *values = head_memory(s, s->length / KV_PAGE, i / p->heads, i % p->heads) + p->key_bytes;
        for (uint32_t r = first; r < quad; r++)
            for (uint32_t d = 0; d < p->head_dim; d++)
                memset(values + value_at(p->type, r, d), zero, p->elem);
        for (uint32_t d = 0; quad < KV_PAGE && d < p->head_dim; d += PANEL)
            memset(values + value_at(p->type, quad, d), zero, (KV_PAGE - quad) * PANEL * p->elem);
    }
}
