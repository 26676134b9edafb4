/* Packed rows of training documents out of sets of token shards, in an order that a few integers describe.
 *
 * A set's documents are visited in a keyed permutation, a new one each time round. A window of about
 * LOADER_WINDOW documents at a time is packed best-fit into rows of at most cutoff_len tokens, and the
 * window's rows are shuffled; any position can be found again by packing one window. The stream of rows is a
 * function of the sets, the configuration and the position alone.
 *
 * Several sets are one (LOADER_CONCAT: each document once an epoch), or are mixed by weights: of the first v
 * documents of the run, floor(v * weight) are of a set, so its share is right within one document after every
 * window, nothing is drawn and nothing needs to be counted. A set that is through begins again in another
 * order, and the next epoch goes on where each set stands. An epoch ends when the first set is through
 * (LOADER_UNDER) or when the last one is (LOADER_OVER), as LLaMA-Factory's interleave_under and
 * interleave_over.
 *
 * A thread of its own reads and decodes the rows that come next. */
#ifndef TERSE_DATA_LOADER_H
#define TERSE_DATA_LOADER_H

#include "data/shards.h"
#include "infer/err.h"

#include <stdint.h>

enum { LOADER_WINDOW = 8192, LOADER_SETS = 64 };

enum loader_split { LOADER_TRAIN, LOADER_VALIDATION };
enum loader_mix { LOADER_CONCAT, LOADER_UNDER, LOADER_OVER };

/* Belongs to the loader as long as it is open: its thread reads from it. */
struct loader_set {
    struct shards *shards;
    double weight; /* above 0, in proportion to the others'; not used by LOADER_CONCAT */
};

struct loader_config {
    uint32_t cutoff_len; /* tokens a row holds at most; no document of the shards may be longer */
    int packing;         /* 0: one document a row */
    uint64_t seed;       /* of the order; the split does not depend on it, so that runs compare */
    enum loader_mix mix;
    enum loader_split split;
    double val_size; /* documents held out: below 1 a fraction, else a count; whole questions, so about */
    uint32_t keep;   /* rows that stay valid: a row lives until `keep` more were asked for; 0 means 1 */
    uint32_t ahead;  /* rows decoded ahead by a thread; 0: none, rows are decoded when they are asked for */
};

/* One row. Everything it points to belongs to the loader. */
struct packed_row {
    uint32_t n_docs;              /* >= 1 */
    uint32_t tokens;              /* sum of the documents' n, <= cutoff_len */
    uint32_t labels;              /* tokens under a label span */
    uint64_t epoch;               /* from 0 */
    int last;                     /* 1: the epoch's last row; the next one opens epoch + 1 */
    const struct shard_doc *docs; /* n_docs of them, each to be attended within itself only; `source` counts
                                     over all sets */
};

/* Where the next row is: all a resumed run needs to save. */
struct loader_pos {
    uint64_t epoch;  /* from 0 */
    uint64_t window; /* window of the epoch */
    uint64_t row;    /* row of the window */
};

struct loader;

/* Bytes of the rows that a loader of this configuration keeps and reads ahead, as they become full. */
uint64_t loader_plan(const struct loader_config *c);

/* sets[n] are the caller's and must outlive the loader.
 * Errors: DATA_EMPTY (no document on that side of the split, of one of the sets when they are mixed),
 * FIELD_RANGE (cutoff_len 0 or shorter than a document, val_size or a weight negative or NaN), TOO_MANY
 * (sets, documents), NOMEM; *out is then NULL. */
int loader_open(struct loader **out, const struct loader_set *sets, uint32_t n, const struct loader_config *c,
                struct err *e);
void loader_close(struct loader *l); /* NULL ok; waits for the row that is being decoded */

/* The next row; after an epoch's last row it goes on with the next epoch, without end. On an error (those of
 * shards_read, whoever met it; NOMEM) the position is what it was: the next call tries again. */
int loader_next_row(struct loader *l, struct packed_row *row, struct err *e);

/* Position of the row that loader_next_row gives next. */
void loader_tell(const struct loader *l, struct loader_pos *pos);
/* Goes to a position that loader_tell gave. ERR_CK_CURSOR when no such row exists; the loader then stays
 * where it was. Rows given out before are no longer valid. */
int loader_seek(struct loader *l, const struct loader_pos *pos, struct err *e);

/* Documents on this side of the split, of all sets. */
uint64_t loader_docs(const struct loader *l);
/* Documents of an epoch: loader_docs, unless sets are mixed. */
uint64_t loader_epoch_docs(const struct loader *l);
/* *rows = the rows that `epoch` has (they differ a little from epoch to epoch): packs all of it, lengths
 * only; *tokens (or NULL) = what they hold. NOMEM. */
int loader_count_rows(const struct loader *l, uint64_t epoch, uint64_t *rows, uint64_t *tokens,
                      struct err *e);
/* How often set `set` was gone through by the rows given out since position 0, such as 1.25. Without mixing
 * every set has the loader's epochs. */
double loader_passes(const struct loader *l, uint32_t set);

#endif
