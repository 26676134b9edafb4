/* Files mapped read-only that survive being cut short.
 *
 * Looking at a page past the new end of a truncated file raises SIGBUS, on whatever thread looks. A handler
 * for the whole process, installed by map_open(), puts a page of zeros there and notes it; map_intact()
 * tells. A SIGBUS outside every map goes where it would have gone before. */
#ifndef TERSE_INFER_MAP_H
#define TERSE_INFER_MAP_H

#include "infer/err.h"

#include <stdint.h>

enum { MAP_MAX_FILES = 1024 }; /* open at a time, in the process */

struct map; /* a mapped file */

/* Maps a regular file from its first byte to its last. *out is the caller's to close; NULL after an error:
 * FILE_MISSING, EACCES, NOT_REGULAR, TOO_MANY, NOMEM, IO. */
int map_open(struct map **out, const char *path, struct err *e);
/* NULL is fine. */
void map_close(struct map *m);

/* The bytes, owned by m; NULL when the file is empty. */
const char *map_data(const struct map *m);
uint64_t map_size(const struct map *m);

/* Starts reading the file into the page cache, in the background. */
void map_prefetch(const struct map *m);

/* Gives back the memory of these bytes of a map, whole pages of it: the next look reads them again, from the
 * page cache if they are still there. */
void map_release(const void *data, uint64_t bytes);

/* 0, or ERR_CHANGED when the file's size or time of change is no longer what it was at map_open, or a page
 * was missing. Call it after having used the bytes: before, it proves nothing. */
int map_intact(const struct map *m, struct err *e);

#endif
