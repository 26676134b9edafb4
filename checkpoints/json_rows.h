/* Cuts a stream of bytes into JSON texts: the lines of JSON Lines, or the elements of one array. One of them
 * is held at a time. Only their ends are looked for; whether they are JSON is for js_parse() to say. */
#ifndef TERSE_CHECKPOINTS_JSON_ROWS_H
#define TERSE_CHECKPOINTS_JSON_ROWS_H

#include "infer/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JSON_ROW_MAX = 64 << 20 }; /* bytes of the longest row */

/* Bytes from wherever a caller has them. */
struct json_bytes {
    /* the next 1..n bytes into out, *got of them; 0 of them at the end. 0 or an error */
    int (*read)(void *ctx, void *out, size_t n, size_t *got, struct err *e);
    void *ctx;
};

enum json_form {
    JSON_LINES,
    JSON_ARRAY,
    JSON_EITHER, /* an array if '[' comes first, else lines */
};

/* The first block is the caller's to set, all else zero. */
struct json_rows {
    const char *name; /* of the stream, in messages */
    struct json_bytes source;
    enum json_form form; /* no longer JSON_EITHER after the first row */

    /* of the row given last */
    uint64_t offset; /* its first byte */
    uint64_t line;   /* the line it begins in, from 1 */
    bool blank;      /* lines: nothing but white space */
    bool ended;      /* lines: in a newline */

    /* private: buf[at, n) is not looked at yet, buf[from, at) is of the row that is looked for */
    char *buf;
    size_t cap, from, at, n;
    uint64_t base, lines; /* stream offset of buf[0]; newlines before buf[at] */
    enum { ROWS_BEGIN, ROWS_FIRST, ROWS_MORE, ROWS_END } state;
    uint64_t depth;
    bool in_string, escaped;
};

/* The next row: *text, of *n bytes, is valid until the next call. Lines come without their newline, the last
 * one whether or not it has one. Returns 1, 0 after the last row, or an error, after which only
 * json_rows_clear() is allowed: those of the source; LINE_LEN (over JSON_ROW_MAX), JSON_BOM (at the stream's
 * beginning; of UTF-16, too), NOMEM; of an array also JSON_TRUNC, JSON_SYNTAX and JSON_TRAILING for what is
 * outside of its elements. */
int json_rows_next(struct json_rows *r, const char **text, size_t *n, struct err *e);
/* The same without the text: rows of any length take no more memory than a short one. */
int json_rows_skip(struct json_rows *r, struct err *e);

/* Bytes of the stream that were looked at: where the next row begins, or before it. */
static inline uint64_t json_rows_position(const struct json_rows *r)
{
    return r->base + r->at;
}

/* The source now stands at byte `offset`, where a row begins, in line `line`. Byte 0 of line 1 is the very
 * beginning. */
void json_rows_restart(struct json_rows *r, uint64_t offset, uint64_t line);

void json_rows_clear(struct json_rows *r);

#endif
