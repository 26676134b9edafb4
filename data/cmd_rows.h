/* Rows on standard output, for commands. */
#ifndef TERSE_DATA_CMD_ROWS_H
#define TERSE_DATA_CMD_ROWS_H

#include "data/parquet/parquet.h"

/* Prints the next `n` rows, or as many as there are, as JSON objects, one a line; *n becomes what is left of
 * it. Errors: those of pq_next and of writing. */
int rows_print(struct pq *p, uint64_t *n, struct err *e);

#endif
