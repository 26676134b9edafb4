#include "data/shards.h"

#include "checkpoints/file.h"
#include "checkpoints/hdf5.h"
#include "checkpoints/json.h"
#include "data/shards_manifest.h"
#include "data/shards_parts.h"

#include <stdlib.h>
#include <string.h>

/* ---- lengths and questions of all documents ------------------------------------------------------------ */

/* Out of the set's index. */
static int read_index(struct shards *s, const char *hash, uint64_t docs, struct err *e)
{
    char path[FILE_PATH];
    struct hdf5 *h5;
    int rc = file_path(path, e, "%s/" SHARDS_INDEX, s->dir);
    if (!rc && !(s->flags & SHARDS_TRUST)) rc = shard_check_hash(path, hash, e);
    if (!rc) rc = hdf5_open(&h5, path, e);
    if (rc) return rc;
    rc = shard_read_column(h5, SHARDS_INDEX, "length", DTYPE_U32, docs, (void **)&s->lengths, e);
    if (!rc) rc = shard_read_column(h5, SHARDS_INDEX, "question", DTYPE_U64, docs, (void **)&s->questions, e);
    hdf5_close(h5, NULL);
    s->indexed = 1;
    s->n_docs = docs;
    return rc;
}

/* Out of the table of an opened shard. */
static int take_table(struct shards *s, const struct shard *shard, struct err *e)
{
    const uint64_t n = s->n_docs, docs = shard->entry.docs;
    uint32_t *lengths = realloc(s->lengths, (n + docs) * sizeof *lengths);
    if (lengths) s->lengths = lengths;
    uint64_t *questions = realloc(s->questions, (n + docs) * sizeof *questions);
    if (questions) s->questions = questions;
    if (!lengths || !questions)
        return err_set(e, ERR_NOMEM, "no memory for the %llu documents of %s", (unsigned long long)docs,
                       shard->entry.name);
    for (uint64_t d = 0; d < docs; d++)
        lengths[n + d] = (uint32_t)(shard->table.doc_offset[d + 1] - shard->table.doc_offset[d]);
    memcpy(questions + n, shard->table.question, docs * sizeof *questions);
    s->n_docs += docs;
    return 0;
}

/* ---- the set ----------------------------------------------------------------------------------------- */

static int load_manifest(struct shards *s, struct err *e)
{
    char path[FILE_PATH];
    struct shard_entry *entries;
    int rc = file_path(path, e, "%s/manifest.json", s->dir);
    if (!rc) rc = shards_manifest_load(path, &s->manifest, &s->origin, &entries, &s->n_shards, s->digest, e);
    if (rc) return rc;
    s->shards = calloc(s->n_shards, sizeof *s->shards);
    for (size_t i = 0; s->shards && i < s->n_shards; i++) {
        s->shards[i].entry = entries[i];
        s->tokens += entries[i].tokens;
    }
    free(entries);
    return s->shards ? 0 : err_set(e, ERR_NOMEM, "no memory for %zu shards", s->n_shards);
}

/* Where each shard's documents begin; *docs: of all of them. */
static int number_docs(struct shards *s, uint64_t *docs, struct err *e)
{
    *docs = 0;
    for (size_t i = 0; i < s->n_shards; i++) {
        s->shards[i].first_doc = *docs;
        *docs += s->shards[i].entry.docs;
    }
    if (*docs <= UINT32_MAX) return 0;
    return err_set(e, ERR_TOO_MANY, "%s: %llu documents, at most %u", s->dir, (unsigned long long)*docs,
                   UINT32_MAX);
}

static int open_set(struct shards *s, struct err *e)
{
    uint64_t docs = 0;
    const char *index = NULL;
    int rc = load_manifest(s, e);
    if (!rc) rc = shards_manifest_index(s->manifest, s->dir, &index, e);
    if (!rc) rc = number_docs(s, &docs, e);
    if (!rc && index) rc = read_index(s, index, docs, e);
    for (size_t i = 0; !rc && i < s->n_shards && !(index && s->flags & SHARDS_LAZY); i++) {
        rc = shard_use(s, &s->shards[i], e);
        if (!rc && !index) rc = take_table(s, &s->shards[i], e);
    }
    return rc;
}

int shards_open(struct shards **out, const char *dir, unsigned flags, struct err *e)
{
    *out = NULL;
    struct shards *s = calloc(1, sizeof *s);
    if (!s) return err_set(e, ERR_NOMEM, "no memory to open %s", dir);
    s->flags = flags;
    int rc = file_path(s->dir, e, "%s", dir);
    if (!rc) rc = open_set(s, e);
    if (rc)
        shards_close(s);
    else
        *out = s;
    return rc;
}

void shards_close(struct shards *s)
{
    if (!s) return;
    for (size_t i = 0; s->shards && i < s->n_shards; i++) shard_shut(s, &s->shards[i]);
    free((void *)s->origin.source_names);
    free((void *)s->origin.source_hashes);
    js_free(s->manifest);
    free(s->shards);
    free(s->lengths), free(s->questions);
    for (int i = 0; i < CHUNK_SLOTS; i++) free(s->chunks[i].ids);
    free(s->scratch), free(s->raw);
    free(s);
}

const struct shards_origin *shards_origin(const struct shards *s)
{
    return &s->origin;
}

uint64_t shards_docs(const struct shards *s)
{
    return s->n_docs;
}

uint64_t shards_tokens(const struct shards *s)
{
    return s->tokens;
}

const char *shards_digest(const struct shards *s)
{
    return s->digest;
}

const char *shards_dir(const struct shards *s)
{
    return s->dir;
}

const uint32_t *shards_lengths(const struct shards *s)
{
    return s->lengths;
}

const uint64_t *shards_questions(const struct shards *s)
{
    return s->questions;
}

/* ---- documents --------------------------------------------------------------------------------------- */

/* The shard that holds a document: the last one that starts at or before it. */
static struct shard *shard_of(struct shards *s, uint64_t doc)
{
    size_t low = 0, high = s->n_shards;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (s->shards[middle].first_doc <= doc)
            low = middle;
        else
            high = middle;
    }
    return &s->shards[low];
}

int shards_doc(struct shards *s, uint64_t doc, struct shard_doc *out, struct err *e)
{
    struct shard *shard = shard_of(s, doc);
    const struct table *t = &shard->table;
    const uint64_t i = doc - shard->first_doc;
    int rc = shard_use(s, shard, e);
    if (rc) return rc;
    *out = (struct shard_doc){.n = (uint32_t)(t->doc_offset[i + 1] - t->doc_offset[i]),
                              .header_at = t->header_at[i],
                              .response_at = t->response_at[i],
                              .spans = t->spans + t->first_span[i],
                              .n_spans = t->n_labels[i],
                              .domain = (enum shard_domain)t->domain[i],
                              .source = t->source[i],
                              .source_row = t->source_row[i],
                              .question = t->question[i]};
    return 0;
}

int shards_read(struct shards *s, uint64_t doc, uint32_t *ids, struct err *e)
{
    struct shard *shard = shard_of(s, doc);
    const uint64_t i = doc - shard->first_doc;
    const uint32_t n = s->lengths[doc];
    int rc = shard_use(s, shard, e);
    if (!rc) rc = shard_read_ids(s, shard, shard->table.doc_offset[i], n, ids, e);
    for (uint32_t k = 0; !rc && k < n; k++)
        if (ids[k] >= s->origin.vocab)
            rc = err_set(e, ERR_TOKEN_RANGE, "%s/%s: token %u of document %llu is %u, the vocabulary has %u",
                         s->dir, shard->entry.name, k, (unsigned long long)i, ids[k], s->origin.vocab);
    return rc;
}

/* ---- the index ----------------------------------------------------------------------------------------- */

static int write_index(const struct shards *s, const char *path, struct err *e)
{
    static const struct hdf5_layout layout = {.chunk = 1 << 16, .level = 3};
    struct hdf5 *h5;
    int rc = hdf5_create(&h5, path, e);
    if (rc) return rc;
    rc = hdf5_write(h5, "length", DTYPE_U32, s->lengths, s->n_docs, &layout, e);
    if (!rc) rc = hdf5_write(h5, "question", DTYPE_U64, s->questions, s->n_docs, &layout, e);
    int closed = hdf5_close(h5, rc ? NULL : e);
    return rc ? rc : closed;
}

int shards_seal(const char *dir, const struct shards_origin *origin, const struct shard_entry *entries,
                size_t n, struct err *e)
{
    char manifest[FILE_PATH], index[FILE_PATH], hash[SHA256_HEX];
    struct shards *s = NULL;
    int rc = file_path(manifest, e, "%s/manifest.json", dir);
    if (!rc) rc = file_path(index, e, "%s/" SHARDS_INDEX, dir);
    if (!rc) rc = shards_manifest_save(manifest, origin, entries, n, NULL, e);
    if (!rc) rc = shards_open(&s, dir, SHARDS_TRUST, e); /* their digests were taken a moment ago */
    if (!rc) rc = write_index(s, index, e);
    shards_close(s);
    if (!rc) rc = file_sync(index, e);
    if (!rc) rc = sha256_file(index, hash, NULL, e);
    return rc ? rc : shards_manifest_save(manifest, origin, entries, n, hash, e);
}
