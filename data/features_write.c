#include "checkpoints/hdf5.h"
#include "checkpoints/json.h"
#include "data/features_columns.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    STATES_CHUNK_ = 65536, /* 256 KB: states are read whole */
    ROW_CHUNK = 4096,
    LEVEL = 3
};

struct features_writer {
    struct shard_set set;
    const struct features_origin *origin;
    /* of the shard being filled */
    struct feature *rows; /* [cap] */
    float *x;             /* [n_depths][cap][width] */
    uint64_t n, cap, tokens;
    uint64_t sealed; /* rows of the shards before it */
};

static void free_writer(struct features_writer *w)
{
    free(w->rows);
    free(w->x);
    free(w);
}

/* Takes over the shards that are listed in DIR.tmp. An error, unless all of them are there and of this
 * origin; the list is then empty. */
static int take_over(struct features_writer *w, struct err *e)
{
    struct shard_set *s = &w->set;
    struct features_origin o;
    struct js *root;
    uint32_t *depths;
    char path[FILE_PATH], digest[SHA256_HEX];
    int rc = file_path(path, e, "%s/manifest.json", s->temp);
    if (!rc) rc = features_manifest_load(path, &root, &o, &depths, &s->entries, &s->n, digest, e);
    if (rc) return rc;
    if (!features_origin_same(&o, w->origin)) rc = err_set(e, ERR_DATA_HASH, "%s is of others", path);
    for (size_t i = 0; !rc && i < s->n; i++) {
        rc = file_path(path, e, "%s/%s", s->temp, s->entries[i].name);
        if (!rc) rc = shard_check_digest(path, &s->entries[i], e);
        w->sealed += s->entries[i].docs;
    }
    free(depths);
    js_free(root);
    s->cap = s->n;
    if (!rc) return 0;
    free(s->entries);
    s->entries = NULL, s->n = s->cap = 0, w->sealed = 0;
    return rc;
}

static int open_set(struct features_writer *w, const char *dir, struct err *e)
{
    struct err why = {0};
    int rc = shard_set_take(&w->set, dir, e);
    return rc || !take_over(w, &why) ? rc : shard_set_give_up(&w->set, &why, e);
}

int features_writer_open(struct features_writer **out, const char *dir, const struct features_origin *origin,
                         struct err *e)
{
    *out = NULL;
    int rc = features_origin_check(origin, dir, e);
    if (rc) return rc;
    struct features_writer *w = calloc(1, sizeof *w);
    if (!w) return err_set(e, ERR_NOMEM, "no memory to write features");
    w->origin = origin;
    w->cap = FEATURES_SHARD / ((uint64_t)origin->n_depths * origin->width);
    if (w->cap == 0) w->cap = 1;
    w->rows = malloc(w->cap * sizeof *w->rows);
    w->x = malloc(w->cap * origin->n_depths * origin->width * sizeof *w->x);
    rc = w->rows && w->x ? 0 : err_set(e, ERR_NOMEM, "no memory for a shard of features");
    if (!rc) rc = open_set(w, dir, e);
    if (rc)
        free_writer(w);
    else
        *out = w;
    return rc;
}

void features_writer_abort(struct features_writer *w)
{
    if (!w) return;
    shard_set_abort(&w->set);
    free_writer(w);
}

/* ---- a shard ------------------------------------------------------------------------------------------- */

static int write_attributes(struct hdf5 *h5, const struct features_origin *o, struct err *e)
{
    static const struct hdf5_layout plain = {0};
    int rc = hdf5_set_i64(h5, "version", FEATURES_VERSION, e);
    if (!rc) rc = hdf5_set_i64(h5, "width", o->width, e);
#define X(name)                                                                                              \
    if (!rc) rc = hdf5_set_text(h5, #name, o->name, e);
    FEATURE_TEXTS(X)
#undef X
    return rc ? rc : hdf5_write(h5, "depths", DTYPE_U32, o->depths, o->n_depths, &plain, e);
}

/* One column out of the rows; scratch [n] u64. */
static int write_columns(struct hdf5 *h5, const struct features_writer *w, void *scratch, struct err *e)
{
    static const struct hdf5_layout layout = {ROW_CHUNK, LEVEL, NULL};
    int rc = 0;
#define X(name, dtype, type)                                                                                 \
    if (!rc) {                                                                                               \
        type *column = scratch;                                                                              \
        for (uint64_t i = 0; i < w->n; i++) column[i] = w->rows[i].name;                                     \
        rc = hdf5_write(h5, #name, DTYPE_##dtype, column, w->n, &layout, e);                                 \
    }
    FEATURE_COLUMNS(X)
#undef X
    return rc;
}

static int write_states(struct hdf5 *h5, const struct features_writer *w, struct err *e)
{
    static const struct hdf5_layout layout = {STATES_CHUNK_, LEVEL, NULL};
    const struct features_origin *o = w->origin;
    int rc = 0;
    for (uint32_t k = 0; !rc && k < o->n_depths; k++) {
        char name[32];
        snprintf(name, sizeof name, "states_%u", k);
        rc = hdf5_write(h5, name, DTYPE_F32, w->x + k * w->cap * o->width, w->n * o->width, &layout, e);
    }
    return rc;
}

static int write_shard(const struct features_writer *w, const char *path, struct err *e)
{
    struct hdf5 *h5;
    void *scratch = malloc(w->n * sizeof(uint64_t));
    if (!scratch) return err_set(e, ERR_NOMEM, "no memory for a column of features");
    int rc = hdf5_create(&h5, path, e);
    if (!rc) {
        rc = write_attributes(h5, w->origin, e);
        if (!rc) rc = write_columns(h5, w, scratch, e);
        if (!rc) rc = write_states(h5, w, e);
        int closed = hdf5_close(h5, rc ? NULL : e);
        rc = rc ? rc : closed;
    }
    free(scratch);
    return rc;
}

static int save_manifest(const struct features_writer *w, struct err *e)
{
    char path[FILE_PATH];
    int rc = file_path(path, e, "%s/manifest.json", w->set.temp);
    return rc ? rc : features_manifest_save(path, w->origin, w->set.entries, w->set.n, e);
}

/* Writes what is left; the manifest with it, so that a killed process leaves what can be gone on with. */
static int flush_shard(struct features_writer *w, struct err *e)
{
    char path[FILE_PATH];
    struct shard_entry *entry = NULL;
    int rc = shard_set_next(&w->set, path, &entry, e);
    if (!rc) rc = write_shard(w, path, e);
    if (!rc) rc = shard_set_seal(path, entry, e);
    if (rc) return rc;
    entry->docs = w->n;
    entry->tokens = w->tokens;
    w->sealed += w->n;
    w->n = w->tokens = 0;
    return save_manifest(w, e);
}

uint64_t features_writer_count(const struct features_writer *w)
{
    return w->sealed + w->n;
}

int features_writer_add(struct features_writer *w, const struct feature *row, const float *x, struct err *e)
{
    const struct features_origin *o = w->origin;
    int rc = features_row_check(row, w->set.dir, w->n, e);
    for (uint64_t i = 0; !rc && i < (uint64_t)o->n_depths * o->width; i++)
        if (!isfinite(x[i]))
            rc = err_set(e, ERR_NONFINITE, "%s: the states at depth %u of text %llu are not finite",
                         w->set.dir, o->depths[i / o->width], (unsigned long long)row->text);
    if (rc) return rc;
    for (uint32_t k = 0; k < o->n_depths; k++)
        memcpy(w->x + (k * w->cap + w->n) * o->width, x + (uint64_t)k * o->width, o->width * sizeof *x);
    w->rows[w->n++] = *row;
    w->tokens += row->prompt_tokens;
    return w->n < w->cap ? 0 : flush_shard(w, e);
}

/* The last shard. */
static int finish(struct features_writer *w, struct err *e)
{
    int rc = w->n ? flush_shard(w, e) : 0;
    return rc || w->set.n ? rc : err_set(e, ERR_DATA_EMPTY, "no row for %s", w->set.dir);
}

int features_writer_commit(struct features_writer *w, struct err *e)
{
    int rc = finish(w, e);
    if (rc)
        shard_set_abort(&w->set);
    else
        rc = shard_set_commit(&w->set, e);
    free_writer(w);
    return rc;
}

/* Whole shards stay in DIR.tmp; without any there is nothing to go on with. */
static void let_go(struct features_writer *w)
{
    if (w->sealed)
        shard_set_leave(&w->set);
    else
        shard_set_abort(&w->set);
    free_writer(w);
}

int features_writer_leave(struct features_writer *w, struct err *e)
{
    int rc = w->n ? flush_shard(w, e) : 0;
    let_go(w);
    return rc;
}

int features_writer_end(struct features_writer *w, int rc, struct err *e)
{
    struct err why = {0};
    int wrong = 0;
    if (rc == ERR_INTERRUPTED && w->n) wrong = flush_shard(w, &why);
    if (!rc) wrong = finish(w, &why);
    if (!rc && !wrong) wrong = file_replace_dir(w->set.temp, w->set.dir, &why);
    let_go(w);
    if (wrong && e) *e = why;
    return wrong ? wrong : rc;
}
