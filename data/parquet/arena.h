/* Memory of one lifetime (file, row group, row) with a cap, so that no file decompresses to more than it may.
 */
#ifndef TERSE_DATA_PARQUET_ARENA_H
#define TERSE_DATA_PARQUET_ARENA_H

#include "infer/err.h"

#include <stddef.h>
#include <stdint.h>

struct arena_block;

/* All zero, but for limit, is an empty arena. */
struct pq_arena {
    struct arena_block *blocks; /* newest first */
    uint64_t total, limit;      /* bytes handed out; how many may be */
};

/* `count` elements of `size` bytes each, 16-aligned, not cleared, owned by the arena; never NULL-on-success,
 * not even for 0 bytes. NULL on failure: BOMB (over the limit), NOMEM; the arena stays as it was. */
void *pq_arena_alloc(struct pq_arena *a, uint64_t count, size_t size, struct err *e);

/* Forgets all that was handed out, and keeps at most one small block for the next round. */
void pq_arena_reset(struct pq_arena *a);
/* Frees everything; the arena is empty again. */
void pq_arena_free(struct pq_arena *a);

#endif
