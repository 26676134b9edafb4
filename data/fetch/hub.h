/* What a Hugging Face hub has: the files of a dataset or model at one commit, with sizes and digests.
 *
 * Two requests and as many more as the list has pages: api/datasets/NAME/revision/REV gives the commit that a
 * branch or tag means now, api/datasets/NAME/tree/COMMIT?recursive=true its files. Everything is then asked
 * for at that commit, so that no two files are of different revisions. */
#ifndef TERSE_DATA_FETCH_HUB_H
#define TERSE_DATA_FETCH_HUB_H

#include "checkpoints/sha256.h"
#include "data/fetch/download.h"

enum { HUB_NAME = 256, HUB_PAGES = 1000, HUB_FILES = 200000, HUB_LIST_BYTES = 64 << 20 /* a page */ };

struct hub_repo {
    bool model;              /* else a dataset */
    char name[HUB_NAME];     /* "OWNER/NAME", or "NAME" of the oldest ones */
    char revision[HUB_NAME]; /* a branch, a tag, or a commit's 40 hex digits */
};

struct hub_file {
    char *path; /* name_check() has passed it */
    uint64_t size;
    char digest[SHA256_HEX]; /* SHA-256 of a large file (LFS); 40 digits: git's name of a small one */
};

struct hub_list {
    struct hub_repo repo;
    char commit[SHA1_HEX];
    struct hub_file *files;
    size_t n, cap;
};

/* "OWNER/NAME", "datasets/OWNER/NAME", "models/OWNER/NAME", each perhaps with hf:// before and @REVISION
 * behind. `revision` counts where there is none behind. Errors: USAGE. */
int hub_parse(struct hub_repo *r, const char *text, const char *revision, struct err *e);
/* "datasets/OWNER/NAME". */
void hub_label(const struct hub_repo *r, char *out, size_t cap);

/* Asks. `endpoint` has no slash at its end and was named and given the token, if any. Errors: those of
 * downloads_run and js_parse; FIELD_*, PATH (names that are no file names, or collide), TOO_MANY, URL_HOST
 * (the next page is elsewhere). *l is the caller's to hub_free, empty after an error. */
int hub_ask(struct hub_list *l, struct transfers *set, const struct download_policy *policy,
            download_watch *watch, void *ctx, const char *endpoint, const struct hub_repo *repo,
            struct err *e);
void hub_free(struct hub_list *l);

/* The list as a file, for another time without the network; loading checks as much as asking. */
int hub_save(const struct hub_list *l, const char *path, struct err *e);
int hub_load(struct hub_list *l, const char *path, struct err *e);

/* Where a file is to be had. ERR_PATH if that is too long. */
int hub_url(char out[HTTP_URL], const char *endpoint, const struct hub_list *l, const char *path,
            struct err *e);

#endif
