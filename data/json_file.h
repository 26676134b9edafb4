/* The rows of a JSON file: lines of .jsonl, elements of the array in a .json (or lines again, whatever its
 * name says), compressed or not. They are counted when it is opened, which reads all of it once. */
#ifndef TERSE_DATA_JSON_FILE_H
#define TERSE_DATA_JSON_FILE_H

#include "checkpoints/jsonl.h"
#include "data/file_part.h"

#include <stddef.h>
#include <stdint.h>

struct json_file;

/* Blank lines are no rows. `path` is copied. Errors: those of text_file_open and text_file_read
 * (data/text_file.h), of json_rows_skip (checkpoints/json_rows.h); MAGIC: a name that says nothing, and
 * neither
 * '{' nor '[' comes first; DATA_EMPTY: no row at all. *out is then NULL. */
int json_file_open(struct json_file **out, const char *path, struct err *e);
void json_file_close(struct json_file *f); /* NULL ok */

uint64_t json_file_rows(const struct json_file *f);

/* The part that `row` (below json_file_rows()) is in, and the bytes of all: of JSON, not compressed. */
struct file_part json_file_part(const struct json_file *f, uint64_t row);
uint64_t json_file_bytes(const struct json_file *f);

/* The next row's text, of *n bytes, valid until the next call on `f`. Returns 1, 0 after the last, or an
 * error, after which only json_file_close(): those of reading, CHANGED (other rows than were counted). */
int json_file_next(struct json_file *f, const char **text, size_t *n, struct err *e);

/* Where the row given last is, for messages: "a.jsonl:17", "a.json: row 3" (from 0). The file's. */
const char *json_file_where(struct json_file *f);

/* Makes `row` (0 .. json_file_rows()) the next one: at once in a file that is not compressed, else by reading
 * up to there. Errors: those of json_file_next; FIELD_RANGE (there is no such row), CHANGED (the file has
 * been written to). */
int json_file_seek(struct json_file *f, uint64_t row, struct err *e);

/* Is it a name of such a file: .jsonl, .json, or one of these with .gz or .zst behind it? */
bool json_file_named(const char *path);

/* Hands over the value of every row, as jsonl_each() the lines of a file that terse wrote; the number is that
 * of the line, of an array's element from 1. Errors: those of json_file_open, json_file_next, js_parse and
 * take. */
int json_file_each(const char *path, jsonl_take *take, void *ctx, struct err *e);

#endif
