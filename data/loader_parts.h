/* What loader.c (rows given out), loader_order.c (which documents, in what order) and loader_split.c share.
 * Private to them. */
#ifndef TERSE_DATA_LOADER_PARTS_H
#define TERSE_DATA_LOADER_PARTS_H

#include "data/loader.h"
#include "data/pack.h"

/* Documents that are permuted together: all of them, or those of one set that is mixed with others. */
struct stream {
    uint64_t first, n; /* the members [first, first + n) */
    double weight;     /* of all weights, which sum to 1 */
};

/* Which documents a loader gives out, and in what order. Nothing changes after it was opened, so that a
 * position means the same to whoever asks. Documents are numbered over all sets. */
struct order {
    struct loader_config c;
    struct loader_set sets[LOADER_SETS];
    uint64_t base[LOADER_SETS + 1]; /* number of a set's first document */
    uint32_t n_sets;
    uint32_t *members; /* documents of this side of the split, ascending; NULL: all of them */
    uint64_t n;        /* of them */
    struct stream streams[LOADER_SETS];
    uint32_t n_streams;
    uint64_t epoch_docs;
};

/* loader_split.c: o->members and o->n. DATA_EMPTY, NOMEM. */
int order_split(struct order *o, struct err *e);

/* loader_order.c. Errors of loader_open. *o is to be cleared in every case. */
int order_init(struct order *o, const struct loader_set *sets, uint32_t n, const struct loader_config *c,
               struct err *e);
void order_clear(struct order *o);
uint32_t order_length(const struct order *o, uint64_t doc);
uint32_t order_set(const struct order *o, uint64_t doc);
/* Documents that stream `s` has given when `v` were given in all. */
uint64_t order_taken(const struct order *o, uint32_t s, uint64_t v);
uint64_t order_windows(const struct order *o);

/* A window packed into rows, and the memory to pack it. */
struct window {
    struct packer *packer;
    uint32_t *docs, *lengths, *start; /* row r holds docs[start[r] .. start[r + 1]) */
    uint32_t n, rows, most;
    uint64_t taken[LOADER_SETS]; /* of each stream, before the window */
};

int window_create(struct window *w, const struct order *o, struct err *e); /* NOMEM; to be cleared */
void window_clear(struct window *w);
/* Packs window `index` of `epoch`. */
void window_pack(struct window *w, const struct order *o, uint64_t epoch, uint64_t index);

#endif
