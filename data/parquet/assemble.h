/* Columns back into rows. Source: Melnik et al., "Dremel", VLDB 2010, section 4.2. */
#ifndef TERSE_DATA_PARQUET_ASSEMBLE_H
#define TERSE_DATA_PARQUET_ASSEMBLE_H

#include "data/parquet/arena.h"
#include "data/parquet/column.h"
#include "data/parquet/parquet.h"

struct assembler {
    const struct pq_field *root; /* the struct of the selected columns */
    struct pq_column *columns;   /* by leaf */
    struct pq_arena *row;        /* what a row is built in */
};

/* Takes the next row of all columns into *out. Errors: PQ_LEVELS, PQ_NULL (columns contradict each other or
 * the schema), UTF8, those of the arena. Messages do not say the row. */
int assemble_row(struct assembler *a, struct pq_datum *out, struct err *e);

/* After the last row of a group: is every column used up? Errors: PQ_LEVELS. */
int assemble_end(const struct assembler *a, struct err *e);

#endif
