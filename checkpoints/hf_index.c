#include "checkpoints/hf_index.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- names ----------------------------------------------------------------------------------------------
 */

static bool is_plain_name(const char *s)
{
    if (!*s || *s == '.' || strlen(s) > 255) return false;
    for (; *s; s++)
        if (strchr("/\\:", *s) || (unsigned char)*s < 0x20 || *s == 0x7f) return false;
    return true;
}

/* 1 when `path` is `dir` followed by a slash and more. */
static int is_below(const char *path, const char *dir)
{
    size_t n = strlen(dir);
    return !strncmp(path, dir, n) && path[n] == '/';
}

/* The blobs folder that belongs to a snapshot of the cache: HUB/snapshots/REVISION -> HUB/blobs. */
static bool cache_blobs(const char *real_dir, char blobs[FILE_PATH])
{
    char hub[FILE_PATH];
    const char *slash = strrchr(real_dir, '/');
    size_t n = slash ? (size_t)(slash - real_dir) : 0, tail = strlen("/snapshots");
    if (n <= tail || memcmp(slash - tail, "/snapshots", tail)) return false;
    memcpy(hub, real_dir, n - tail);
    hub[n - tail] = 0;
    return !file_path(blobs, NULL, "%s/blobs", hub);
}

int hf_index_resolve(const char *dir, const char *shard, char path[FILE_PATH], struct err *e)
{
    char given[FILE_PATH], root[FILE_PATH], blobs[FILE_PATH];
    int rc = file_path(given, e, "%s/%s", dir, shard);
    if (rc) return rc;
    if (!realpath(dir, root)) return err_errno(e, errno, "cannot resolve %s", dir);
    if (!realpath(given, path))
        return errno == ENOENT
                   ? err_set(e, ERR_SHARD_MISSING, "%s is named by the index and does not exist", given)
                   : err_errno(e, errno, "cannot resolve %s", given);
    if (is_below(path, root) || (cache_blobs(root, blobs) && is_below(path, blobs))) return 0;
    return err_set(e, ERR_PATH, "%s is a link to %s, outside its folder", given, path);
}

/* ---- the file -------------------------------------------------------------------------------------------
 */

size_t hf_index_shard(const struct hf_index *x, const char *file, size_t hint)
{
    if (hint < x->n && !strcmp(x->shards[hint], file)) return hint;
    for (size_t i = 0; i < x->n; i++)
        if (!strcmp(x->shards[i], file)) return i;
    return x->n;
}

static int read_shards(struct hf_index *x, struct err *e)
{
    size_t last = 0;
    for (struct js_iter it = {0}; js_next(x->map, &it);) {
        const char *file = js_string(it.value, NULL);
        if (!file)
            return err_set(e, ERR_INDEX_TYPE, "%s: the shard of %.160s is %s, expected a string", x->path,
                           it.key, js_type_name(js_type(it.value)));
        last = hf_index_shard(x, file, last);
        if (last < x->n) continue;
        if (!is_plain_name(file))
            return err_set(e, ERR_PATH, "%s: the shard of %.160s is \"%.160s\", expected a plain file name",
                           x->path, it.key, file);
        if (x->n == HF_MAX_SHARDS)
            return err_set(e, ERR_INDEX_TYPE, "%s names more than %d shards", x->path, HF_MAX_SHARDS);
        x->shards[x->n++] = file;
    }
    return x->n ? 0 : err_set(e, ERR_INDEX_TYPE, "%s: weight_map is empty", x->path);
}

/* Older versions of transformers wrote the size as a float. */
static int read_size(struct hf_index *x, struct err *e)
{
    const struct js *v = js_get(js_get(x->root, "metadata"), "total_size");
    double size;
    x->total_size = UINT64_MAX;
    if (js_type(v) == JS_NULL || js_uint(v, &x->total_size)) return 0;
    if (!js_number(v, &size) || !(size >= 0 && size < 0x1p53) || size != floor(size))
        return err_set(e, ERR_INDEX_TYPE, "%s: total_size is not a count of bytes", x->path);
    x->total_size = (uint64_t)size;
    return 0;
}

int hf_index_load(struct hf_index *x, const char *path, struct err *e)
{
    struct err why = {0};
    *x = (struct hf_index){0};
    int rc = file_path(x->path, e, "%s", path);
    if (rc) return rc;
    rc = js_load(&x->root, path, &(struct js_limits){.bytes = 100 << 20}, &why);
    /* all strings of an index are names: a NUL in one is an attempt at another path */
    if (rc) return err_set(e, rc == ERR_NAME_CHAR ? ERR_PATH : rc, "%s", why.msg);
    x->map = js_get(x->root, "weight_map");
    if (js_type(x->map) != JS_OBJECT)
        return err_set(e, ERR_INDEX_TYPE, "%s: weight_map is %s, expected an object", path,
                       js_type_name(js_type(x->map)));
    rc = read_shards(x, e);
    return rc ? rc : read_size(x, e);
}

void hf_index_free(struct hf_index *x)
{
    js_free(x->root);
}
