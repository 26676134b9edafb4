/* All pages of one column in one row group: levels and values. */
#ifndef TERSE_DATA_PARQUET_COLUMN_H
#define TERSE_DATA_PARQUET_COLUMN_H

#include "data/parquet/arena.h"
#include "data/parquet/meta.h"
#include "data/parquet/source.h"
#include "data/parquet/values.h"

/* The values of one page. */
struct pq_run {
    struct pq_run *next;
    uint32_t n;
    struct pq_value *values;
};

struct pq_column {
    uint64_t n_levels;
    uint8_t *def, *rep; /* n_levels each; NULL where the column has no such levels (all 0) */
    struct pq_run *runs, *last;
    /* where the assembler is */
    uint64_t at;
    struct pq_run *run;
    uint32_t run_at;
};

/* Reads the chunk `c` of `leaf` in a row group of `rows` rows. Everything *out points to lives in `keep`;
 * `scratch` holds what is needed only meanwhile (the caller resets it).
 * Errors: PQ_*, THRIFT_*, FIELD_*, BOMB, ZSTD, SNAPPY, GZIP, BROTLI, LZ4, CHANGED, IO; the message says
 * where. */
int column_read(struct pq_column *out, const struct pq_source *src, const struct pq_field *leaf,
                const struct pq_chunk *c, uint64_t rows, struct pq_arena *keep, struct pq_arena *scratch,
                struct err *e);

#endif
