/* The KV cache: pages of 64 positions, shared out by a pool.
 *
 * A page holds the keys and values of 64 consecutive absolute positions, all layers and key/value heads, each
 * already in panels: keys as a weight matrix [64 keys][K] (so scores are a product) and values as [K][64
 * keys] (so the weighted sum is one). Values of positions that were not stored yet are zero: products take
 * positions in pairs, and nothing an earlier user left may be read.
 *
 * Pages are reference-counted. Streams share them (kv_stream_fork), and a page is written by its only owner
 * alone: whoever goes on in the middle of a shared one gets a copy first. A full page can be offered to the
 * pool's index, where streams find it by what it holds (kv_stream_find), even after its owners have left:
 * such resting pages stay until their number is over a limit or room is wanted, the least recently used
 * first.
 *
 * A pool and its streams belong to one thread at a time; the threads of a forward pass may read and kv_put.
 */
#ifndef TERSE_INFER_KV_H
#define TERSE_INFER_KV_H

#include "infer/model.h"

enum { KV_PAGE = 64 };

/* What keys and values are stored as. */
enum kv_type {
    KV_MODEL, /* the model's compute type: bf16 or fp32 */
    KV_INT8,  /* 8 bits and one fp32 scale for each position and head: x = q * scale, scale = max |x| / 127 */
};

struct kv_config {
    uint32_t pages;   /* in all */
    uint32_t resting; /* of them, at most so many stay when nobody holds them; 0: no index */
    enum kv_type type;
};

struct kv_pool;

/* The keys and values of one sequence. */
struct kv_stream {
    uint32_t length;   /* positions held */
    uint32_t pages;    /* entries of `page` in use */
    uint32_t capacity; /* entries allocated */
    uint32_t *page;    /* page numbers */
    struct kv_pool *pool;
    bool stale; /* the last page holds something past `length` */
};

uint64_t kv_pool_plan_for(const struct model *m, const struct kv_config *c);
/* Errors: NOMEM. */
int kv_pool_create_for(struct kv_pool **out, const struct model *m, const struct kv_config *c, struct err *e);
/* The same for `pages` pages in the model's type, none resting. */
uint64_t kv_pool_plan(const struct model *m, uint32_t pages);
int kv_pool_create(struct kv_pool **out, const struct model *m, uint32_t pages, struct err *e);
void kv_pool_free(struct kv_pool *p);
/* Pages that can be had: unused or resting. */
uint32_t kv_pool_unused(const struct kv_pool *p);
/* Bytes of a page. */
size_t kv_page_bytes(const struct model *m, enum kv_type type);

/* An empty stream able to hold `max_tokens`; takes no page yet. */
int kv_stream_create(struct kv_stream **out, struct kv_pool *p, uint32_t max_tokens, struct err *e);
void kv_stream_free(struct kv_stream *s);
/* Makes room for positions up to length + n - 1 and counts them as held. CTX_FULL when the pool or the stream
 * is full; then nothing changed. */
int kv_stream_extend(struct kv_stream *s, uint32_t n, struct err *e);
/* Pages that the stream would take to hold `length` positions: a copy of one that it shares included. */
uint32_t kv_stream_wants(const struct kv_stream *s, uint32_t length);
/* Keeps the first `length` positions; pages no longer needed go back to the pool. */
void kv_stream_cut(struct kv_stream *s, uint32_t length);
/* Makes `to` hold the first n positions of `from` (n at most its length and to's room) instead of what it
 * held. Takes no page: a page that is partly of both is copied when one of them goes on. */
void kv_stream_fork(struct kv_stream *to, const struct kv_stream *from, uint32_t n);

/* ---- the index ---------------------------------------------------------------------------------------- */

/* Which adapter made keys and values, and from which token on; before it the base alone. */
struct kv_gate {
    uint64_t adapter; /* identity, of no account where from is never reached */
    uint32_t from;
};

struct kv_index_stats {
    uint64_t asked, found; /* pages looked for, pages found */
    uint64_t evicted;
    uint32_t resting, limit; /* pages now, and at most */
    uint32_t held;           /* pages that streams hold */
    size_t page_bytes;
};

/* Block `block` of the stream, all 64 positions of it stored, can be found from now on: by its tokens ids
 * [64], what came before it and the gate. Blocks are offered in order; one whose predecessor cannot be found
 * is not taken. If the index has the same already, the stream takes that and gives its own back. */
void kv_stream_offer(struct kv_stream *s, uint32_t block, const int32_t *ids, struct kv_gate gate);
/* How many of the n tokens the index holds from the first on; a multiple of 64. Counts as a question (asked,
 * found). */
uint32_t kv_find(struct kv_pool *p, const int32_t *ids, uint32_t n, struct kv_gate gate);
/* Makes the stream hold what of the n tokens the index has, instead of what it held; returns how many
 * positions. */
uint32_t kv_stream_find(struct kv_stream *s, const int32_t *ids, uint32_t n, struct kv_gate gate);
void kv_index_stats(const struct kv_pool *p, struct kv_index_stats *out);

/* ---- keys and values ---------------------------------------------------------------------------------- */

/* Keys and values of one layer and head in a page. */
struct kv_block {
    enum weight_type type;                /* of both panels: the model's, or WT_I8 */
    const void *keys;                     /* panels [64][K] */
    const void *values;                   /* panels [K][64] */
    const float *key_scale, *value_scale; /* [64], NULL where not WT_I8 */
};

struct kv_block kv_block(const struct kv_stream *s, uint32_t block, uint32_t layer, uint32_t head);

/* Stores the key and value (fp32, [K] each) of position t, rounded as the pool's type says. */
void kv_put(const struct kv_stream *s, uint32_t t, uint32_t layer, uint32_t head, const float *key,
            const float *value);
/* Reads them back. */
void kv_get(const struct kv_stream *s, uint32_t t, uint32_t layer, uint32_t head, float *key, float *value);

#endif
