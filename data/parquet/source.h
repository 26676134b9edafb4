/* Where a Parquet file's bytes come from. */
#ifndef TERSE_DATA_PARQUET_SOURCE_H
#define TERSE_DATA_PARQUET_SOURCE_H

#include "data/parquet/arena.h"
#include "data/parquet/parquet.h"

#include <stddef.h>
#include <stdint.h>

struct pq_source {
    int fd;                /* -1: the bytes are in memory or come from a reader */
    const uint8_t *memory; /* size bytes, the caller's; NULL: a reader */
    struct pq_reader reader;
    uint64_t size;
};

/* Opens a regular file. Errors: FILE_MISSING, EACCES, NOT_REGULAR, IO. */
int source_open(struct pq_source *s, const char *path, struct err *e);
void source_close(struct pq_source *s);

/* n bytes at `offset`, which must lie inside: in the caller's memory, or copied into `arena`. NULL on
 * failure: CHANGED (the file has become shorter), IO, those of the arena and the reader. Files are read, not
 * mapped: a mapped file that somebody truncates kills the process. */
const uint8_t *source_read(const struct pq_source *s, uint64_t offset, size_t n, struct pq_arena *arena,
                           struct err *e);

#endif
