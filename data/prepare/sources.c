#include "data/prepare/sources.h"

#include "data/prepare/sealed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* What tells that a file is still the one that was read. */
struct known {
    uint64_t dev, ino, size;
    int64_t mtime, ctime; /* nanoseconds */
    char sha256[64];
};

struct cache {
    struct known *at; /* [n] */
    size_t n;
    bool changed;
};

static const char key[] = "0000000000000000000000000000000000000000000000000000000000000000";

static int64_t nanoseconds(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int stamp(struct known *k, const char *path, struct err *e)
{
    struct stat st;
    if (stat(path, &st)) return err_errno(e, errno, "cannot stat %s", path);
    *k = (struct known){.dev = (uint64_t)st.st_dev, .ino = (uint64_t)st.st_ino, .size = (uint64_t)st.st_size};
    k->mtime = nanoseconds(st.st_mtim), k->ctime = nanoseconds(st.st_ctim);
    return 0;
}

static const struct known *find(const struct cache *c, const struct known *k)
{
    for (size_t i = 0; i < c->n; i++)
        if (!memcmp(&c->at[i], k, offsetof(struct known, sha256))) return &c->at[i];
    return NULL;
}

/* A digest of a file that was written just now is not kept: it could be written again within the same tick
 * of the file system's clock. */
static int keep(struct cache *c, struct known *k, const char *hex, struct err *e)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (nanoseconds(now) - k->ctime < 2000000000) return 0;
    struct known *at = realloc(c->at, (c->n + 1) * sizeof *at);
    if (!at) return err_set(e, ERR_NOMEM, "no memory for digests");
    memcpy(k->sha256, hex, sizeof k->sha256);
    c->at = at, c->at[c->n++] = *k, c->changed = true;
    return 0;
}

static int digest(struct source *s, struct cache *c, struct err *e)
{
    struct known k;
    int r = stamp(&k, s->path, e);
    const struct known *was = r ? NULL : find(c, &k);
    if (was) memcpy(s->sha256, was->sha256, 64), s->sha256[64] = '\0', s->bytes = k.size;
    if (r || was) return r;
    r = sha256_file(s->path, s->sha256, &s->bytes, e);
    return r ? r : keep(c, &k, s->sha256, e);
}

static void cache_load(struct cache *c, const char *path)
{
    char *file;
    size_t n;
    if (sealed_load(path, "digests", key, &file, &n, NULL)) return;
    c->at = malloc(n + 1);
    if (c->at) memcpy(c->at, file + SEALED_HEAD, n), c->n = n / sizeof *c->at;
    free(file);
}

int sources_digest(struct source *s, const char *const *files, uint32_t n, const char *cache,
                   int (*tick)(void *ctx, uint64_t done), void *ctx, struct err *e)
{
    struct cache c = {0};
    int r = 0;
    cache_load(&c, cache);
    for (uint32_t i = 0; !r && i < n; i++) {
        const char *slash = strrchr(files[i], '/');
        s[i] = (struct source){.path = files[i], .name = slash ? slash + 1 : files[i]};
        r = digest(&s[i], &c, e);
        for (uint32_t k = 0; !r && k < i; k++)
            if (!strcmp(s[i].sha256, s[k].sha256))
                r = err_set(e, ERR_DUP_SHARD, "%s and %s are the same file", files[k], files[i]);
        if (!r && tick && tick(ctx, 1))
            r = err_set(e, ERR_INTERRUPTED, "interrupted; the same command goes on");
    }
    if (c.changed) {
        int saved = sealed_save(cache, "digests", key, c.at, c.n * sizeof *c.at, r ? NULL : e);
        r = r ? r : saved;
    }
    free(c.at);
    return r;
}
