#include "data/features.h"

#include "checkpoints/hdf5.h"
#include "checkpoints/json.h"
#include "data/features_columns.h"
#include "infer/rng.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STREAM_SPLIT = 0x46454154 }; /* "FEAT" */

struct features {
    char dir[FILE_PATH], digest[SHA256_HEX];
    struct js *manifest; /* owner of origin's texts */
    struct features_origin origin;
    uint32_t *depths;
    struct shard_entry *shards;
    size_t n_shards;
    struct feature *rows;
    uint64_t n;
};

/* ---- one shard ----------------------------------------------------------------------------------------- */

static int check_attributes(const struct features *f, struct hdf5 *h5, const char *shard, struct err *e)
{
    const struct features_origin *o = &f->origin;
    int64_t version = 0, width = 0;
    char text[HDF5_TEXT];
    int rc = hdf5_get_i64(h5, "version", &version, e);
    if (!rc && version != FEATURES_VERSION)
        rc = err_set(e, ERR_VERSION, "%s/%s has version %lld, this program reads %d", f->dir, shard,
                     (long long)version, FEATURES_VERSION);
    if (!rc) rc = hdf5_get_i64(h5, "width", &width, e);
    if (!rc && width != o->width)
        rc = err_set(e, ERR_DATA_HASH, "%s/%s is of width %lld, its manifest of %u", f->dir, shard,
                     (long long)width, o->width);
#define X(name)                                                                                              \
    if (!rc) rc = hdf5_get_text(h5, #name, text, e);                                                         \
    if (!rc && strcmp(text, o->name) != 0)                                                                   \
        rc = err_set(e, ERR_DATA_HASH, "%s/%s: " #name " is \"%.80s\", its manifest says \"%.80s\"", f->dir, \
                     shard, text, o->name);
    FEATURE_TEXTS(X)
#undef X
    return rc;
}

static int check_depths(const struct features *f, struct hdf5 *h5, const char *shard, struct err *e)
{
    void *depths;
    const struct features_origin *o = &f->origin;
    int rc = shard_read_column(h5, shard, "depths", DTYPE_U32, o->n_depths, &depths, e);
    if (!rc && memcmp(depths, o->depths, o->n_depths * sizeof *o->depths) != 0)
        rc = err_set(e, ERR_DATA_HASH, "%s/%s has other depths than its manifest", f->dir, shard);
    free(depths);
    return rc;
}

/* rows[n] from the columns of a shard, checked. */
static int read_rows(const struct features *f, struct hdf5 *h5, const struct shard_entry *s,
                     struct feature *rows, struct err *e)
{
    uint64_t tokens = 0;
    int rc = 0;
#define X(field, dtype, type)                                                                                \
    if (!rc) {                                                                                               \
        void *column;                                                                                        \
        rc = shard_read_column(h5, s->name, #field, DTYPE_##dtype, s->docs, &column, e);                     \
        for (uint64_t i = 0; !rc && i < s->docs; i++) rows[i].field = ((const type *)column)[i];             \
        free(column);                                                                                        \
    }
    FEATURE_COLUMNS(X)
#undef X
    for (uint64_t i = 0; !rc && i < s->docs; tokens += rows[i++].prompt_tokens)
        rc = features_row_check(&rows[i], s->name, i, e);
    if (!rc && tokens != s->tokens)
        rc = err_set(e, ERR_FIELD_RANGE, "%s/%s: prompts of %llu tokens, its manifest says %llu", f->dir,
                     s->name, (unsigned long long)tokens, (unsigned long long)s->tokens);
    return rc;
}

static int open_shard(const struct features *f, const struct shard_entry *s, struct hdf5 **h5, struct err *e)
{
    char path[FILE_PATH];
    *h5 = NULL;
    int rc = file_path(path, e, "%s/%s", f->dir, s->name);
    if (!rc) rc = shard_check_digest(path, s, e);
    return rc ? rc : hdf5_open(h5, path, e);
}

/* The columns of `s` behind the rows there are. The file is asked how many it holds before memory is taken.
 */
static int load_shard(struct features *f, const struct shard_entry *s, struct err *e)
{
    struct hdf5 *h5;
    uint64_t have = 0;
    int rc = open_shard(f, s, &h5, e);
    if (!rc) rc = check_attributes(f, h5, s->name, e);
    if (!rc) rc = check_depths(f, h5, s->name, e);
    if (!rc) rc = hdf5_count(h5, "label", DTYPE_U8, &have, e);
    if (!rc) rc = hdf5_check_chunks(h5, "label", DTYPE_U8, e);
    if (!rc && have != s->docs)
        rc = err_set(e, ERR_H5_SPACE, "%s/%s has %llu labels, its manifest says %llu rows", f->dir, s->name,
                     (unsigned long long)have, (unsigned long long)s->docs);
    if (!rc && f->n + have > UINT32_MAX) rc = err_set(e, ERR_TOO_MANY, "%s: more than 2^32 rows", f->dir);
    struct feature *rows = rc ? NULL : realloc(f->rows, (f->n + have) * sizeof *rows);
    if (rows) f->rows = rows;
    if (!rc && !rows)
        rc = err_set(e, ERR_NOMEM, "no memory for %llu rows of features", (unsigned long long)have);
    if (!rc) rc = read_rows(f, h5, s, rows + f->n, e);
    if (!rc) f->n += have;
    hdf5_close(h5, NULL);
    return rc;
}

/* ---- the set ------------------------------------------------------------------------------------------- */

int features_open(struct features **out, const char *dir, struct err *e)
{
    char path[FILE_PATH];
    *out = NULL;
    struct features *f = calloc(1, sizeof *f);
    if (!f) return err_set(e, ERR_NOMEM, "no memory to open %s", dir);
    int rc = file_path(f->dir, e, "%s", dir);
    if (!rc) rc = file_path(path, e, "%s/manifest.json", dir);
    if (!rc)
        rc = features_manifest_load(path, &f->manifest, &f->origin, &f->depths, &f->shards, &f->n_shards,
                                    f->digest, e);
    for (size_t i = 0; !rc && i < f->n_shards; i++) rc = load_shard(f, &f->shards[i], e);
    if (rc)
        features_close(f);
    else
        *out = f;
    return rc;
}

void features_close(struct features *f)
{
    if (!f) return;
    free(f->shards);
    free(f->depths);
    js_free(f->manifest);
    free(f->rows);
    free(f);
}

const struct features_origin *features_origin(const struct features *f)
{
    return &f->origin;
}

uint32_t features_count(const struct features *f)
{
    return (uint32_t)f->n;
}

const struct feature *features_rows(const struct features *f)
{
    return f->rows;
}

const char *features_digest(const struct features *f)
{
    return f->digest;
}

static int read_states(const struct features *f, const struct shard_entry *s, uint32_t k, float *out,
                       struct err *e)
{
    struct hdf5 *h5;
    char name[32];
    uint64_t width = f->origin.width, n = s->docs * width, have = 0;
    snprintf(name, sizeof name, "states_%u", k);
    int rc = open_shard(f, s, &h5, e);
    if (!rc) rc = hdf5_count(h5, name, DTYPE_F32, &have, e);
    if (!rc && have != n)
        rc = err_set(e, ERR_H5_SPACE, "%s/%s: %s has %llu numbers, expected %llu", f->dir, s->name, name,
                     (unsigned long long)have, (unsigned long long)n);
    if (!rc) rc = hdf5_check_chunks(h5, name, DTYPE_F32, e);
    if (!rc) rc = hdf5_read(h5, name, DTYPE_F32, 0, n, out, e);
    for (uint64_t i = 0; !rc && i < n; i++)
        if (!isfinite(out[i]))
            rc = err_set(e, ERR_NONFINITE, "%s/%s: %s, row %llu: number %llu is not finite", f->dir, s->name,
                         name, (unsigned long long)(i / width), (unsigned long long)(i % width));
    hdf5_close(h5, NULL);
    return rc;
}

int features_states(const struct features *f, uint32_t k, float *out, struct err *e)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < f->n_shards; i++) {
        rc = read_states(f, &f->shards[i], k, out, e);
        out += f->shards[i].docs * f->origin.width;
    }
    return rc;
}

/* ---- splitting ----------------------------------------------------------------------------------------- */

enum features_part features_part(uint64_t group, uint64_t seed, double train, double valid)
{
    double u = rng_uniform(seed, STREAM_SPLIT, group);
    return u < train ? FEATURES_TRAIN : u < train + valid ? FEATURES_VALID : FEATURES_TEST;
}

uint32_t features_pick(const struct features *f, uint64_t seed, double train, double valid,
                       enum features_part part, uint32_t *pick)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < f->n; i++)
        if (f->rows[i].label != FEATURE_UNKNOWN &&
            features_part(f->rows[i].group, seed, train, valid) == part)
            pick[n++] = i;
    return n;
}
