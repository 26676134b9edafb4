#include "data/features_columns.h"

#include "checkpoints/hdf5.h"
#include "checkpoints/json.h"

#include <stdlib.h>
#include <string.h>

enum { MANIFEST_MAX = 256 << 20 };

int features_origin_check(const struct features_origin *o, const char *what, struct err *e)
{
    if (o->n_depths == 0 || o->n_depths > FEATURES_DEPTHS_MAX || o->width == 0 ||
        o->width > FEATURES_WIDTH_MAX)
        return err_set(e, ERR_FIELD_RANGE, "%s: %u depths of width %u, at most %d of %d", what, o->n_depths,
                       o->width, FEATURES_DEPTHS_MAX, FEATURES_WIDTH_MAX);
    for (uint32_t i = 0; i < o->n_depths; i++)
        for (uint32_t k = 0; k < i; k++)
            if (o->depths[i] == o->depths[k])
                return err_set(e, ERR_FIELD_RANGE, "%s: depth %u is listed twice", what, o->depths[i]);
#define X(name)                                                                                              \
    if (strlen(o->name) >= HDF5_TEXT)                                                                        \
        return err_set(e, ERR_FIELD_RANGE, "%s: " #name " has %zu bytes, at most %d", what, strlen(o->name), \
                       HDF5_TEXT - 1);
    FEATURE_TEXTS(X)
#undef X
    return 0;
}

bool features_origin_alike(const struct features_origin *a, const struct features_origin *b)
{
    return strcmp(a->task, b->task) == 0 && strcmp(a->base, b->base) == 0 &&
           strcmp(a->tokenizer, b->tokenizer) == 0 && strcmp(a->adapter, b->adapter) == 0 &&
           strcmp(a->pooling, b->pooling) == 0 && strcmp(a->wording, b->wording) == 0 &&
           a->n_depths == b->n_depths && a->width == b->width &&
           memcmp(a->depths, b->depths, a->n_depths * sizeof *a->depths) == 0;
}

bool features_origin_same(const struct features_origin *a, const struct features_origin *b)
{
    return *a->made && strcmp(a->made, b->made) == 0 && features_origin_alike(a, b);
}

int features_row_check(const struct feature *r, const char *what, uint64_t at, struct err *e)
{
    if (r->label <= FEATURE_UNKNOWN && r->base_right <= FEATURE_UNKNOWN &&
        r->adapter_right <= FEATURE_UNKNOWN && r->answer >= -1 && r->prompt_tokens >= 1)
        return 0;
    return err_set(e, ERR_FIELD_RANGE,
                   "%s: row %llu: label %u, base_right %u, adapter_right %u, answer %d, %u prompt tokens",
                   what, (unsigned long long)at, r->label, r->base_right, r->adapter_right, r->answer,
                   r->prompt_tokens);
}

int features_manifest_save(const char *path, const struct features_origin *o,
                           const struct shard_entry *entries, size_t n, struct err *e)
{
    struct js_out w;
    js_out_init(&w, 1);
    js_object(&w, NULL);
    js_put_string(&w, "format", "terse-features");
    js_put_int(&w, "version", FEATURES_VERSION);
#define X(name) js_put_string(&w, #name, o->name);
    FEATURE_TEXTS(X)
#undef X
    js_put_uint(&w, "width", o->width);
    js_array(&w, "depths");
    for (uint32_t i = 0; i < o->n_depths; i++) js_put_uint(&w, NULL, o->depths[i]);
    js_close(&w);
    shard_entries_put(&w, entries, n);
    js_close(&w);
    return js_out_save(&w, path, e);
}

static int get_depths(const struct js *root, const char *path, struct features_origin *o, uint32_t **depths,
                      struct err *e)
{
    const struct js *list;
    int rc = js_need(root, path, "depths", JS_ARRAY, &list, e);
    if (rc) return rc;
    if (js_size(list) > FEATURES_DEPTHS_MAX)
        return err_set(e, ERR_TOO_MANY, "%s: %zu depths, at most %d", path, js_size(list),
                       FEATURES_DEPTHS_MAX);
    *depths = calloc(js_size(list) + 1, sizeof **depths);
    if (!*depths) return err_set(e, ERR_NOMEM, "no memory for %zu depths", js_size(list));
    for (struct js_iter it = {0}; js_next(list, &it);) {
        uint64_t depth;
        if (!js_uint(it.value, &depth) || depth > UINT32_MAX)
            return err_set(e, ERR_FIELD_RANGE, "%s: depths[%zu] is not a depth", path, it.index);
        (*depths)[it.index] = (uint32_t)depth;
    }
    o->depths = *depths;
    o->n_depths = (uint32_t)js_size(list);
    return 0;
}

static int get_origin(const struct js *root, const char *path, struct features_origin *o, uint32_t **depths,
                      struct err *e)
{
    int64_t width = 0;
    int rc = shard_manifest_check(root, path, "terse-features", FEATURES_VERSION, e);
#define X(name)                                                                                              \
    if (!rc) rc = js_need_string(root, path, #name, &o->name, e);
    FEATURE_TEXTS(X)
#undef X
    if (!rc) rc = js_need_int(root, path, "width", 1, FEATURES_WIDTH_MAX, &width, e);
    o->width = (uint32_t)width;
    if (!rc) rc = get_depths(root, path, o, depths, e);
    return rc ? rc : features_origin_check(o, path, e);
}

int features_manifest_load(const char *path, struct js **root, struct features_origin *o, uint32_t **depths,
                           struct shard_entry **entries, size_t *n, char digest[SHA256_HEX], struct err *e)
{
    char *text;
    size_t size = 0;
    *root = NULL, *entries = NULL, *depths = NULL;
    *o = (struct features_origin){0};
    int rc = file_load(path, MANIFEST_MAX, &text, &size, e);
    if (rc) return rc;
    rc = sha256_hex(text, size, digest, e);
    if (!rc) rc = js_parse(root, path, text, size, NULL, e);
    free(text);
    if (!rc) rc = get_origin(*root, path, o, depths, e);
    if (!rc) rc = shard_entries_get(*root, path, entries, n, e);
    if (!rc) return 0;
    free(*entries), free(*depths);
    js_free(*root);
    *root = NULL, *entries = NULL, *depths = NULL;
    *o = (struct features_origin){0};
    return rc;
}
