/* Bodies fetched until they are whole: attempts, resumed by range, with back-off between them.
 *
 * An attempt goes on from the bytes that are held if the file is known to be the same: by a strong ETag
 * (If-Range), or because a digest will tell in the end. The answer must then be 206 with exactly the range
 * that was asked for; anything else begins again at byte 0. */
#ifndef TERSE_DATA_FETCH_DOWNLOAD_H
#define TERSE_DATA_FETCH_DOWNLOAD_H

#include "data/fetch/transfer.h"

#include <stddef.h>

#define DOWNLOAD_UNKNOWN UINT64_MAX

struct download_policy {
    int parallel;      /* at a time */
    int retries;       /* attempts that may fail one after the other without bringing anything new */
    double wait_first; /* seconds before the second attempt; doubled each time, give or take a half */
    double wait_most;  /* but no more than that */
    double wait_asked; /* nor, whatever a server's Retry-After asks for, more than that */
};

struct download;

/* Where bytes go. All return 0 or an error; one of this machine (disk, memory) ends the whole run. */
struct sink {
    /* Before the first attempt: says what is held from an earlier run (have, etag, total). NULL: nothing. */
    int (*begin)(struct download *d, struct err *e);
    /* A body begins at byte 0: what is held is void, d->etag and d->total are the new ones. */
    int (*restart)(struct download *d, struct err *e);
    int (*write)(struct download *d, const void *data, size_t n, struct err *e);
    /* All has come: check and keep it. HASH of a body that was resumed is tried again once, from byte 0. */
    int (*finish)(struct download *d, struct err *e);
    /* Begun and not finished, for good or for now: release all, keep what is good for another time. NULL ok.
     */
    void (*leave)(struct download *d);
};

enum download_state { DOWNLOAD_WAITS, DOWNLOAD_RUNS, DOWNLOAD_DONE, DOWNLOAD_FAILED };

/* One body. The caller's memory; the first block is the caller's to set, all else zero. Stays in place. */
struct download {
    const char *url, *name; /* name: in messages */
    uint64_t size;          /* as it must be, or DOWNLOAD_UNKNOWN, and then at most */
    uint64_t max;
    bool verified; /* finish() compares with a digest known beforehand */
    bool piece;    /* `size` bytes from byte `base` of the file; only an exact 206 will do */
    uint64_t base;
    const struct sink *sink; /* must outlive it */
    void *owner;             /* the sink's */
    char *next;              /* [HTTP_URL]: gets the Link rel="next" of the answer; NULL: not asked for */

    enum download_state state;
    uint64_t have;        /* bytes held */
    uint64_t total;       /* of the whole file, as the server says, or DOWNLOAD_UNKNOWN */
    char etag[HTTP_ETAG]; /* strong, of what is held; "" */
    uint64_t received;    /* bytes over all attempts */
    int attempts;
    struct err err; /* why it failed, or why the last attempt did */

    struct transfer *transfer; /* private from here on */
    char range[48];
    uint64_t most; /* bytes ever held */
    int failures;  /* one after the other, without anything new */
    double due;    /* when the next attempt is, by the monotonic clock */
    bool begun, resumed, again, restart, whole, local, plain;
};

/* Called several times a second with d NULL, and with d when its state has changed. An error stops
 * everything: INTERRUPTED to go on another time. */
typedef int download_watch(void *ctx, struct download *d, struct err *e);

/* Fetches list[n]; watch may be NULL. Returns 0 when all are done; the error of the first that failed after
 * all others have been tried; an error of this machine or of watch at once. Then nothing runs any more. Kinds
 * besides a sink's: RETRY_LIMIT (with count and last reason), NETWORK, TLS, TIMEOUT, LOW_SPEED, REDIRECTS,
 * URL_*, HTTP_*, SIZE_CAP, MAGIC (a web page in place of a file whose digest nobody knows), NOMEM. */
int downloads_run(struct transfers *set, struct download *list, size_t n,
                  const struct download_policy *policy, download_watch *watch, void *ctx, struct err *e);

/* One body of at most d->max bytes (d->size when it is a piece) into memory: *data, the caller's to free,
 * with a NUL behind its *n bytes. sink and owner are set here. On failure *data is NULL. */
int download_memory(struct transfers *set, struct download *d, const struct download_policy *policy,
                    download_watch *watch, void *ctx, char **data, size_t *n, struct err *e);

#endif
