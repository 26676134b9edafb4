#include "data/shard_set.h"

#include "checkpoints/hdf5.h"
#include "checkpoints/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- writing ------------------------------------------------------------------------------------------- */

static void release(struct shard_set *s)
{
    file_lock_release(&s->lock);
    free(s->entries);
    s->entries = NULL;
}

static int take_lock(struct shard_set *s, struct err *e)
{
    char path[FILE_PATH];
    int rc = file_path(path, e, "%s.lock", s->dir);
    if (!rc) rc = file_make_parent(path, e);
    return rc ? rc : file_lock_take(&s->lock, path, e);
}

int shard_set_take(struct shard_set *s, const char *dir, struct err *e)
{
    *s = (struct shard_set){.lock.fd = -1};
    int rc = file_path(s->dir, e, "%s", dir);
    if (!rc) rc = file_path(s->temp, e, "%s.tmp", dir);
    if (!rc) rc = take_lock(s, e);
    return rc;
}

int shard_set_clear(struct shard_set *s, struct err *e)
{
    int rc = file_remove_tree(s->temp, e);
    if (!rc) rc = file_make_dirs(s->temp, e);
    if (rc) release(s);
    return rc;
}

int shard_set_give_up(struct shard_set *s, const struct err *why, struct err *e)
{
    if (why->code != ERR_NOMEM && why->code != ERR_EACCES && why->code != ERR_IO && why->code != ERR_EIO)
        return shard_set_clear(s, e);
    shard_set_leave(s);
    if (e) *e = *why;
    return why->code;
}

int shard_set_open(struct shard_set *s, const char *dir, struct err *e)
{
    int rc = shard_set_take(s, dir, e);
    return rc ? rc : shard_set_clear(s, e);
}

int shard_set_next(struct shard_set *s, char path[FILE_PATH], struct shard_entry **entry, struct err *e)
{
    if (s->n == SHARDS_MAX) return err_set(e, ERR_TOO_MANY, "more than %d shards", SHARDS_MAX);
    if (s->n == s->cap) {
        size_t cap = 2 * s->cap + 16;
        struct shard_entry *entries = realloc(s->entries, cap * sizeof *entries);
        if (!entries) return err_set(e, ERR_NOMEM, "no memory for %zu shards", cap);
        s->entries = entries;
        s->cap = cap;
    }
    *entry = &s->entries[s->n];
    snprintf((*entry)->name, sizeof(*entry)->name, "shard-%05zu.h5", s->n);
    s->n++;
    return file_path(path, e, "%s/%s", s->temp, (*entry)->name);
}

int shard_set_seal(const char *path, struct shard_entry *entry, struct err *e)
{
    int rc = file_sync(path, e);
    return rc ? rc : sha256_file(path, entry->hash, NULL, e);
}

int shard_set_commit(struct shard_set *s, struct err *e)
{
    int rc = file_replace_dir(s->temp, s->dir, e);
    if (rc) file_remove_tree(s->temp, NULL);
    release(s);
    return rc;
}

void shard_set_abort(struct shard_set *s)
{
    file_remove_tree(s->temp, NULL);
    release(s);
}

void shard_set_leave(struct shard_set *s)
{
    release(s);
}

/* ---- the manifest's list ------------------------------------------------------------------------------- */

void shard_entries_put(struct js_out *w, const struct shard_entry *entries, size_t n)
{
    js_array(w, "shards");
    for (size_t i = 0; i < n; i++) {
        js_object(w, NULL);
        js_put_string(w, "name", entries[i].name);
        js_put_string(w, "sha256", entries[i].hash);
        js_put_uint(w, "docs", entries[i].docs);
        js_put_uint(w, "tokens", entries[i].tokens);
        js_close(w);
    }
    js_close(w);
}

int shard_manifest_check(const struct js *root, const char *path, const char *format, int version,
                         struct err *e)
{
    int64_t have = 0;
    if (!js_is(js_get(root, "format"), format))
        return err_set(e, ERR_MAGIC, "%s: format is not \"%s\"", path, format);
    int rc = js_need_int(root, path, "version", INT64_MIN, INT64_MAX, &have, e);
    if (!rc && have != version)
        rc = err_set(e, ERR_VERSION, "%s has version %lld, this program reads %d", path, (long long)have,
                     version);
    return rc;
}

int shard_need_hash(const struct js *o, const char *path, const char **out, struct err *e)
{
    int rc = js_need_string(o, path, "sha256", out, e);
    if (!rc && !sha256_is_hex(*out))
        rc = err_set(e, ERR_FIELD_RANGE, "%s: \"%.70s\" is not a sha256", path, *out);
    return rc;
}

/* Names are ours, "shard-" and digits: nothing a path could be made of. */
static int get_entry(const struct js_iter *it, const char *path, struct shard_entry *entry, struct err *e)
{
    const char *name, *hash;
    char want[sizeof entry->name];
    int64_t docs = 0, tokens = 0;
    snprintf(want, sizeof want, "shard-%05zu.h5", it->index);
    int rc = js_need_string(it->value, path, "name", &name, e);
    if (!rc && strcmp(name, want) != 0)
        rc = err_set(e, ERR_PATH, "%s: shard %zu is named \"%.80s\", expected %s", path, it->index, name,
                     want);
    if (!rc) rc = shard_need_hash(it->value, path, &hash, e);
    if (!rc) rc = js_need_int(it->value, path, "docs", 1, UINT32_MAX, &docs, e);
    if (!rc) rc = js_need_int(it->value, path, "tokens", 1, INT64_MAX / 8, &tokens, e);
    if (rc) return rc;
    memcpy(entry->name, want, sizeof want);
    memcpy(entry->hash, hash, SHA256_HEX);
    entry->docs = (uint64_t)docs;
    entry->tokens = (uint64_t)tokens;
    return 0;
}

int shard_entries_get(const struct js *root, const char *path, struct shard_entry **entries, size_t *n,
                      struct err *e)
{
    const struct js *list;
    int rc = js_need(root, path, "shards", JS_ARRAY, &list, e);
    if (rc) return rc;
    *n = js_size(list);
    if (*n == 0) return err_set(e, ERR_DATA_EMPTY, "%s lists no shard", path);
    if (*n > SHARDS_MAX) return err_set(e, ERR_TOO_MANY, "%s: %zu shards, at most %d", path, *n, SHARDS_MAX);
    *entries = calloc(*n, sizeof **entries);
    if (!*entries) return err_set(e, ERR_NOMEM, "no memory for %zu shards", *n);
    for (struct js_iter it = {0}; !rc && js_next(list, &it);)
        rc = get_entry(&it, path, &(*entries)[it.index], e);
    return rc;
}

/* ---- reading ------------------------------------------------------------------------------------------- */

int shard_check_hash(const char *path, const char *want, struct err *e)
{
    char hash[SHA256_HEX];
    int rc = sha256_file(path, hash, NULL, e);
    if (!rc && strcmp(hash, want) != 0)
        rc = err_set(e, ERR_HASH, "%s has sha256 %s, its manifest says %s", path, hash, want);
    return rc;
}

int shard_check_digest(const char *path, const struct shard_entry *entry, struct err *e)
{
    return shard_check_hash(path, entry->hash, e);
}

int shard_read_column(struct hdf5 *h5, const char *shard, const char *name, enum dtype t, uint64_t n,
                      void **out, struct err *e)
{
    uint64_t have = 0;
    *out = NULL;
    int rc = hdf5_count(h5, name, t, &have, e);
    if (!rc && have != n)
        rc = err_set(e, ERR_H5_SPACE, "%s: %s has %llu elements, expected %llu", shard, name,
                     (unsigned long long)have, (unsigned long long)n);
    if (!rc) rc = hdf5_check_chunks(h5, name, t, e);
    if (!rc && !(*out = malloc(n * (dtype_bits(t) / 8) + 1)))
        rc = err_set(e, ERR_NOMEM, "no memory for %llu elements of %s", (unsigned long long)n, name);
    return rc ? rc : hdf5_read(h5, name, t, 0, n, *out, e);
}
