/* The files a build reads, by their digests. */
#ifndef TERSE_DATA_PREPARE_SOURCES_H
#define TERSE_DATA_PREPARE_SOURCES_H

#include "checkpoints/sha256.h"

struct source {
    const char *path, *name; /* the caller's; name: the last part of it */
    char sha256[SHA256_HEX];
    uint64_t bytes;
};

/* Fills s [n] for files [n]. A file is read again only when its size, its times or its place on the disk
 * changed since its digest was noted in CACHE, or when it was written within two seconds before that. tick
 * (may be NULL) hears of each file; nonzero stops with INTERRUPTED. Errors: those of sha256_file, DUP_SHARD
 * (two have the same bytes), those of writing the cache; a cache that cannot be read is made anew. */
int sources_digest(struct source *s, const char *const *files, uint32_t n, const char *cache,
                   int (*tick)(void *ctx, uint64_t done), void *ctx, struct err *e);

#endif
