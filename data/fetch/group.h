/* What a command line asks for, as folders of files: a repository of the hub, or addresses. */
#ifndef TERSE_DATA_FETCH_GROUP_H
#define TERSE_DATA_FETCH_GROUP_H

#include "data/fetch/fetch.h"
#include "data/fetch/hub.h"
#include "infer/option.h"

#define GROUP_FOLDER "downloads"

struct group_source {
    const char *endpoint; /* of the hub, without a slash at its end */
    const char *revision; /* where a repository names none */
    const char
        *folder; /* the user's; NULL: below GROUP_FOLDER, datasets/OWNER/NAME, models/OWNER/NAME, or HOST */
    const struct string_list *include, *exclude;
    bool offline;
    struct transfers *set;
    const struct download_policy *policy;
    download_watch *watch;
    void *ctx;
};

/* The files of one folder. */
struct group {
    char folder[FILE_PATH];
    struct hub_list list; /* of a repository; else empty */
    bool listed;          /* it was asked for now, and is to be written down */
    size_t n, left_out;   /* files; those of the repository that were not wanted */
    struct fetch_file *files;
    char **texts; /* 3 a file: path, url, digest or NULL */
};

/* Takes texts[0] and as many of texts[1..n) as belong with it (addresses for the same folder); *taken says
 * how many. A repository that is not given by its commit, or is not the one that was listed into the folder
 * last, is asked for: ERR_OFFLINE if that may not be. Other errors: USAGE, URL_*, PATH, those of hub_ask. */
int group_open(struct group *g, const char *const *texts, size_t n, size_t *taken,
               const struct group_source *s, struct err *e);
void group_close(struct group *g);

#endif
