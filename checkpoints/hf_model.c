#include "checkpoints/hf_model.h"
#include "checkpoints/hf_config.h"
#include "checkpoints/hf_index.h"
#include "checkpoints/safetensors.h"
#include "infer/finite.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- shards ---------------------------------------------------------------------------------------------
 */

static int open_shard(struct hf_model *m, const char *path, struct err *e)
{
    struct safetensors **f = &m->shards[m->n_shards];
    int rc = safetensors_open(f, path, e);
    if (rc) return rc;
    m->n_shards++;
    m->n += safetensors_count(*f);
    m->bytes += safetensors_data_bytes(*f);
    return 0;
}

static int make_room(struct hf_model *m, size_t shards, struct err *e)
{
    m->shards = calloc(shards, sizeof *m->shards);
    return m->shards ? 0 : err_set(e, ERR_NOMEM, "no memory for %zu shards", shards);
}

static int check_listed(const struct hf_model *m, const struct hf_index *x, struct err *e)
{
    size_t shard = 0;
    for (struct js_iter it = {0}; js_next(x->map, &it);) {
        shard = hf_index_shard(x, js_string(it.value, NULL), shard);
        if (!safetensors_find(m->shards[shard], it.key))
            return err_set(e, ERR_SHARD_TENSOR, "%s: tensor %.160s is not in %s", x->path, it.key,
                           x->shards[shard]);
    }
    return 0;
}

static int open_index(struct hf_model *m, const char *dir, const struct hf_index *x, struct err *e)
{
    char path[FILE_PATH];
    int rc = make_room(m, x->n, e);
    for (size_t i = 0; i < x->n && !rc; i++) {
        rc = hf_index_resolve(dir, x->shards[i], path, e);
        if (!rc) rc = open_shard(m, path, e);
    }
    m->claimed = x->total_size;
    return rc ? rc : check_listed(m, x, e);
}

/* As transformers does: one file if it is there, else the index. */
static int open_weights(struct hf_model *m, const char *dir, struct err *e)
{
    char path[FILE_PATH];
    int rc = file_path(path, e, "%s/model.safetensors", dir);
    if (rc) return rc;
    m->claimed = UINT64_MAX;
    if (file_exists(path)) {
        rc = make_room(m, 1, e);
        return rc ? rc : open_shard(m, path, e);
    }
    rc = file_path(path, e, "%s/model.safetensors.index.json", dir);
    if (rc) return rc;
    if (!file_exists(path))
        return err_set(e, ERR_FILE_MISSING,
                       "%s has neither model.safetensors nor model.safetensors.index.json", dir);
    struct hf_index *x = malloc(sizeof *x);
    if (!x) return err_set(e, ERR_NOMEM, "no memory for %s", path);
    rc = hf_index_load(x, path, e);
    if (!rc) rc = open_index(m, dir, x, e);
    hf_index_free(x);
    free(x);
    return rc;
}

/* ---- tensors --------------------------------------------------------------------------------------------
 */

/* Old files have headers of any length, so that the data may begin at an odd address. */
static int align_tensor(struct tensor *t, void **copy, struct err *e)
{
    size_t width = dtype_bits(t->dtype) / 8;
    if (width < 2 || (uintptr_t)t->data % width == 0 || t->bytes == 0) return 0;
    *copy = malloc(t->bytes);
    if (!*copy) return err_set(e, ERR_NOMEM, "no memory for an aligned copy of tensor %s", t->name);
    t->data = memcpy(*copy, t->data, t->bytes), t->mapped = false;
    return 0;
}

static int merge(struct hf_model *m, struct err *e)
{
    struct tensor *t = m->tensors = calloc(m->n + 1, sizeof *m->tensors);
    m->copies = calloc(m->n + 1, sizeof *m->copies);
    m->bound = calloc(params_slots(&m->config), sizeof *m->bound);
    if (!m->tensors || !m->copies || !m->bound)
        return err_set(e, ERR_NOMEM, "no memory for %zu tensors", m->n);
    void **copy = m->copies;
    for (size_t s = 0; s < m->n_shards; s++)
        for (size_t i = 0; i < safetensors_count(m->shards[s]); i++, t++) {
            *t = *safetensors_at(m->shards[s], i);
            int rc = align_tensor(t, copy, e);
            if (rc) return rc;
            copy += *copy != NULL;
        }
    return 0;
}

static int bind(struct hf_model *m, const char *dir, struct err *e)
{
    struct err why = {0};
    int rc = params_bind(&m->config, PARAMS_HF, m->tensors, m->n, m->bound, &why);
    if (!rc && m->claimed != UINT64_MAX && m->claimed != m->bytes)
        rc = err_set(&why, ERR_INDEX_SIZE,
                     "the index says total_size %" PRIu64 ", but the shards hold %" PRIu64 " bytes",
                     m->claimed, m->bytes);
    for (uint32_t s = 0; s < params_slots(&m->config) && !rc; s++) {
        if (!m->bound[s]) continue;
        rc = tensor_check_finite(m->bound[s], &why);
        tensor_release(m->bound[s]);
    }
    if (rc) return err_set(e, rc, "%s: %s", dir, why.msg);
    m->dtype = m->bound[params_slot(&m->config, P_EMBED, 0)]->dtype;
    return 0;
}

/* ---- the folder -----------------------------------------------------------------------------------------
 */

int hf_model_open(struct hf_model **out, const char *dir, struct err *e)
{
    struct err why = {0};
    struct hf_model *m = calloc(1, sizeof *m);
    *out = NULL;
    if (!m) return err_set(e, ERR_NOMEM, "no memory to open %s", dir);
    int rc = hf_config_load(&m->config, dir, e);
    if (!rc) rc = open_weights(m, dir, e);
    if (!rc) rc = merge(m, e);
    if (rc) goto fail;
    rc = bind(m, dir, &why);
    /* zeros in place of pages that were cut off can look like anything */
    int changed = hf_model_intact(m, e);
    if (rc && !changed) err_set(e, rc, "%s", why.msg);
    if (changed) rc = changed;
    if (rc) goto fail;
    *out = m;
    return 0;
fail:
    hf_model_close(m);
    return rc;
}

void hf_model_close(struct hf_model *m)
{
    if (!m) return;
    for (void **c = m->copies; c && *c; c++) free(*c);
    for (size_t i = 0; i < m->n_shards; i++) safetensors_close(m->shards[i]);
    free(m->copies);
    free(m->shards);
    free(m->tensors);
    free(m->bound);
    free(m);
}

int hf_model_intact(const struct hf_model *m, struct err *e)
{
    int rc = 0;
    for (size_t i = 0; i < m->n_shards && !rc; i++) rc = safetensors_intact(m->shards[i], e);
    return rc;
}

/* ---- digest ---------------------------------------------------------------------------------------------
 */

static void digest_config(struct sha256 *s, const struct model_config *c)
{
    char text[512];
    int n = snprintf(text, sizeof text, "qwen2 %u %u %u %u %u %u %u %.17g %.17g %d\n", c->layers, c->width,
                     c->heads, c->kv_heads, c->head_dim, c->ff, c->vocab, c->rope_theta, c->rms_eps, c->tied);
    sha256_update(s, text, (size_t)n);
}

static void digest_tensor(struct sha256 *s, const struct tensor *t, bool whole)
{
    enum { PIECES = 16, PIECE = 4096 };
    char text[512];
    int n = snprintf(text, sizeof text, "%s %s %" PRIu64 " %" PRIu64 "\n", t->name, dtype_name(t->dtype),
                     t->shape[0], t->rank > 1 ? t->shape[1] : 1);
    sha256_update(s, text, (size_t)n);
    if (whole || t->bytes <= PIECES * PIECE) {
        sha256_update(s, t->data, t->bytes);
        return;
    }
    for (uint64_t i = 0; i < PIECES; i++)
        sha256_update(s, (const char *)t->data + i * ((t->bytes - PIECE) / (PIECES - 1)), PIECE);
}

int model_digest(const struct model_config *c, const struct tensor *const *bound, char hex[SHA256_HEX],
                 struct err *e)
{
    struct sha256 s;
    uint64_t bytes = 0;
    int rc = sha256_init(&s, e);
    if (rc) return rc;
    digest_config(&s, c);
    for (uint32_t i = 0; i < params_slots(c); i++) bytes += bound[i] ? bound[i]->bytes : 0;
    for (uint32_t i = 0; i < params_slots(c); i++)
        if (bound[i]) digest_tensor(&s, bound[i], bytes <= HF_DIGEST_WHOLE);
    sha256_final(&s, hex);
    return 0;
}

int hf_model_digest(const struct hf_model *m, char hex[SHA256_HEX], struct err *e)
{
    return model_digest(&m->config, m->bound, hex, e);
}
