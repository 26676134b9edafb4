#include "data/parquet/arena.h"
#include "infer/size.h"

#include <stdlib.h>

enum { BLOCK = 64 << 10 };

struct arena_block {
    struct arena_block *next;
    size_t used, size;
    _Alignas(16) unsigned char bytes[];
};

static struct arena_block *block_create(struct pq_arena *a, size_t size, struct err *e)
{
    struct arena_block *b = malloc(sizeof *b + size);
    if (!b) {
        err_set(e, ERR_NOMEM, "no memory for %zu bytes", size);
        return NULL;
    }
    b->used = 0;
    b->size = size;
    if (size > BLOCK && a->blocks) { /* a big one goes behind, the small one in use stays in front */
        b->next = a->blocks->next;
        a->blocks->next = b;
    } else {
        b->next = a->blocks;
        a->blocks = b;
    }
    return b;
}

void *pq_arena_alloc(struct pq_arena *a, uint64_t count, size_t size, struct err *e)
{
    uint64_t bytes, total;
    if (ckd_mul(&bytes, count, size) || ckd_add(&total, a->total, bytes) || total > a->limit) {
        err_set(e, ERR_BOMB, "%llu x %zu bytes wanted after %llu, the limit for a file of this size is %llu",
                (unsigned long long)count, size, (unsigned long long)a->total, (unsigned long long)a->limit);
        return NULL;
    }
    size_t n = round_up((size_t)bytes, 16);
    struct arena_block *b = a->blocks;
    if (!b || b->size - b->used < n) b = block_create(a, n > BLOCK ? n : BLOCK, e);
    if (!b) return NULL;
    void *p = b->bytes + b->used;
    b->used += n;
    a->total = total;
    return p;
}

static void free_chain(struct arena_block *b)
{
    while (b) {
        struct arena_block *next = b->next;
        free(b);
        b = next;
    }
}

void pq_arena_reset(struct pq_arena *a)
{
    struct arena_block *keep = a->blocks;
    if (keep && keep->size > BLOCK) {
        pq_arena_free(a);
        return;
    }
    if (keep) {
        free_chain(keep->next);
        keep->next = NULL;
        keep->used = 0;
    }
    a->total = 0;
}

void pq_arena_free(struct pq_arena *a)
{
    free_chain(a->blocks);
    a->blocks = NULL;
    a->total = 0;
}
