/* JSON lines: a file with a JSON value on each line. */
#ifndef TERSE_CHECKPOINTS_JSONL_H
#define TERSE_CHECKPOINTS_JSONL_H

#include "checkpoints/json.h"

/* Who wrote it: what empty lines are, and a last line that does not end in a newline. */
enum jsonl_kind {
    JSONL_BY_HAND, /* nothing; a line as any other */
    JSONL_WHOLE,   /* an error; an error: its writer was interrupted */
    JSONL_GROWING, /* an error; nothing yet: it is still being written */
};

/* Takes the value of line `number` (from 1), called `what` in messages. It is freed afterwards, unless it was
 * kept by setting *v to NULL. Returns 0, an error, or JSONL_ENOUGH to read no further. */
enum { JSONL_ENOUGH = 1 };
typedef int jsonl_take(void *ctx, struct js **v, uint64_t number, const char *what, struct err *e);

/* Hands over every line of a file, one of them held at a time. Errors: those of file_in_open and
 * file_in_read, of json_rows_next (LINE_LEN over 64 MiB, JSON_BOM), of js_parse, naming the line, and of
 * take; JSON_TRUNC for a torn tail. */
int jsonl_each(const char *path, enum jsonl_kind kind, jsonl_take *take, void *ctx, struct err *e);

#endif
