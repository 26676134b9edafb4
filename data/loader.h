/* Packed rows of training documents out of token shards, in an order that a few integers describe.
 *
 * Documents are visited in a keyed permutation of the split, a new one each epoch. A window of LOADER_WINDOW
 * documents at a time is packed best-fit into rows of at most cutoff_len tokens, and the window's rows are
 * shuffled; so every document comes exactly once an epoch, and any position can be found again by packing one
 * window. The stream is a function of the shards, the configuration and the position alone. */
#ifndef TERSE_DATA_LOADER_H
#define TERSE_DATA_LOADER_H

#include "data/shards.h"
#include "infer/err.h"

#include <stdint.h>

enum { LOADER_WINDOW = 1024 };

enum loader_split { LOADER_TRAIN, LOADER_VALIDATION };

struct loader_config {
    uint32_t cutoff_len; /* tokens a row holds at most; no document of the shards may be longer */
    int packing;         /* 0: one document a row */
    uint64_t seed;       /* of the order; the split does not depend on it, so that runs compare */
    enum loader_split split;
    double val_size; /* documents held out: below 1 a fraction, else a count; whole questions, so about */
};

/* One row. Everything it points to belongs to the loader and lives until the next call on the loader. */
struct packed_row {
    uint32_t n_docs;              /* >= 1 */
    uint32_t tokens;              /* sum of the documents' n, <= cutoff_len */
    uint32_t labels;              /* tokens under a label span */
    uint64_t epoch;               /* from 0 */
    int last;                     /* 1: the epoch's last row; the next one opens epoch + 1 */
    const struct shard_doc *docs; /* n_docs of them, each to be attended within itself only */
};

/* Where the next row is: all a resumed run needs to save. */
struct loader_pos {
    uint64_t epoch;  /* from 0 */
    uint64_t window; /* window of the epoch */
    uint64_t row;    /* row of the window */
};

struct loader;

/* `shards` stays the caller's, must outlive the loader and may be shared by several loaders of one thread.
 * Errors: DATA_EMPTY (no document on that side of the split), FIELD_RANGE (cutoff_len 0 or shorter than a
 * document, val_size negative or NaN), NOMEM; *out is then NULL. */
int loader_open(struct loader **out, struct shards *shards, const struct loader_config *c, struct err *e);
void loader_close(struct loader *l); /* NULL ok */

/* The next row; after an epoch's last row it goes on with the next epoch, without end. On an error (those of
 * shards_read) the position is what it was. */
int loader_next_row(struct loader *l, struct packed_row *row, struct err *e);

/* Position of the row that loader_next_row gives next. */
void loader_tell(const struct loader *l, struct loader_pos *pos);
/* Goes to a position that loader_tell gave. ERR_CK_CURSOR when no such row exists; the loader then stays
 * where it was. */
int loader_seek(struct loader *l, const struct loader_pos *pos, struct err *e);

/* Documents on this side of the split. */
uint64_t loader_docs(const struct loader *l);
/* Rows that `epoch` has (they differ a little from epoch to epoch): packs all of it, lengths only. */
uint64_t loader_rows_per_epoch(const struct loader *l, uint64_t epoch);

#endif
