/* Opening, and reading whole, what a user names as a file. */
#ifndef TERSE_INFER_FILE_OPEN_H
#define TERSE_INFER_FILE_OPEN_H

#include "infer/err.h"

#include <stddef.h>
#include <stdint.h>

/* Opens a regular file for reading; a FIFO or device is refused without blocking. Symbolic links are
 * followed. *fd is the caller's to close; *size (may be NULL) gets its length in bytes.
 * Errors: FILE_MISSING, EACCES, NOT_REGULAR, IO; *fd is then -1. */
int file_open(const char *path, int *fd, uint64_t *size, struct err *e);

/* Reads a whole regular file of at most `max` bytes. *data is the caller's to free; a NUL that *n does not
 * count follows the last byte. Errors: those of file_open, TOO_LARGE, CHANGED (it shrank meanwhile), EIO,
 * NOMEM; *data is then NULL. */
int file_load(const char *path, uint64_t max, char **data, size_t *n, struct err *e);

#endif
