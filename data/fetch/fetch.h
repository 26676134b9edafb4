/* Files from a list into a folder: what is there already stays, what is missing is fetched, and nothing gets
 * its name before it is whole and its digest is the one expected. */
#ifndef TERSE_DATA_FETCH_FETCH_H
#define TERSE_DATA_FETCH_FETCH_H

#include "data/fetch/download.h"
#include "data/fetch/fetched.h"

enum fetch_state { FETCH_MISSING, FETCH_HERE, FETCH_DONE, FETCH_FAILED };

/* One file. The first block is the caller's to set. */
struct fetch_file {
    const char *path; /* below the folder; name_check() has passed it */
    const char *url;
    const char *digest; /* 64 hex digits: SHA-256; 40: git's name of it; NULL: nobody knows, it is believed */
    uint64_t size;      /* DOWNLOAD_UNKNOWN if nobody knows */

    enum fetch_state state;
    uint64_t bytes;          /* HERE, DONE: of the file */
    char sha256[SHA256_HEX]; /* HERE, DONE: of its bytes; HERE may leave it empty */
    uint64_t part;           /* MISSING: bytes that are there from an earlier run */
    uint64_t received;       /* bytes that this run has fetched for it */
    double seconds;          /* since its first attempt */
};

/* Looks at what is there. A file is HERE when its record has the digest that is expected (or, where nobody
 * knows one, the address) and it has not been touched since, or with `verify`, and where there is no record,
 * when its bytes have that digest. *bytes becomes what is still to come, as far as known. Errors: EXISTS (a
 * file that was not fetched is in the way), those of files. */
int fetch_plan(const struct fetched *f, struct fetch_file *files, size_t n, bool verify, uint64_t *bytes,
               struct err *e);

struct fetch_status {
    uint64_t bytes, total; /* held and to be held, of the files that were MISSING; total as far as known */
    size_t done, failed, files;
    const struct fetch_file
        *file;             /* whose state has just changed, or whose attempt has just failed; or NULL */
    const struct err *why; /* of the failure; NULL none */
};

/* Called several times a second. An error stops all: INTERRUPTED to go on another time. */
typedef int fetch_watch(void *ctx, const struct fetch_status *s, struct err *e);

/* Fetches the MISSING ones. Errors: PREFLIGHT_DISK before anything is asked for, those of downloads_run and
 * of files. What has come in part is kept and found again by the next run. */
int fetch_run(const struct fetched *f, struct transfers *set, struct fetch_file *files, size_t n,
              const struct download_policy *policy, uint64_t max_bytes, fetch_watch *watch, void *ctx,
              struct err *e);

#endif
