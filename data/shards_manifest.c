#include "data/shards_manifest.h"

#include "checkpoints/file.h"
#include "checkpoints/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MANIFEST_MAX = 256 << 20 };

/* ---- writing ----------------------------------------------------------------------------------------- */

int shards_manifest_save(const char *path, const struct shards_origin *origin,
                         const struct shard_entry *entries, size_t n, const char *index, struct err *e)
{
    struct js_out w;
    js_out_init(&w, 1);
    js_object(&w, NULL);
    js_put_string(&w, "format", "terse-shards");
    js_put_int(&w, "version", SHARDS_VERSION);
    js_put_string(&w, "recipe", origin->recipe);
    js_put_string(&w, "tokenizer", origin->tokenizer);
    js_put_string(&w, "template", origin->template_);
    js_put_uint(&w, "vocab", origin->vocab);
    js_array(&w, "sources");
    for (uint32_t i = 0; i < origin->n_sources; i++) {
        js_object(&w, NULL);
        js_put_string(&w, "name", origin->source_names[i]);
        js_put_string(&w, "sha256", origin->source_hashes[i]);
        js_close(&w);
    }
    js_close(&w);
    shard_entries_put(&w, entries, n);
    if (index) js_put_string(&w, "index", index);
    js_close(&w);
    return js_out_save(&w, path, e);
}

/* ---- reading ----------------------------------------------------------------------------------------- */

static int get_sources(const struct js *root, const char *path, struct shards_origin *origin, struct err *e)
{
    const struct js *list;
    int rc = js_need(root, path, "sources", JS_ARRAY, &list, e);
    if (rc) return rc;
    size_t n = js_size(list);
    if (n > SHARDS_MAX) return err_set(e, ERR_TOO_MANY, "%s: %zu sources, at most %d", path, n, SHARDS_MAX);
    const char **names = calloc(n + 1, sizeof *names), **hashes = calloc(n + 1, sizeof *hashes);
    if (!names || !hashes) rc = err_set(e, ERR_NOMEM, "no memory for %zu sources", n);
    for (struct js_iter it = {0}; !rc && js_next(list, &it);) {
        rc = js_need_string(it.value, path, "name", &names[it.index], e);
        if (!rc) rc = shard_need_hash(it.value, path, &hashes[it.index], e);
    }
    origin->source_names = names;
    origin->source_hashes = hashes;
    origin->n_sources = (uint32_t)n;
    return rc;
}

static int get_origin(const struct js *root, const char *path, struct shards_origin *origin, struct err *e)
{
    int64_t vocab = 0;
    int rc = js_need_string(root, path, "recipe", &origin->recipe, e);
    if (!rc) rc = js_need_string(root, path, "tokenizer", &origin->tokenizer, e);
    if (!rc) rc = js_need_string(root, path, "template", &origin->template_, e);
    if (!rc) rc = js_need_int(root, path, "vocab", 1, UINT32_MAX, &vocab, e);
    origin->vocab = (uint32_t)vocab;
    return rc ? rc : get_sources(root, path, origin, e);
}

int shards_manifest_index(const struct js *root, const char *dir, const char **index, struct err *e)
{
    *index = NULL;
    if (!js_get(root, "index")) return 0;
    int rc = js_need_string(root, dir, "index", index, e);
    if (!rc && !sha256_is_hex(*index))
        rc = err_set(e, ERR_FIELD_RANGE, "%s: index \"%.70s\" is not a sha256", dir, *index);
    return rc;
}

int shards_manifest_load(const char *path, struct js **root, struct shards_origin *origin,
                         struct shard_entry **entries, size_t *n, char digest[SHA256_HEX], struct err *e)
{
    char *text;
    size_t size = 0;
    *root = NULL;
    *entries = NULL;
    *origin = (struct shards_origin){0};
    int rc = file_load(path, MANIFEST_MAX, &text, &size, e);
    if (rc) return rc;
    rc = sha256_hex(text, size, digest, e);
    if (!rc) rc = js_parse(root, path, text, size, NULL, e);
    free(text);
    if (!rc) rc = shard_manifest_check(*root, path, "terse-shards", SHARDS_VERSION, e);
    if (!rc) rc = get_origin(*root, path, origin, e);
    if (!rc) rc = shard_entries_get(*root, path, entries, n, e);
    if (!rc) return 0;
    free(*entries);
    free((void *)origin->source_names);
    free((void *)origin->source_hashes);
    js_free(*root);
    *origin = (struct shards_origin){0};
    *root = NULL;
    *entries = NULL;
    return rc;
}
