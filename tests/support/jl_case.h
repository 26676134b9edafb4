/* Files of JSON rows that must end in an error, or be read. */
#ifndef TERSE_TESTS_SUPPORT_JL_CASE_H
#define TERSE_TESTS_SUPPORT_JL_CASE_H

#include "infer/err.h"

#include <stddef.h>
#include <stdint.h>

/* A text with its length; a sound line; a user's turn; a row of such. */
#define T(text)  text, sizeof(text) - 1
#define GOOD     "{\"question\":\"q\",\"answer\":\"a\"}\n"
#define USER     "{\"role\":\"user\",\"content\":\"q\"}"
#define ROW(...) "{\"messages\":[" __VA_ARGS__ "]}\n"

/* Opens a file of conversations and reads all its rows. */
int jl_read(const char *path, uint64_t *rows, struct err *e);

/* 0 when that ends in `code` (0: with rows) within a second, and the message names the file and has `says`;
 * else 1, and prints what was wrong. */
int jl_check(const char *id, const char *path, int code, const char *says);

#endif
