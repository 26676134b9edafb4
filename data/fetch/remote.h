/* A file elsewhere, read in pieces: what a reader of Parquet needs of one row group, and no more. */
#ifndef TERSE_DATA_FETCH_REMOTE_H
#define TERSE_DATA_FETCH_REMOTE_H

#include "data/fetch/download.h"

/* The first block is the caller's to set, and stays his. */
struct remote {
    struct transfers *set;
    const struct download_policy *policy;
    download_watch *watch; /* NULL ok */
    void *ctx;
    const char *url, *name;

    uint64_t size;        /* of the file: the caller's, or DOWNLOAD_UNKNOWN and asked for by remote_open() */
    char etag[HTTP_ETAG]; /* strong, or "" */
    uint64_t received;    /* bytes so far */
    uint64_t at;          /* private: what is held, bytes [at, at + n) of the file */
    size_t n, n_head;
    char *data, head[4]; /* head: the file's first n_head bytes, which asking for the size brought */
};

/* Asks for the file's end, where Parquet has its footer. Errors: those of downloads_run; HTTP_RANGE when the
 * server sends no pieces, or they are not of the file that it was at first. */
int remote_open(struct remote *r, struct err *e);
void remote_close(struct remote *r);

/* A pq_reader's read, with the struct remote as its context. */
int remote_read(void *ctx, uint64_t at, size_t n, void *out, struct err *e);

#endif
