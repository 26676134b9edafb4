/* Conversations to learn from, whatever file they are in: one question and its answer (or more turns) a row.
 *
 *   Parquet          columns
 *   .jsonl, .json    objects: a line each, or the elements of one array; also with .gz or .zst behind the
 * name
 *
 * The columns or keys of a row say what it is:
 *
 *   conversations [{from, value}, ...]     OpenThoughts3, ShareGPT
 *   messages      [{role, content}, ...]   OpenAI
 *   instruction, output                    alpaca; also `input`, which follows on a line of its own, and
 *                                          `history` [[question, answer], ...]
 *   prompt, completion
 *   problem, solution or question, answer  where there is none of the above
 *
 * Beside them `difficulty` (an integer), `source`, `domain` (strings) may be there, and `system` (a string),
 * which becomes the first turn unless that is a system turn. Other columns and keys are ignored, but for a
 * `weight` other than 1 in JSON. In Parquet everything may be null, in JSON all but `messages` and what is in
 * it. Roles are given as written; what they mean is the caller's business. */
#ifndef TERSE_DATA_CONVERSATIONS_H
#define TERSE_DATA_CONVERSATIONS_H

#include "data/file_part.h"
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
    struct conv_text reference; /* JSON: the text of `answer`, whatever the turns are made of */
    bool has_turns;             /* false: conversations is null; true with n_turns 0: an empty list */
    size_t n_turns;
    const struct conv_turn *turns;
};

/* Is the file Parquet, by its name (.parquet) or its first bytes? Errors: those of file_in_open,
 * file_in_read. */
int conv_is_parquet(bool *out, const char *path, struct err *e);

struct conv_file;

/* Opens a file, which its name or its first bytes tell. JSON is read through once to count its rows (lines as
 * fast as memory, arrays and compressed files at a few hundred MB/s and more), and holds one row at a time.
 * Errors of Parquet: those of pq_open() (data/parquet/parquet.h), COL_MISSING (none of the columns above, or
 * a turn lacks one), COL_TYPE (a column of another type). Of JSON: those of json_file_open()
 * (data/json_file.h). ROW_AMBIGUOUS: columns of two shapes. *out is then NULL. */
int conv_open(struct conv_file **out, const char *path, struct err *e);
void conv_close(struct conv_file *f); /* NULL ok */

uint64_t conv_rows(const struct conv_file *f);

/* The part that `row` (below conv_rows()) is in, and the bytes of all parts. */
struct file_part conv_part_of(const struct conv_file *f, uint64_t row);
uint64_t conv_bytes(const struct conv_file *f);

/* Fills *row, whose pointers are valid until the next call on `f`. Returns 1, 0 after the last row, or a
 * negative error, after which only conv_close(). Of Parquet: those of pq_next(), FIELD_TYPE (`history`). Of
 * JSON, with the row's line: those of json_file_next() and js_parse() (a row has at most 64 MiB, 64 levels
 * and three million values); ROW_TYPE (no object), FIELD_MISSING (none of the keys above, or a turn lacks
 * one), FIELD_TYPE, FIELD_RANGE, ROW_AMBIGUOUS (keys of two shapes), ROW_UNSUPPORTED (content in parts, a
 * weight). */
int conv_next(struct conv_file *f, struct conv_row *row, struct err *e);

/* Makes `row` (0 .. conv_rows()) the next one. Parquet reads no row group in between, plain JSON at most 255
 * rows; a compressed file is read from its beginning, or from where it is if that is before `row`. Errors as
 * pq_seek(), json_file_seek(). */
int conv_seek(struct conv_file *f, uint64_t row, struct err *e);

#endif
