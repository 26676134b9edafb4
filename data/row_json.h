/* A Parquet row as JSON. */
#ifndef TERSE_DATA_ROW_JSON_H
#define TERSE_DATA_ROW_JSON_H

#include "checkpoints/json.h"
#include "data/parquet/parquet.h"

/* Writes `d`, of the shape of `f`, as the value of `key` (NULL inside an array and at the root): structs as
 * objects, lists as arrays, maps as arrays of {"key", "value"}, null and what JSON cannot say (NaN, infinity)
 * as null. Failures are kept by `w`. */
void row_put(struct js_out *w, const char *key, const struct pq_field *f, const struct pq_datum *d);

#endif
