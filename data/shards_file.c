/* One shard of a set: opened after its digest, its table checked, its ids decoded chunk by chunk. */
#include "checkpoints/file.h"
#include "checkpoints/hdf5.h"
#include "data/shards_manifest.h"
#include "data/shards_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { OPEN_MOST = 32 }; /* shards kept open: a large set has more files than a process may open */

static int stamp_of(const char *path, struct stamp *s, struct err *e)
{
    struct stat st;
    memset(s, 0, sizeof *s); /* padding too: stamps are compared as bytes */
    if (stat(path, &st) != 0) return err_errno(e, errno, "cannot stat %s", path);
    s->dev = st.st_dev;
    s->ino = st.st_ino;
    s->size = st.st_size;
    s->changed = st.st_ctim;
    return 0;
}

static void free_table(struct table *t)
{
    free(t->doc_offset), free(t->source_row), free(t->question), free(t->header_at), free(t->response_at);
    free(t->n_labels), free(t->source), free(t->domain), free(t->spans), free(t->first_span);
    *t = (struct table){0};
}

void shard_shut(struct shards *s, struct shard *shard)
{
    if (!shard->h5) return;
    hdf5_close(shard->h5, NULL);
    free_table(&shard->table);
    shard->h5 = NULL;
    for (int i = 0; i < CHUNK_SLOTS; i++)
        if (s->chunks[i].shard == shard) s->chunks[i].shard = NULL;
    s->n_open--;
}

static void shut_oldest(struct shards *s)
{
    struct shard *oldest = NULL;
    for (size_t i = 0; i < s->n_shards; i++)
        if (s->shards[i].h5 && (!oldest || s->shards[i].used < oldest->used)) oldest = &s->shards[i];
    if (oldest) shard_shut(s, oldest);
}

/* ---- the table of documents -------------------------------------------------------------------------- */

static int check_attributes(const struct shards *s, struct hdf5 *h5, const char *name, struct err *e)
{
    int64_t version;
    char text[HDF5_TEXT];
    int rc = hdf5_get_i64(h5, "version", &version, e);
    if (!rc && version != SHARDS_VERSION)
        rc = err_set(e, ERR_VERSION, "%s/%s has version %lld, this program reads %d", s->dir, name,
                     (long long)version, SHARDS_VERSION);
    if (!rc) rc = hdf5_get_text(h5, "tokenizer", text, e);
    if (!rc && strcmp(text, s->origin.tokenizer) != 0)
        rc = err_set(e, ERR_TOK_HASH, "%s/%s is of tokenizer %s, its manifest of %s", s->dir, name, text,
                     s->origin.tokenizer);
    if (!rc) rc = hdf5_get_text(h5, "recipe", text, e);
    if (!rc && strcmp(text, s->origin.recipe) != 0)
        rc = err_set(e, ERR_DATA_HASH, "%s/%s is of recipe %s, its manifest of %s", s->dir, name, text,
                     s->origin.recipe);
    return rc;
}

static int read_columns(const struct shard *shard, struct table *t, struct err *e)
{
    const uint64_t docs = shard->entry.docs;
    const struct {
        const char *name;
        enum dtype dtype;
        uint64_t n;
        void **out;
    } columns[] = {
        {"doc_offset", DTYPE_U64, docs + 1, (void **)&t->doc_offset},
        {"source_row", DTYPE_U64, docs, (void **)&t->source_row},
        {"question", DTYPE_U64, docs, (void **)&t->question},
        {"header_at", DTYPE_U32, docs, (void **)&t->header_at},
        {"response_at", DTYPE_U32, docs, (void **)&t->response_at},
        {"n_labels", DTYPE_U32, docs, (void **)&t->n_labels},
        {"source", DTYPE_U32, docs, (void **)&t->source},
        {"domain", DTYPE_U8, docs, (void **)&t->domain},
    };
    int rc = 0;
    for (size_t i = 0; !rc && i < sizeof columns / sizeof *columns; i++)
        rc = shard_read_column(shard->h5, shard->entry.name, columns[i].name, columns[i].dtype, columns[i].n,
                               columns[i].out, e);
    return rc;
}

/* The two columns of label spans, side by side in t->spans. */
static int read_spans(const struct shard *shard, struct table *t, struct err *e)
{
    const uint64_t docs = shard->entry.docs;
    const char *name = shard->entry.name;
    uint32_t *from = NULL, *to = NULL;
    uint64_t n = 0;
    t->first_span = malloc(docs * sizeof *t->first_span);
    if (!t->first_span) return err_set(e, ERR_NOMEM, "no memory for the table of %s", name);
    for (uint64_t d = 0; d < docs; n += t->n_labels[d++]) t->first_span[d] = n;
    int rc = shard_read_column(shard->h5, name, "label_from", DTYPE_U32, n, (void **)&from, e);
    if (!rc) rc = shard_read_column(shard->h5, name, "label_to", DTYPE_U32, n, (void **)&to, e);
    if (!rc && !(t->spans = malloc((n + 1) * sizeof *t->spans)))
        rc = err_set(e, ERR_NOMEM, "no memory for %llu label spans of %s", (unsigned long long)n, name);
    for (uint64_t i = 0; !rc && i < n; i++) t->spans[i] = (struct label_span){from[i], to[i]};
    free(from);
    free(to);
    return rc;
}

static int check_offsets(const struct shards *s, const struct shard *shard, struct err *e)
{
    const uint64_t docs = shard->entry.docs, tokens = shard->entry.tokens;
    const uint64_t *offset = shard->table.doc_offset;
    for (uint64_t d = 0; d < docs; d++)
        if (offset[0] != 0 || offset[d + 1] < offset[d] + 2 || offset[d + 1] > tokens ||
            offset[d + 1] - offset[d] > UINT32_MAX)
            return err_set(e, ERR_DOC_OFFSETS, "%s/%s: document %llu spans [%llu, %llu) of %llu tokens",
                           s->dir, shard->entry.name, (unsigned long long)d, (unsigned long long)offset[d],
                           (unsigned long long)offset[d + 1], (unsigned long long)tokens);
    if (offset[docs] == tokens) return 0;
    return err_set(e, ERR_DOC_OFFSETS, "%s/%s: documents end at token %llu of %llu", s->dir,
                   shard->entry.name, (unsigned long long)offset[docs], (unsigned long long)tokens);
}

static int check_doc(const struct shards *s, const struct shard *shard, uint64_t at, struct err *e)
{
    const struct table *t = &shard->table;
    const struct label_span *spans = t->spans + t->first_span[at];
    const uint32_t n = (uint32_t)(t->doc_offset[at + 1] - t->doc_offset[at]), n_spans = t->n_labels[at];
    uint32_t end = 1, bad = t->header_at[at] > t->response_at[at] || t->response_at[at] >= n ||
                            n_spans == 0 || t->source[at] >= s->origin.n_sources ||
                            t->domain[at] >= DOMAIN_COUNT;
    for (uint32_t i = 0; !bad && i < n_spans; end = spans[i++].to)
        bad = spans[i].from < end || spans[i].from >= spans[i].to || spans[i].to > n;
    if (!bad) return 0;
    return err_set(
        e, ERR_FIELD_RANGE,
        "%s/%s: document %llu: %u tokens, header at %u, response at %u, %u spans up to %u, source %u, "
        "domain %u",
        s->dir, shard->entry.name, (unsigned long long)at, n, t->header_at[at], t->response_at[at], n_spans,
        end, t->source[at], t->domain[at]);
}

/* Against what was known of the documents before: the index's word, or this file's when it was open before.
 */
static int check_index(const struct shards *s, const struct shard *shard, struct err *e)
{
    const struct table *t = &shard->table;
    const int known = shard->first_doc < s->n_docs;
    for (uint64_t d = 0; known && d < shard->entry.docs; d++)
        if (t->doc_offset[d + 1] - t->doc_offset[d] != s->lengths[shard->first_doc + d] ||
            t->question[d] != s->questions[shard->first_doc + d])
            return err_set(e, ERR_DOC_OFFSETS, "%s/%s: document %llu is not what %s said", s->dir,
                           shard->entry.name, (unsigned long long)d, s->indexed ? SHARDS_INDEX : "it");
    return 0;
}

static int check_table(const struct shards *s, const struct shard *shard, struct err *e)
{
    int rc = check_offsets(s, shard, e);
    for (uint64_t d = 0; !rc && d < shard->entry.docs; d++) rc = check_doc(s, shard, d, e);
    return rc ? rc : check_index(s, shard, e);
}

static int check_ids(const struct shards *s, struct shard *shard, struct err *e)
{
    uint64_t ids = 0;
    int rc = hdf5_count(shard->h5, "ids", DTYPE_U32, &ids, e);
    if (!rc && ids != shard->entry.tokens)
        rc = err_set(e, ERR_H5_SPACE, "%s/%s has %llu ids, its manifest says %llu", s->dir, shard->entry.name,
                     (unsigned long long)ids, (unsigned long long)shard->entry.tokens);
    if (!rc) rc = hdf5_check_chunks(shard->h5, "ids", DTYPE_U32, e);
    return rc ? rc : hdf5_codec(shard->h5, "ids", DTYPE_U32, &shard->codec, e);
}

static int open_shard(struct shards *s, struct shard *shard, const char *path, struct err *e)
{
    if (s->n_open == OPEN_MOST) shut_oldest(s);
    int rc = hdf5_open(&shard->h5, path, e);
    if (rc) return rc;
    s->n_open++;
    rc = check_attributes(s, shard->h5, shard->entry.name, e);
    if (!rc) rc = check_ids(s, shard, e);
    if (!rc) rc = read_columns(shard, &shard->table, e);
    if (!rc) rc = read_spans(shard, &shard->table, e);
    if (!rc) rc = check_table(s, shard, e);
    if (rc) shard_shut(s, shard);
    return rc;
}

int shard_use(struct shards *s, struct shard *shard, struct err *e)
{
    char path[FILE_PATH];
    struct stamp now;
    int rc = file_path(path, e, "%s/%s", s->dir, shard->entry.name);
    if (!rc) rc = stamp_of(path, &now, e);
    if (rc) return rc;
    int same = memcmp(&now, &shard->stamp, sizeof now) == 0;
    if (!same) shard_shut(s, shard);
    if (!same && !(s->flags & SHARDS_TRUST)) rc = shard_check_digest(path, &shard->entry, e);
    if (rc) return rc;
    shard->stamp = now;
    shard->used = ++s->clock;
    return shard->h5 ? 0 : open_shard(s, shard, path, e);
}

/* ---- ids --------------------------------------------------------------------------------------------- */

static int grow(void **p, size_t *cap, size_t bytes, struct err *e)
{
    if (bytes <= *cap) return 0;
    void *more = realloc(*p, bytes);
    if (!more) return err_set(e, ERR_NOMEM, "no memory for a chunk of %zu bytes", bytes);
    *p = more, *cap = bytes;
    return 0;
}

static struct chunk_slot *slot_of(struct shards *s, const struct shard *shard, uint64_t i)
{
    const uint64_t bytes = (uint64_t)shard->codec.count * shard->codec.width, most = CHUNK_BYTES / bytes;
    const uint64_t slots = most == 0 ? 1 : most < CHUNK_SLOTS ? most : CHUNK_SLOTS;
    return &s->chunks[((uint64_t)(shard - s->shards) * 7 + i) % slots];
}

/* *out = chunk `i` of the shard: read under libhdf5's lock, decoded outside of it. */
static int load_chunk(struct shards *s, const struct shard *shard, uint64_t i, const uint32_t **out,
                      struct err *e)
{
    const struct chunk_codec *c = &shard->codec;
    const size_t bytes = (size_t)c->count * c->width, most = chunk_bound(c);
    struct chunk_slot *slot = slot_of(s, shard, i);
    struct err why = {0};
    size_t n = 0;
    int there = slot->shard == shard && slot->index == i;
    int rc = there ? 0 : grow((void **)&slot->ids, &slot->cap, bytes, e);
    *out = slot->ids;
    if (there || rc) return rc;
    slot->shard = NULL;
    rc = grow(&s->scratch, &s->scratch_cap, bytes, e);
    if (!rc) rc = grow(&s->raw, &s->raw_cap, most, e);
    if (!rc) rc = hdf5_read_chunk(shard->h5, "ids", DTYPE_U32, i, s->raw, most, &n, e);
    if (rc) return rc;
    rc = chunk_decode(c, s->raw, n, slot->ids, s->scratch, &why);
    if (rc)
        return err_set(e, rc, "%s/%s: chunk %llu of ids: %s", s->dir, shard->entry.name,
                       (unsigned long long)i, why.msg);
    slot->shard = shard, slot->index = i;
    return 0;
}

int shard_read_ids(struct shards *s, const struct shard *shard, uint64_t at, uint32_t n, uint32_t *ids,
                   struct err *e)
{
    const uint32_t count = shard->codec.count;
    if (!count) return hdf5_read(shard->h5, "ids", DTYPE_U32, at, n, ids, e);
    while (n) {
        const uint32_t from = (uint32_t)(at % count), m = n < count - from ? n : count - from;
        const uint32_t *chunk;
        int rc = load_chunk(s, shard, at / count, &chunk, e);
        if (rc) return rc;
        memcpy(ids, chunk + from, m * sizeof *ids);
        ids += m, at += m, n -= m;
    }
    return 0;
}
