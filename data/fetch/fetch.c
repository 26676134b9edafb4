#include "data/fetch/fetch.h"
#include "data/fetch/part.h"
#include "infer/progress.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Free space that is not ours to use up. */
#define DISK_RESERVE ((uint64_t)64 << 20)

/* ---- what is there ----------------------------------------------------------------------------------- */

static int path_of(char out[FILE_PATH], const struct fetched *f, const struct fetch_file *file, struct err *e)
{
    return file_path(out, e, "%s/%s", f->folder, file->path);
}

/* FOLDER/.terse/parts/ and 16 digits that stand for the path. */
static int stem_of(char out[FILE_PATH], const struct fetched *f, const struct fetch_file *file, struct err *e)
{
    char hex[SHA256_HEX], name[64];
    int rc = sha256_hex(file->path, strlen(file->path), hex, e);
    if (rc) return rc;
    snprintf(name, sizeof name, "parts/%.16s", hex);
    return fetched_ours(out, f, name, e);
}

/* Does the record speak of the very file that is wanted? */
static bool fits(const struct record *r, const struct fetch_file *file)
{
    if (!file->digest) return !strcmp(r->url, file->url);
    return !strcmp(r->sha256, file->digest) || !strcmp(r->digest, file->digest);
}

/* Are the bytes at `path` those of the digest `want`? */
static int compare(const char *path, struct fetch_file *file, const char *want, bool *same, struct err *e)
{
    char is[SHA256_HEX];
    bool git = strlen(want) == SHA1_HEX - 1;
    int rc = git ? sha1_file_blob(path, is, e) : sha256_file(path, is, NULL, e);
    *same = !rc && !strcmp(is, want);
    if (*same && !git) strcpy(file->sha256, is);
    return rc;
}

static int look_at(const struct fetched *f, struct fetch_file *file, bool verify, struct err *e)
{
    char path[FILE_PATH];
    struct stat st;
    const struct record *r = fetched_find(f, file->path);
    bool here = false;
    int rc = path_of(path, f, file, e);
    if (rc || stat(path, &st)) return rc;
    if (r && fits(r, file) && fetched_untouched(f, r)) {
        strcpy(file->sha256, r->sha256);
        here = true;
        if (verify) rc = compare(path, file, r->sha256, &here, e);
    } else if (file->digest && (uint64_t)st.st_size == file->size) {
        rc = compare(path, file, file->digest, &here, e);
    }
    if (rc) return rc;
    if (!here && !r)
        return err_set(e, ERR_EXISTS, "%s is in the way: it was not fetched; move it elsewhere", path);
    file->state = here ? FETCH_HERE : FETCH_MISSING;
    if (here) file->bytes = (uint64_t)st.st_size;
    return 0;
}

int fetch_plan(const struct fetched *f, struct fetch_file *files, size_t n, bool verify, uint64_t *bytes,
               struct err *e)
{
    char stem[FILE_PATH], part[FILE_PATH + 8];
    struct stat st;
    int rc = 0;
    *bytes = 0;
    for (size_t i = 0; !rc && i < n; i++) {
        struct fetch_file *file = &files[i];
        file->state = FETCH_MISSING;
        rc = look_at(f, file, verify, e);
        if (!rc && file->state == FETCH_MISSING) rc = stem_of(stem, f, file, e);
        if (rc || file->state != FETCH_MISSING) continue;
        snprintf(part, sizeof part, "%s.part", stem);
        file->part = stat(part, &st) ? 0 : (uint64_t)st.st_size;
        if (file->size != DOWNLOAD_UNKNOWN && file->size > file->part) *bytes += file->size - file->part;
    }
    return rc;
}

/* ---- a file as a sink -------------------------------------------------------------------------------- */

struct job {
    const struct fetched *folder;
    struct fetch_file *file;
    struct part *part; /* NULL: not open */
    bool bad;          /* its bytes are not to be kept */
    double started;
};

static int job_begin(struct download *d, struct err *e)
{
    struct job *j = d->owner;
    char stem[FILE_PATH];
    struct part_key key = {j->file->url, j->file->digest, j->file->size};
    int rc = stem_of(stem, j->folder, j->file, e);
    if (rc) return rc;
    j->part = malloc(sizeof *j->part);
    if (!j->part) return err_set(e, ERR_NOMEM, "no memory for %s", j->file->path);
    rc = part_open(j->part, stem, &key, e);
    if (rc) {
        free(j->part);
        j->part = NULL;
        return rc;
    }
    j->started = progress_clock();
    d->have = j->part->have;
    d->total = j->part->total;
    strcpy(d->etag, j->part->etag);
    return 0;
}

static int job_restart(struct download *d, struct err *e)
{
    struct job *j = d->owner;
    j->bad = false;
    if (d->total != DOWNLOAD_UNKNOWN && d->size == DOWNLOAD_UNKNOWN) {
        int rc = file_need_space(j->folder->folder, d->total, e);
        if (rc) return rc;
    }
    return part_restart(j->part, d->etag, d->total, e);
}

static int job_write(struct download *d, const void *data, size_t n, struct err *e)
{
    struct job *j = d->owner;
    return part_write(j->part, data, n, e);
}

/* The record, the name, in this order: see fetched.h. */
static int keep(struct job *j, struct err *e)
{
    struct fetch_file *file = j->file;
    struct part *p = j->part;
    struct stat st;
    char path[FILE_PATH], url[HTTP_URL], name[FILE_PATH];
    struct record r = {.path = name, .url = url, .bytes = p->have};
    int rc = part_sync(p, e);
    if (!rc && stat(p->path, &st)) rc = err_errno(e, errno, "cannot look at %s", p->path);
    if (!rc) rc = path_of(path, j->folder, file, e);
    if (!rc) rc = file_make_parent(path, e);
    if (rc) return rc;
    snprintf(url, sizeof url, "%s", file->url);
    snprintf(name, sizeof name, "%s", file->path);
    r.mtime = st.st_mtim.tv_sec * 1000000000LL + st.st_mtim.tv_nsec;
    strcpy(r.sha256, file->sha256);
    strcpy(r.digest, file->digest ? file->digest : "");
    rc = fetched_add(j->folder, &r, e);
    if (!rc) rc = part_keep(p, path, e);
    if (rc) return rc;
    file->bytes = r.bytes;
    return 0;
}

static int job_finish(struct download *d, struct err *e)
{
    struct job *j = d->owner;
    int rc = part_check(j->part, j->file->path, j->file->sha256, e);
    j->bad = rc == ERR_HASH || rc == ERR_LFS_POINTER;
    if (!rc) rc = keep(j, e);
    if (rc) return rc;
    free(j->part);
    j->part = NULL;
    return 0;
}

static void job_leave(struct download *d)
{
    struct job *j = d->owner;
    if (!j->part) return;
    if (j->bad)
        part_drop(j->part);
    else
        part_leave(j->part);
    free(j->part);
    j->part = NULL;
}

/* ---- all of them ------------------------------------------------------------------------------------- */

struct run {
    struct download *downloads;
    struct job *jobs;
    size_t n;
    fetch_watch *watch;
    void *ctx;
};

static void count(const struct run *r, struct fetch_status *s)
{
    *s = (struct fetch_status){.files = r->n};
    for (size_t i = 0; i < r->n; i++) {
        const struct download *d = &r->downloads[i];
        uint64_t all = d->size != DOWNLOAD_UNKNOWN ? d->size : d->total;
        bool begun = d->attempts || d->state == DOWNLOAD_DONE;
        s->bytes += begun ? d->have : 0;
        s->total += d->size != DOWNLOAD_UNKNOWN ? d->size : begun && all != DOWNLOAD_UNKNOWN ? all : 0;
        s->done += d->state == DOWNLOAD_DONE;
        s->failed += d->state == DOWNLOAD_FAILED;
    }
}

static int on_download(void *ctx, struct download *d, struct err *e)
{
    struct run *r = ctx;
    struct fetch_status s = {0};
    if (r->watch) count(r, &s);
    if (d) {
        struct job *j = d->owner;
        struct fetch_file *file = j->file;
        file->received = d->received;
        file->seconds = progress_clock() - j->started;
        if (d->state == DOWNLOAD_DONE) file->state = FETCH_DONE;
        if (d->state == DOWNLOAD_FAILED) file->state = FETCH_FAILED;
        if (d->state != DOWNLOAD_DONE && d->err.code) s.why = &d->err;
        s.file = file;
    }
    return r->watch ? r->watch(r->ctx, &s, e) : 0;
}

static void set_job(struct run *r, const struct fetched *f, struct fetch_file *file, uint64_t max)
{
    static const struct sink sink = {job_begin, job_restart, job_write, job_finish, job_leave};
    struct job *j = &r->jobs[r->n];
    *j = (struct job){.folder = f, .file = file};
    r->downloads[r->n++] = (struct download){.url = file->url,
                                             .name = file->path,
                                             .size = file->size,
                                             .max = max,
                                             .verified = file->digest,
                                             .sink = &sink,
                                             .owner = j,
                                             .total = DOWNLOAD_UNKNOWN};
}

static int need_disk(const struct fetched *f, const struct fetch_file *files, size_t n, struct err *e)
{
    uint64_t bytes = DISK_RESERVE;
    for (size_t i = 0; i < n; i++) {
        const struct fetch_file *file = &files[i];
        if (file->state != FETCH_MISSING || file->size == DOWNLOAD_UNKNOWN || file->size < file->part)
            continue;
        if (__builtin_add_overflow(bytes, file->size - file->part, &bytes))
            return err_set(e, ERR_OVERFLOW, "the files' sizes add up to more than there are numbers");
    }
    return bytes == DISK_RESERVE ? 0 : file_need_space(f->folder, bytes, e);
}

int fetch_run(const struct fetched *f, struct transfers *set, struct fetch_file *files, size_t n,
              const struct download_policy *policy, uint64_t max_bytes, fetch_watch *watch, void *ctx,
              struct err *e)
{
    struct run r = {.watch = watch, .ctx = ctx};
    int rc = need_disk(f, files, n, e);
    if (rc) return rc;
    r.downloads = calloc(n + 1, sizeof *r.downloads);
    r.jobs = calloc(n + 1, sizeof *r.jobs);
    if (!r.downloads || !r.jobs) rc = err_set(e, ERR_NOMEM, "no memory to fetch %zu files", n);
    for (size_t i = 0; !rc && i < n; i++)
        if (files[i].state == FETCH_MISSING) set_job(&r, f, &files[i], max_bytes);
    if (!rc) rc = downloads_run(set, r.downloads, r.n, policy, on_download, &r, e);
    free(r.downloads);
    free(r.jobs);
    return rc;
}
