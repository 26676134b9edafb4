/* What kv.c and kv_index.c share: the pool and the books it keeps of its pages. */
#ifndef TERSE_INFER_KV_POOL_H
#define TERSE_INFER_KV_POOL_H

#include "infer/kv.h"

enum { NO_PAGE = -1 };
enum { KV_ROOT = 1 }; /* the serial of what stands before the first page */

/* A page's entry. A page with a serial is in the index: the serial stands for its tokens and all before them,
 * and is never given twice, so that whoever names its parent names one history. */
struct page {
    uint32_t owners;      /* streams that hold it */
    uint64_t serial;      /* 0: not in the index */
    uint64_t parent;      /* serial of the page before it, or KV_ROOT */
    struct kv_gate gate;  /* `from` is relative to the page, KV_PAGE where its tokens are the base's */
    int32_t next;         /* in its bucket */
    int32_t older, newer; /* resting pages in the order of their last use */
    int32_t ids[KV_PAGE];
};

struct kv_pool {
    struct kv_config c;
    enum weight_type type; /* of the panels */
    size_t elem;           /* bytes of a value in them */
    uint32_t layers, heads, head_dim;
    size_t key_bytes, value_bytes, head_bytes; /* of one layer and head in a page; the last with the scales */
    size_t page_bytes;
    uint32_t unused;
    int32_t *spare; /* [pages]: a stack of unused page numbers */
    struct page *page;
    char *memory;
    /* the index */
    uint64_t seed, serial; /* of the hash; the next serial */
    uint32_t buckets;      /* a power of two, or 0 */
    int32_t *bucket;       /* [buckets] first page of each, or NO_PAGE */
    int32_t oldest, newest;
    uint32_t resting;
    uint64_t asked, found, evicted;
    struct arena arena;
};

/* The owner of a page more or less. A page nobody holds rests, or becomes unused. */
void page_hold(struct kv_pool *p, uint32_t page);
void page_drop(struct kv_pool *p, uint32_t page);
/* Takes the page that was used least recently from those that rest. */
uint32_t page_evict(struct kv_pool *p);
/* Takes a page out of the index, which may be in the hands of an owner. */
void page_forget(struct kv_pool *p, uint32_t page);

#endif
