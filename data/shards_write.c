#include "checkpoints/hdf5.h"
#include "checkpoints/json.h"
#include "data/shards_columns.h"
#include "data/shards_manifest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    IDS_CHUNK = 16384, /* 64 KB: what reading one short document costs */
    DOC_CHUNK = 4096,
    LEVEL = 3
};

static const struct {
    const char *name;
    enum dtype dtype;
} columns[COL_COUNT] = {
#define X(name, type) {#name, DTYPE_##type},
    SHARD_COLUMNS(X)
#undef X
};

struct buffer {
    char *data;
    uint64_t n, cap; /* elements */
};

struct shard_writer {
    struct shard_set set;
    const struct shards_origin *origin;
    uint64_t shard_tokens;
    struct pool *pool;                /* the caller's; or NULL */
    struct buffer columns[COL_COUNT]; /* of the shard being filled */
    bool resumed;                     /* every shard that is written is noted in DIR.tmp/manifest.json */
};

static size_t width(enum shard_column c)
{
    return dtype_bits(columns[c].dtype) / 8;
}

static void free_writer(struct shard_writer *w)
{
    for (int c = 0; c < COL_COUNT; c++) free(w->columns[c].data);
    free(w);
}

int shard_writer_open(struct shard_writer **out, const char *dir, const struct shards_origin *origin,
                      struct err *e)
{
    struct shard_writer *w = calloc(1, sizeof *w);
    *out = NULL;
    if (!w) return err_set(e, ERR_NOMEM, "no memory to write shards");
    w->origin = origin, w->shard_tokens = SHARD_TOKENS;
    int rc = shard_set_open(&w->set, dir, e);
    if (rc)
        free_writer(w);
    else
        *out = w;
    return rc;
}

/* Takes over the shards that DIR.tmp/manifest.json lists, unless one of them is not as it says. */
static int take_over(struct shard_writer *w, struct err *e)
{
    struct shard_set *s = &w->set;
    struct shards_origin o;
    struct js *root;
    char path[FILE_PATH], digest[SHA256_HEX];
    int rc = file_path(path, e, "%s/manifest.json", s->temp);
    if (!rc) rc = shards_manifest_load(path, &root, &o, &s->entries, &s->n, digest, e);
    if (rc) return rc;
    if (strcmp(o.recipe, w->origin->recipe) != 0) rc = err_set(e, ERR_DATA_HASH, "%s is of others", path);
    for (size_t i = 0; !rc && i < s->n; i++) {
        rc = file_path(path, e, "%s/%s", s->temp, s->entries[i].name);
        if (!rc) rc = shard_check_digest(path, &s->entries[i], e);
    }
    free((void *)o.source_names);
    free((void *)o.source_hashes);
    js_free(root);
    s->cap = s->n;
    if (!rc) return 0;
    free(s->entries);
    s->entries = NULL, s->n = s->cap = 0;
    return rc;
}

int shard_writer_resume(struct shard_writer **out, const char *dir, const struct shards_origin *origin,
                        uint64_t shard_tokens, struct pool *pool, uint64_t *docs, struct err *e)
{
    struct err why = {0};
    struct shard_writer *w = *out = calloc(1, sizeof *w);
    *docs = 0;
    if (!w) return err_set(e, ERR_NOMEM, "no memory to write shards");
    w->origin = origin, w->shard_tokens = shard_tokens, w->pool = pool, w->resumed = true;
    int rc = shard_set_take(&w->set, dir, e);
    if (!rc && take_over(w, &why)) rc = shard_set_give_up(&w->set, &why, e);
    for (size_t i = 0; !rc && i < w->set.n; i++) *docs += w->set.entries[i].docs;
    if (!rc) return 0;
    free_writer(w);
    *out = NULL;
    return rc;
}

void shard_writer_leave(struct shard_writer *w)
{
    if (!w) return;
    shard_set_leave(&w->set);
    free_writer(w);
}

void shard_writer_abort(struct shard_writer *w)
{
    if (!w) return;
    shard_set_abort(&w->set);
    free_writer(w);
}

/* ---- filling a shard --------------------------------------------------------------------------------- */

static int push(struct shard_writer *w, enum shard_column c, const void *values, uint64_t n, struct err *e)
{
    struct buffer *b = &w->columns[c];
    if (b->cap - b->n < n) {
        uint64_t cap = 2 * b->cap + n + 1024;
        char *data = realloc(b->data, cap * width(c));
        if (!data)
            return err_set(e, ERR_NOMEM, "no memory for %llu values of %s", (unsigned long long)cap,
                           columns[c].name);
        b->data = data;
        b->cap = cap;
    }
    memcpy(b->data + b->n * width(c), values, n * width(c));
    b->n += n;
    return 0;
}

static int check_doc(const struct shards_origin *o, const struct shard_doc *d, struct err *e)
{
    unsigned long long row = d->source_row;
    if (d->n_spans == 0) return err_set(e, ERR_NO_LABELS, "row %llu has nothing to learn", row);
    if (d->n < 2 || d->header_at > d->response_at || d->response_at >= d->n || d->source >= o->n_sources ||
        (unsigned)d->domain >= DOMAIN_COUNT)
        return err_set(e, ERR_FIELD_RANGE,
                       "row %llu: %u tokens, header at %u, response at %u, source %u, domain %u", row, d->n,
                       d->header_at, d->response_at, d->source, (unsigned)d->domain);
    for (uint32_t i = 0, at = 1; i < d->n_spans; at = d->spans[i++].to)
        if (d->spans[i].from < at || d->spans[i].from >= d->spans[i].to || d->spans[i].to > d->n)
            return err_set(e, ERR_FIELD_RANGE, "row %llu: label span [%u, %u) of a document of %u tokens",
                           row, d->spans[i].from, d->spans[i].to, d->n);
    for (uint32_t i = 0; i < d->n; i++)
        if (d->ids[i] >= o->vocab)
            return err_set(e, ERR_TOKEN_RANGE, "row %llu: token %u is %u, the vocabulary has %u", row, i,
                           d->ids[i], o->vocab);
    return 0;
}

static int flush_shard(struct shard_writer *w, struct err *e);

int shard_writer_add(struct shard_writer *w, const struct shard_doc *d, struct err *e)
{
    const uint8_t domain = (uint8_t)d->domain;
    int rc = check_doc(w->origin, d, e);
    if (!rc && w->columns[COL_ids].n == 0) rc = push(w, COL_doc_offset, &(uint64_t){0}, 1, e);
    if (!rc) rc = push(w, COL_ids, d->ids, d->n, e);
    if (!rc) rc = push(w, COL_doc_offset, &w->columns[COL_ids].n, 1, e);
    if (!rc) rc = push(w, COL_header_at, &d->header_at, 1, e);
    if (!rc) rc = push(w, COL_response_at, &d->response_at, 1, e);
    if (!rc) rc = push(w, COL_n_labels, &d->n_spans, 1, e);
    if (!rc) rc = push(w, COL_domain, &domain, 1, e);
    if (!rc) rc = push(w, COL_source, &d->source, 1, e);
    if (!rc) rc = push(w, COL_source_row, &d->source_row, 1, e);
    if (!rc) rc = push(w, COL_question, &d->question, 1, e);
    for (uint32_t i = 0; !rc && i < d->n_spans; i++) {
        rc = push(w, COL_label_from, &d->spans[i].from, 1, e);
        if (!rc) rc = push(w, COL_label_to, &d->spans[i].to, 1, e);
    }
    return rc || w->columns[COL_ids].n < w->shard_tokens ? rc : flush_shard(w, e);
}

/* ---- writing it -------------------------------------------------------------------------------------- */

static int write_attributes(struct hdf5 *h5, const struct shards_origin *o, struct err *e)
{
    int rc = hdf5_set_i64(h5, "version", SHARDS_VERSION, e);
    if (!rc) rc = hdf5_set_i64(h5, "vocab", o->vocab, e);
    if (!rc) rc = hdf5_set_text(h5, "recipe", o->recipe, e);
    if (!rc) rc = hdf5_set_text(h5, "tokenizer", o->tokenizer, e);
    return rc ? rc : hdf5_set_text(h5, "template", o->template_, e);
}

/* The sources as sha256sum prints them, so that a shard alone tells where it comes from. */
static int write_sources(struct hdf5 *h5, const struct shards_origin *o, struct err *e)
{
    static const struct hdf5_layout layout = {DOC_CHUNK, LEVEL, NULL};
    size_t size = 1, at = 0;
    for (uint32_t i = 0; i < o->n_sources; i++) size += strlen(o->source_names[i]) + 67;
    char *text = malloc(size);
    if (!text) return err_set(e, ERR_NOMEM, "no memory for %zu bytes of sources", size);
    for (uint32_t i = 0; i < o->n_sources; i++)
        at += (size_t)snprintf(text + at, size - at, "%.64s  %s\n", o->source_hashes[i], o->source_names[i]);
    int rc = hdf5_write(h5, "sources", DTYPE_U8, text, at, &layout, e);
    free(text);
    return rc;
}

static int write_shard(struct shard_writer *w, const char *path, struct err *e)
{
    struct hdf5 *h5;
    int rc = hdf5_create(&h5, path, e);
    if (rc) return rc;
    rc = write_attributes(h5, w->origin, e);
    if (!rc) rc = write_sources(h5, w->origin, e);
    for (int c = 0; !rc && c < COL_COUNT; c++) {
        const struct hdf5_layout layout = {c == COL_ids ? IDS_CHUNK : DOC_CHUNK, LEVEL, w->pool};
        const struct buffer *b = &w->columns[c];
        rc = hdf5_write(h5, columns[c].name, columns[c].dtype, b->data, b->n, &layout, e);
    }
    int closed = hdf5_close(h5, rc ? NULL : e);
    return rc ? rc : closed;
}

static int save_manifest(struct shard_writer *w, struct err *e)
{
    char path[FILE_PATH];
    int rc = file_path(path, e, "%s/manifest.json", w->set.temp);
    return rc ? rc : shards_manifest_save(path, w->origin, w->set.entries, w->set.n, NULL, e);
}

static int flush_shard(struct shard_writer *w, struct err *e)
{
    char path[FILE_PATH];
    struct shard_entry *entry = NULL;
    int rc = shard_set_next(&w->set, path, &entry, e);
    if (!rc) rc = write_shard(w, path, e);
    if (!rc) rc = shard_set_seal(path, entry, e);
    if (rc) return rc;
    entry->tokens = w->columns[COL_ids].n;
    entry->docs = w->columns[COL_domain].n;
    for (int c = 0; c < COL_COUNT; c++) w->columns[c].n = 0;
    return w->resumed ? save_manifest(w, e) : 0;
}

int shard_writer_commit(struct shard_writer *w, struct err *e)
{
    int rc = w->columns[COL_ids].n ? flush_shard(w, e) : 0;
    if (!rc && w->set.n == 0) rc = err_set(e, ERR_DATA_EMPTY, "no document for %s", w->set.dir);
    if (!rc) rc = shards_seal(w->set.temp, w->origin, w->set.entries, w->set.n, e);
    if (rc && w->resumed)
        shard_set_leave(&w->set);
    else if (rc)
        shard_set_abort(&w->set);
    else
        rc = shard_set_commit(&w->set, e);
    free_writer(w);
    return rc;
}
