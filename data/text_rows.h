/* Rows as texts by name, whatever file they are in: Parquet, JSON lines, or CSV (RFC 4180, with a header).
 * For small sets whose columns have names of their own, such as benchmarks. */
#ifndef TERSE_DATA_TEXT_ROWS_H
#define TERSE_DATA_TEXT_ROWS_H

#include "infer/err.h"

#include <stddef.h>
#include <stdint.h>

enum { TEXT_ROWS_KEYS = 8 };

/* Valid UTF-8 with a NUL after it and none inside; a list of texts (in Parquet) is its items, a line
 * each. s is NULL for null, or what is neither text nor number. */
struct text_cell {
    const char *s;
    size_t n;
};

/* Takes the row (from 0; cells [keys], for the call), called `what` in messages. Returns 0, an error, or
 * TEXT_ROWS_ENOUGH to read no further. */
enum { TEXT_ROWS_ENOUGH = 1 };
typedef int text_rows_take(void *ctx, uint64_t row, const struct text_cell *cells, const char *what,
                           struct err *e);

/* Hands over the columns keys [n], n <= TEXT_ROWS_KEYS, of every row; numbers as text. The name's end,
 * .parquet, .csv or one of data/json_file.h's (a column may be absent in a row), decides. Errors: USAGE
 * (another name), COL_MISSING (naming the columns there are), those of pq_open and pq_next, of
 * json_file_each, ROW_TYPE, of file_load; of CSV UTF8, TOO_MANY, FIELD_MISSING (a row without as many fields
 * as the header), TRAILING (text after a closing quote), FIELD_RANGE (a quote that does not close, a NUL); of
 * take. */
int text_rows_each(const char *path, const char *const *keys, uint32_t n, text_rows_take *take, void *ctx,
                   struct err *e);

#endif
