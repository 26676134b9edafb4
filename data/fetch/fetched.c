#include "data/fetch/fetched.h"
#include "checkpoints/jsonl.h"
#include "data/fetch/names.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RECORDS_MAX = 1 << 30 };

int fetched_ours(char out[FILE_PATH], const struct fetched *f, const char *name, struct err *e)
{
    return file_path(out, e, "%s/" NAME_OURS "/%s", f->folder, name);
}

static int records_path(char out[FILE_PATH], const struct fetched *f, struct err *e)
{
    return fetched_ours(out, f, "fetched.jsonl", e);
}

/* ---- reading ----------------------------------------------------------------------------------------- */

static int push(struct fetched *f, const struct record *r, const char *path, const char *url, struct err *e)
{
    if (f->n == f->cap) {
        size_t cap = f->cap ? 2 * f->cap : 64;
        struct record *longer = realloc(f->records, cap * sizeof *longer);
        if (!longer) return err_set(e, ERR_NOMEM, "no memory for %zu records", cap);
        f->records = longer;
        f->cap = cap;
    }
    struct record *to = &f->records[f->n];
    *to = *r;
    to->path = strdup(path);
    to->url = strdup(url);
    if (to->path && to->url) return f->n++, 0;
    free(to->path);
    free(to->url);
    return err_set(e, ERR_NOMEM, "no memory for a record");
}

static int take(void *ctx, struct js **v, uint64_t number, const char *what, struct err *e)
{
    struct record r = {0};
    const char *path = NULL, *url = NULL, *sha256 = NULL, *digest = NULL;
    int64_t bytes = 0;
    int rc = js_need_string(*v, what, "path", &path, e);
    if (!rc) rc = name_check(path, e);
    if (!rc) rc = js_need_string(*v, what, "url", &url, e);
    if (!rc) rc = js_need_int(*v, what, "bytes", 0, INT64_MAX, &bytes, e);
    if (!rc) rc = js_need_int(*v, what, "mtime", INT64_MIN, INT64_MAX, &r.mtime, e);
    if (!rc) rc = js_need_string(*v, what, "sha256", &sha256, e);
    if (!rc) rc = js_need_string(*v, what, "digest", &digest, e);
    if (!rc && (!sha256_is_hex(sha256) || strlen(digest) >= SHA256_HEX))
        rc = err_set(e, ERR_FIELD_RANGE, "%s: a digest is malformed", what);
    if (rc) return rc;
    r.bytes = (uint64_t)bytes;
    r.line = number;
    strcpy(r.sha256, sha256);
    strcpy(r.digest, digest);
    return push(ctx, &r, path, url, e);
}

static int by_path_and_line(const void *a, const void *b)
{
    const struct record *x = a, *y = b;
    int c = strcmp(x->path, y->path);
    return c ? c : (x->line > y->line) - (x->line < y->line);
}

/* Of several records with one path the last one counts. */
static void sort_records(struct fetched *f)
{
    size_t kept = 0;
    if (f->n) qsort(f->records, f->n, sizeof *f->records, by_path_and_line);
    for (size_t i = 0; i < f->n; i++) {
        struct record *r = &f->records[i];
        if (i + 1 < f->n && !strcmp(r->path, r[1].path)) {
            free(r->path);
            free(r->url);
        } else {
            f->records[kept++] = *r;
        }
    }
    f->n = kept;
}

static int load(struct fetched *f, struct err *e)
{
    char path[FILE_PATH];
    int rc = records_path(path, f, e);
    if (!rc && file_exists(path)) rc = jsonl_each(path, JSONL_GROWING, take, f, e);
    sort_records(f);
    return rc;
}

/* Half a line that a kill left at the end. */
static int cut_tail(const struct fetched *f, struct err *e)
{
    char path[FILE_PATH], *text;
    size_t n, whole;
    int rc = records_path(path, f, e);
    if (rc || !file_exists(path)) return rc;
    rc = file_load(path, RECORDS_MAX, &text, &n, e);
    if (rc) return rc;
    for (whole = n; whole && text[whole - 1] != '\n';) whole--;
    free(text);
    return whole < n && truncate(path, (off_t)whole) ? err_errno(e, errno, "cannot shorten %s", path) : 0;
}

/* ---- the folder -------------------------------------------------------------------------------------- */

int fetched_look(struct fetched *f, const char *folder, struct err *e)
{
    *f = (struct fetched){.lock.fd = -1};
    int rc = file_path(f->folder, e, "%s", folder);
    if (!rc) rc = load(f, e);
    if (rc) fetched_close(f);
    return rc;
}

int fetched_open(struct fetched *f, const char *folder, struct err *e)
{
    char path[FILE_PATH];
    *f = (struct fetched){.lock.fd = -1};
    int rc = file_path(f->folder, e, "%s", folder);
    if (!rc) rc = fetched_ours(path, f, "parts", e);
    if (!rc) rc = file_make_dirs(path, e);
    if (!rc) rc = fetched_ours(path, f, "lock", e);
    if (!rc) rc = file_lock_take(&f->lock, path, e);
    if (!rc) rc = cut_tail(f, e);
    if (!rc) rc = load(f, e);
    if (rc) fetched_close(f);
    return rc;
}

void fetched_close(struct fetched *f)
{
    for (size_t i = 0; i < f->n; i++) {
        free(f->records[i].path);
        free(f->records[i].url);
    }
    free(f->records);
    f->records = NULL;
    f->n = f->cap = 0;
    file_lock_release(&f->lock);
}

/* ---- records ----------------------------------------------------------------------------------------- */

const struct record *fetched_find(const struct fetched *f, const char *path)
{
    size_t low = 0, high = f->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int c = strcmp(path, f->records[mid].path);
        if (!c) return &f->records[mid];
        if (c < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return NULL;
}

bool fetched_untouched(const struct fetched *f, const struct record *r)
{
    char path[FILE_PATH];
    struct stat st;
    if (file_path(path, NULL, "%s/%s", f->folder, r->path) || stat(path, &st) || !S_ISREG(st.st_mode))
        return false;
    return (uint64_t)st.st_size == r->bytes &&
           st.st_mtim.tv_sec * 1000000000LL + st.st_mtim.tv_nsec == r->mtime;
}

/* All of the text, or none of it. */
static int append(const char *path, const char *text, size_t n, struct err *e)
{
    int rc = 0, fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0666);
    off_t before = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    if (before < 0) rc = err_errno(e, errno, "cannot append to %s", path);
    if (!rc) rc = file_write_fd(fd, path, text, n, e);
    if (!rc && fsync(fd)) rc = err_errno(e, errno, "fsync of %s", path);
    if (rc && before >= 0 && ftruncate(fd, before)) rc = err_set(e, ERR_IO, "cannot append to %s", path);
    if (fd >= 0) close(fd);
    return rc;
}

int fetched_add(const struct fetched *f, const struct record *r, struct err *e)
{
    struct js_out w;
    char path[FILE_PATH];
    int rc = records_path(path, f, e);
    if (rc) return rc;
    js_out_init(&w, 0);
    js_object(&w, NULL);
    js_put_string(&w, "path", r->path);
    js_put_string(&w, "url", r->url);
    js_put_uint(&w, "bytes", r->bytes);
    js_put_int(&w, "mtime", r->mtime);
    js_put_string(&w, "sha256", r->sha256);
    js_put_string(&w, "digest", r->digest);
    js_close(&w);
    rc = js_out_end(&w, e);
    if (!rc) {
        w.text[w.n] = '\n'; /* in place of the NUL */
        rc = append(path, w.text, w.n + 1, e);
    }
    js_out_free(&w);
    return rc;
}
