/* Names that servers send: which may become files, and how they are written in addresses. */
#ifndef TERSE_DATA_FETCH_NAMES_H
#define TERSE_DATA_FETCH_NAMES_H

#include "infer/option.h" /* struct string_list */

#include <stdbool.h>
#include <stddef.h>

enum { NAME_PATH = 1024, NAME_PART = 240 };

/* The folder of ours in a folder of fetched files; no server's file may lie there. */
#define NAME_OURS ".terse"

/* 0 when `path` ("data/a.parquet") may become a file below some folder: parts of 1 to NAME_PART bytes between
 * single slashes, none of them "." or "..", ".git" or, at the front, NAME_OURS, in whatever case; no
 * backslash, no control character, valid UTF-8, at most NAME_PATH bytes. Else ERR_PATH. */
int name_check(const char *path, struct err *e);

/* 0 when all can lie in one folder even where case does not count: no two alike, none a folder of another
 * (PATH), whatever the order. ERR_NOMEM. */
int names_check_apart(const char *const *paths, size_t n, struct err *e);

/* Writes `text` with %XX for all but RFC 3986's unreserved characters and, if `slashes`, "/". False: no room.
 */
bool name_escape(char *out, size_t cap, const char *text, bool slashes);

/* The file's name at the end of an address's path, with %XX undone: name_check() has passed it. PATH. */
int name_of_url(char out[NAME_PATH], const char *url, struct err *e);

/* Globs, * matching slashes too; a pattern that ends in a slash stands for the whole folder. True when
 * `include` is empty or one of it matches, and none of `exclude` does. */
bool name_wanted(const char *path, const struct string_list *include, const struct string_list *exclude);

#endif
