/* A regular file read piece by piece, as long as it was when it was opened. */
#ifndef TERSE_CHECKPOINTS_FILE_IN_H
#define TERSE_CHECKPOINTS_FILE_IN_H

#include "infer/err.h"

#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct file_in {
    int fd;           /* -1 when closed */
    const char *path; /* the caller's; must outlive it */
    uint64_t size, at;
    struct timespec written; /* when it last was, before it was opened */
};

/* Errors: FILE_MISSING, EACCES, NOT_REGULAR, IO; *f is then closed. */
int file_in_open(struct file_in *f, const char *path, struct err *e);
void file_in_close(struct file_in *f);

/* The next 1..n bytes into `out`, *got of them; 0 of them at the end. `ctx` is a struct file_in: the function
 * is a struct json_bytes' read. What was appended since the file was opened is not seen. Errors: CHANGED (it
 * has become shorter), EIO, IO. */
int file_in_read(void *ctx, void *out, size_t n, size_t *got, struct err *e);

/* Goes on reading at byte `at` (0 .. size). CHANGED when the file has been written to since it was opened. */
int file_in_seek(struct file_in *f, uint64_t at, struct err *e);

#endif
