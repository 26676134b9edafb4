/* A file of text as it is, or compressed by gzip or zstd: read from front to back in bounded memory. */
#ifndef TERSE_DATA_TEXT_FILE_H
#define TERSE_DATA_TEXT_FILE_H

#include "infer/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Text may be TEXT_FLOOR + TEXT_RATIO times its compressed bytes: far beyond what text reaches (about 10). */
enum { TEXT_RATIO = 256, TEXT_FLOOR = 64 << 20 };

enum text_codec { TEXT_PLAIN, TEXT_GZIP, TEXT_ZSTD };

/* What `name` says by its end (.gz, .zst), and what a file's first bytes say. */
enum text_codec text_codec_named(const char *name);
enum text_codec text_codec_of(const unsigned char *bytes, size_t n);

struct text_file;

/* Opens a regular file; its first bytes say what it is. `path` is copied. Errors: FILE_MISSING, EACCES,
 * NOT_REGULAR, IO, NOMEM; MAGIC: the name says something else (.jsonl, .json, .gz, .zst; other names say
 * nothing). *out is then NULL. */
int text_file_open(struct text_file **out, const char *path, struct err *e);
void text_file_close(struct text_file *f); /* NULL ok */

/* The next 1..n bytes of text, *got of them; 0 of them at the end. `ctx` is a struct text_file: the function
 * is a struct json_bytes' read. Errors: GZIP, ZSTD (damaged, or cut), TOO_LARGE (zstd's window, see
 * checkpoints/zstd.h), BOMB, CHANGED (the file has become shorter), EIO, IO, NOMEM. */
int text_file_read(void *ctx, void *out, size_t n, size_t *got, struct err *e);

/* Goes on at byte `at` of the text: any of a plain file, 0 of a compressed one. CHANGED when the file has
 * been written to since it was opened. */
int text_file_seek(struct text_file *f, uint64_t at, struct err *e);
bool text_file_plain(const struct text_file *f);

#endif
