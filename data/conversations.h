/* The rows of OpenThoughts3 (and files of its shape) as C structs: one question and its answer a row.
 *
 *   difficulty int64 | source string | domain string | conversations list<struct<from string, value string>>
 *
 * Everything may be null. `conversations` must be there; the other columns may be absent (then null), since
 * derived data sets drop them. Roles are given as written; what they mean is the caller's business. */
#ifndef TERSE_DATA_CONVERSATIONS_H
#define TERSE_DATA_CONVERSATIONS_H

#include "infer/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Valid UTF-8, not NUL-terminated; s is NULL for null, and not NULL for an empty string. */
struct conv_text {
    const char *s;
    size_t n;
};

struct conv_turn {
    struct conv_text from, value; /* both null where the turn itself is null */
};

struct conv_row {
    uint64_t index; /* row of the file, from 0 */
    bool has_difficulty;
    int64_t difficulty; /* 0 without has_difficulty */
    struct conv_text source, domain;
    bool has_turns; /* false: conversations is null; true with n_turns 0: an empty list */
    size_t n_turns;
    const struct conv_turn *turns;
};

struct conv_file;

/* Errors: those of pq_open() (data/parquet/parquet.h), COL_MISSING (no `conversations`, or no `from` or
 * `value` inside), COL_TYPE (a column of another type than above); *out is then NULL. */
int conv_open(struct conv_file **out, const char *path, struct err *e);
void conv_close(struct conv_file *f); /* NULL ok */

uint64_t conv_rows(const struct conv_file *f);

/* Fills *row, whose pointers are valid until the next call on `f`. Returns 1, 0 after the last row, or a
 * negative error (those of pq_next(); ERR_UTF8 with the row's number), after which only conv_close(). */
int conv_next(struct conv_file *f, struct conv_row *row, struct err *e);

/* Makes `row` (0 .. conv_rows()) the next one. Errors as pq_seek(). */
int conv_seek(struct conv_file *f, uint64_t row, struct err *e);

#endif
