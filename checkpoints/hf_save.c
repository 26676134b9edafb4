#include "checkpoints/hf_save.h"
#include "checkpoints/file.h"
#include "checkpoints/hf_config.h"
#include "checkpoints/json.h"
#include "infer/params.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const meta[] = {"format", "pt", NULL}; /* transformers refuses files without it */

int hf_tensor_list(struct tensor **out, size_t *n, const struct model_config *c, enum dtype dtype,
                   struct err *e)
{
    enum { NAME = 96 };
    uint32_t slots = params_slots(c), layer;
    struct tensor *t = calloc(slots, sizeof *t + NAME);
    char *names = (char *)(t + slots);
    *out = t, *n = 0;
    if (!t) return err_set(e, ERR_NOMEM, "no memory for the list of %u tensors", slots);
    for (uint32_t i = 0; i < slots; i++) {
        /* the embedding stands before the layers, the rest after them */
        uint32_t embed = params_slot(c, P_EMBED, 0), slot = i == 0 ? embed : i <= embed ? i - 1 : i;
        enum param p = params_of_slot(c, slot, &layer);
        uint64_t rows, cols;
        if (!params_has(c, p)) continue;
        params_name(c, slot, names, NAME);
        params_shape(c, p, &rows, &cols);
        t[(*n)++] = (struct tensor){.name = names,
                                    .dtype = dtype,
                                    .rank = params[p].cols ? 2 : 1,
                                    .shape = {rows, params[p].cols ? cols : 0},
                                    .bytes = rows * cols * (dtype_bits(dtype) / 8)};
        names += NAME;
    }
    return 0;
}

/* ---- shards: consecutive tensors [begin, end) ------------------------------------------------------------
 */

struct job {
    const char *dir;
    const struct tensor *t;
    size_t n, shards;
    struct hf_save_options o;
    size_t begin, end; /* of the shard being written */
};

/* Where the shard that begins at `begin` ends: full, but never empty. */
static size_t shard_end(const struct job *j, size_t begin)
{
    uint64_t bytes = 0;
    size_t end = begin;
    while (end < j->n && (end == begin || j->t[end].bytes <= j->o.shard_bytes - bytes)) {
        bytes += j->t[end++].bytes;
        if (bytes >= j->o.shard_bytes) break;
    }
    return end;
}

static void count_shards(struct job *j)
{
    for (size_t at = 0; at < j->n; at = shard_end(j, at)) j->shards++;
}

static int shard_path(const struct job *j, size_t shard, char path[FILE_PATH], struct err *e)
{
    if (j->shards < 2) return file_path(path, e, "%s/model.safetensors", j->dir);
    return file_path(path, e, "%s/model-%05zu-of-%05zu.safetensors", j->dir, shard + 1, j->shards);
}

static int fill_shard(void *ctx, size_t i, uint64_t offset, void *dst, size_t n, struct err *e)
{
    struct job *j = ctx;
    return j->o.fill(j->o.ctx, j->begin + i, offset, dst, n, e);
}

static int save_shards(struct job *j, struct err *e)
{
    char path[FILE_PATH];
    int rc = 0;
    for (size_t s = 0; s < j->shards && !rc; s++, j->begin = j->end) {
        j->end = shard_end(j, j->begin);
        rc = shard_path(j, s, path, e);
        if (!rc)
            rc = safetensors_save_stream(path, j->t + j->begin, j->end - j->begin, meta,
                                         j->o.fill ? fill_shard : NULL, j, e);
    }
    return rc;
}

static int save_index(const struct job *j, const char *path, struct err *e)
{
    char name[FILE_PATH];
    uint64_t total = 0;
    struct js_out w;
    for (size_t i = 0; i < j->n; i++) total += j->t[i].bytes;
    js_out_init(&w, 2);
    js_object(&w, NULL);
    js_object(&w, "metadata");
    js_put_uint(&w, "total_size", total);
    js_close(&w);
    js_object(&w, "weight_map");
    for (size_t s = 0, i = 0; s < j->shards; s++) {
        int rc = shard_path(j, s, name, e);
        if (rc) {
            js_out_free(&w);
            return rc;
        }
        for (size_t end = shard_end(j, i); i < end; i++)
            js_put_string(&w, j->t[i].name, strrchr(name, '/') + 1);
    }
    js_close(&w);
    js_close(&w);
    return js_out_save(&w, path, e);
}

/* What an earlier model of the other layout left would be read instead of, or in vain beside, this one. */
static int remove_file(const char *path, struct err *e)
{
    if (unlink(path) == 0 || errno == ENOENT) return 0;
    return err_errno(e, errno, "cannot remove %s", path);
}

static int save_weights(struct job *j, struct err *e)
{
    char single[FILE_PATH], index[FILE_PATH];
    int rc = file_path(single, e, "%s/model.safetensors", j->dir);
    if (!rc) rc = file_path(index, e, "%s/model.safetensors.index.json", j->dir);
    if (!rc) rc = save_shards(j, e);
    if (rc) return rc;
    if (j->shards < 2) return remove_file(index, e);
    rc = save_index(j, index, e);
    return rc ? rc : remove_file(single, e);
}

int hf_save_model(const char *dir, const struct model_config *c, const struct tensor *t, size_t n,
                  const struct hf_save_options *o, struct err *e)
{
    struct job j = {.dir = dir, .t = t, .n = n, .o = o ? *o : (struct hf_save_options){0}};
    enum dtype dtype = DTYPE_F32;
    uint64_t bytes = 0;
    if (!j.o.shard_bytes) j.o.shard_bytes = 5000000000;
    for (size_t i = 0; i < n; i++) {
        bytes += t[i].bytes;
        if (t[i].rank == 2) dtype = t[i].dtype;
    }
    count_shards(&j);
    int rc = file_make_dirs(dir, e);
    if (!rc) rc = file_need_space(dir, bytes, e);
    if (!rc) rc = save_weights(&j, e);
    return rc ? rc : hf_config_save(c, dtype, dir, e);
}
