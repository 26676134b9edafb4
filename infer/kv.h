/* The KV cache: pages of 64 positions, shared out by a pool.
 *
 * A page holds the keys and values of 64 consecutive absolute positions, all layers and key/value heads, each
 * already in panels: keys as a weight matrix [64 keys][K] (so scores are a product) and values as [K][64
 * keys] (so the weighted sum is one). Values of positions that were not stored yet are zero: products take
 * positions in pairs, and nothing an earlier user left may be read. Pages are reference-counted: streams that
 * share a prefix share its pages. */
#ifndef TERSE_INFER_KV_H
#define TERSE_INFER_KV_H

#include "infer/model.h"

enum { KV_PAGE = 64 };

struct kv_pool;

/* The keys and values of one sequence. */
struct kv_stream {
    uint32_t length;   /* positions held */
    uint32_t pages;    /* entries of `page` in use */
    uint32_t capacity; /* entries allocated */
    uint32_t *page;    /* page numbers */
    struct kv_pool *pool;
};

/* A pool of `pages` pages for this model. */
uint64_t kv_pool_plan(const struct model *m, uint32_t pages);
int kv_pool_create(struct kv_pool **out, const struct model *m, uint32_t pages, struct err *e);
void kv_pool_free(struct kv_pool *p);
uint32_t kv_pool_unused(const struct kv_pool *p);

/* An empty stream able to hold `max_tokens`; takes no page yet. */
int kv_stream_create(struct kv_stream **out, struct kv_pool *p, uint32_t max_tokens, struct err *e);
void kv_stream_free(struct kv_stream *s);
/* Makes room for positions up to length + n - 1 and counts them as held. CTX_FULL when the pool or the stream
 * is full; then nothing changed. */
int kv_stream_extend(struct kv_stream *s, uint32_t n, struct err *e);
/* Keeps the first `length` positions; pages no longer needed go back to the pool. */
void kv_stream_cut(struct kv_stream *s, uint32_t length);

/* Where the key panels (2 of panel_elems(K)) and value panels (ceil(K/32) of panel_elems(64)) of a page are.
 */
void *kv_keys(const struct kv_stream *s, uint32_t block, uint32_t layer, uint32_t head);
void *kv_values(const struct kv_stream *s, uint32_t block, uint32_t layer, uint32_t head);

/* Stores the key and value (fp32, [K] each; rounded to bf16 for a bf16 model) of position t. */
void kv_put(const struct kv_stream *s, uint32_t t, uint32_t layer, uint32_t head, const float *key,
            const float *value);
/* Reads them back. */
void kv_get(const struct kv_stream *s, uint32_t t, uint32_t layer, uint32_t head, float *key, float *value);

#endif
