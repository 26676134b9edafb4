/* A file that has come in part: STEM.part, its bytes, and STEM.log, what is known of them.
 *
 * The log is text: whose bytes these are (address, size, digest, ETag), then a line with a SHA-1 for each
 * MiB as it was received (the disk is no forger). Whoever goes on reads the bytes again and compares: bytes
 * that the disk has lost or turned, or that another file left, end what is kept, and are fetched again from
 * there. So a kill or a power cut costs at most the last MiB, and nothing has to be flushed on the way. */
#ifndef TERSE_DATA_FETCH_PART_H
#define TERSE_DATA_FETCH_PART_H

#include "checkpoints/file.h"
#include "checkpoints/sha256.h"
#include "data/fetch/reply.h" /* HTTP_ETAG */

#include <stdbool.h>

enum { PART_CHUNK = 1 << 20 };

/* Whose bytes they are: parts of anything else are void. */
struct part_key {
    const char *url;
    const char *digest; /* 64 or 40 hex digits (git's name of a blob); NULL unknown */
    uint64_t size;      /* UINT64_MAX unknown */
};

/* The caller's memory. */
struct part {
    char path[FILE_PATH], log_path[FILE_PATH]; /* STEM.part, STEM.log */
    struct part_key key;                       /* its texts: the caller's */
    int fd, log;
    uint64_t have;  /* bytes held */
    uint64_t total; /* of the file as the server said; UINT64_MAX unknown */
    char etag[HTTP_ETAG];
    struct sha256 whole, git, chunk; /* git: only for a digest of 40 digits */
    uint64_t chunk_from;             /* where the chunk that is not in the log begins */
};

/* Opens or makes it; p->have bytes are good. Errors: those of files, NOMEM; nothing is then open. */
int part_open(struct part *p, const char *stem, const struct part_key *key, struct err *e);
/* Begins anew with a file of that ETag ("" none) and size (UINT64_MAX unknown). */
int part_restart(struct part *p, const char *etag, uint64_t total, struct err *e);
int part_write(struct part *p, const void *data, size_t n, struct err *e);

/* All has come. sha256 is that of the bytes; HASH (or LFS_POINTER, which servers hand out for the file
 * itself) unless size and digest are the key's. */
int part_check(struct part *p, const char *name, char sha256[SHA256_HEX], struct err *e);
/* After part_check: on the disk for good. */
int part_sync(struct part *p, struct err *e);
/* Renames the bytes to `path`, removes the log, closes. Also closed after an error. */
int part_keep(struct part *p, const char *path, struct err *e);

/* Closes; what is there is kept for another time, to the last byte. */
void part_leave(struct part *p);
/* Closes and removes. */
void part_drop(struct part *p);

#endif
