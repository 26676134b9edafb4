/* What there is to learn from, in numbers: out of facts. */
#ifndef TERSE_DATA_PREPARE_STATS_H
#define TERSE_DATA_PREPARE_STATS_H

#include "data/prepare/facts.h"

#include <stdbool.h>

enum { STATS_BINS = 24, STATS_CUTS = 5, STATS_ANSWERS = 17 };

/* What a cutoff_len does. */
struct stats_cut {
    uint32_t cutoff_len;
    uint64_t cut, lost,
        gone;      /* conversations that are longer; tokens of them beyond; whose answer begins beyond */
    uint64_t rows; /* packed as training packs them */
    double filled; /* share of the rows' places that hold tokens */
};

struct stats {
    uint64_t rows, docs; /* of them, those that can be learned from */
    uint64_t tokens, bytes;
    uint32_t median, p90, longest;
    double step; /* tokens of a bin */
    size_t bins[STATS_BINS];
    uint64_t questions,
        identical; /* distinct; answers that are word for word another one to the same question */
    uint64_t answers[STATS_ANSWERS]; /* questions with so many answers; the last: or more */
    uint64_t thinks, finished, boxed;
    struct stats_cut cuts[STATS_CUTS]; /* at 2048, 4096, 8192, 16384, 32768 */
};

/* Errors: NOMEM, DATA_EMPTY (no row can be learned from). */
int stats_make(struct stats *s, const struct facts *f, struct err *e);
/* One cutoff_len. Errors: NOMEM. */
int stats_cut_make(struct stats_cut *c, const struct facts *f, uint32_t cutoff_len, struct err *e);

/* Appends the facts of a set of token shards, as far as it knows them: lengths, questions, domains, and
 * source files as sources. Errors: those of shards_open and shards_doc. */
int stats_shards(struct facts *f, const char *dir, struct err *e);

#endif
