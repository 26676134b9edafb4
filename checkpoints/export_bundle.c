#include "checkpoints/export_bundle.h"
#include "checkpoints/file.h"
#include "checkpoints/head_file.h"
#include "infer/bundle.h"

#include <stdlib.h>
#include <string.h>

static int target_check(const char *path, bool force, struct err *e)
{
    char manifest[FILE_PATH];
    if (!file_exists(path)) return 0;
    if (!force) return err_set(e, ERR_EXISTS, "%s is there already; --force replaces it", path);
    int r = file_path(manifest, e, "%s/" BUNDLE_MANIFEST, path);
    if (r || file_exists(manifest)) return r;
    return err_set(e, ERR_EXISTS, "%s is there and is no bundle, so it is not replaced", path);
}

/* Both tasks' heads in one file of the folder. */
static int heads_write(const char *dir, const struct export_bundle_options *o, struct err *e)
{
    struct head *all[HEAD_TASKS] = {0}, *some[HEAD_TASKS];
    char path[FILE_PATH];
    int r = file_path(path, e, "%s/" EXPORT_GGUF_HEADS, dir);
    for (int i = 0; !r && i < HEAD_TASKS; i++) {
        if (!o->heads[i]) continue;
        r = head_file_load_any(some, o->heads[i], e);
        for (int t = 0; !r && t < HEAD_TASKS; t++)
            if (some[t]) head_free(all[t]), all[t] = some[t];
    }
    if (!r && (all[0] || all[1])) r = head_gguf_save(path, (const struct head *const *)all, e);
    for (int t = 0; t < HEAD_TASKS; t++) head_free(all[t]);
    return r;
}

static int part_fill(struct bundle *b, enum bundle_part part, const char *dir, const char *name,
                     struct err *e)
{
    int r = file_path(b->part[part].path, e, "%s/%s", dir, name);
    if (r || !file_exists(b->part[part].path)) return r;
    strcpy(b->part[part].name, name);
    return digest_file(b->part[part].path, b->part[part].sha256, &b->part[part].bytes, e);
}

static struct load_options device_options(const struct bundle *b, const struct export_bundle_options *o)
{
    return (struct load_options){
        .model = b->part[BUNDLE_MODEL].path,
        .adapter = *b->part[BUNDLE_ADAPTER].name ? b->part[BUNDLE_ADAPTER].path : NULL,
        .heads = {*b->part[BUNDLE_HEADS].name ? b->part[BUNDLE_HEADS].path : NULL},
        .threads = o->gguf.threads,
        .context = 64,
    };
}

/* What is in the folder, opened as on a device, says what the manifest has to. */
static int manifest_write(struct bundle *b, const char *dir, const struct export_bundle_options *o,
                          struct err *e)
{
    static const char *const names[] = {EXPORT_GGUF_MODEL, EXPORT_GGUF_ADAPTER, EXPORT_GGUF_HEADS};
    char path[FILE_PATH], *text = malloc(BUNDLE_TEXT);
    struct loaded l;
    int r = text ? 0 : err_set(e, ERR_NOMEM, "no memory for a manifest");
    for (int i = 0; !r && i < BUNDLE_PARTS; i++) r = part_fill(b, (enum bundle_part)i, dir, names[i], e);
    if (!r) {
        struct load_options lo = device_options(b, o);
        r = load_gguf(&l, &lo, e);
    }
    if (!r) {
        memcpy(b->base, l.digest_base, sizeof b->base);
        memcpy(b->tokenizer, l.digest_tokenizer, sizeof b->tokenizer);
        memcpy(b->adapter, l.info.self, sizeof b->adapter);
        loaded_clear(&l);
        r = file_path(path, e, "%s/" BUNDLE_MANIFEST, dir);
    }
    if (!r) r = file_save(path, text, bundle_write(b, text), e);
    free(text);
    return r;
}

int export_bundle(const char *path, const struct export_bundle_options *o, struct export_report *out,
                  struct err *e)
{
    char temp[FILE_PATH];
    struct export_gguf_options gguf = o->gguf;
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    gguf.base = true, gguf.merge = false, gguf.force = true;
    *out = (struct export_report){0};
    struct bundle *b = calloc(1, sizeof *b);
    int r = b ? target_check(path, o->gguf.force, e) : err_set(e, ERR_NOMEM, "no memory for a bundle");
    if (!r) r = file_path(temp, e, "%.*s.unfinished", (int)n, path);
    if (!r) r = file_remove_tree(temp, e);
    if (!r) {
        r = export_gguf(temp, &gguf, out, e);
        if (!r) r = heads_write(temp, o, e);
        if (!r) r = manifest_write(b, temp, o, e);
        if (!r) r = bundle_open(b, temp, e);
        if (!r) r = file_replace_dir(temp, path, e);
        if (r) file_remove_tree(temp, NULL);
    }
    free(b);
    return r;
}
