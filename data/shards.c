#include "data/shards.h"

#include "checkpoints/file.h"
#include "checkpoints/hdf5.h"
#include "checkpoints/json.h"
#include "data/shards_manifest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    CACHE = 128 << 20,
    CACHE_MOST = 64 << 20
};                       /* bytes of ids kept decompressed: in all, and of one shard */
enum { OPEN_MAX_ = 32 }; /* shards kept open: a large set has more files than a process may open */

/* What tells that a file is no longer the one that was checked. */
struct stamp {
    dev_t dev;
    ino_t ino;
    off_t size;
    struct timespec changed;
};

struct shard {
    struct shard_entry entry;
    struct stamp stamp; /* when its digest was checked */
    uint64_t first_doc;
    struct hdf5 *h5; /* NULL: not open */
    uint64_t used;   /* clock of the last read */
};

/* A document as kept in memory. */
struct doc {
    uint64_t offset; /* of its first token in the shard */
    uint64_t first_span, source_row, question;
    uint32_t n, n_spans, header_at, response_at, source;
    uint8_t domain;
};

struct shards {
    char dir[FILE_PATH], digest[SHA256_HEX];
    unsigned flags;
    struct js *manifest; /* owner of origin's texts */
    struct shards_origin origin;
    struct shard *shards;
    size_t n_shards, n_open;
    uint64_t clock;
    struct doc *docs;
    uint64_t n_docs, tokens;
    struct label_span *spans;
    uint64_t n_spans;
};

/* ---- one shard file ---------------------------------------------------------------------------------- */

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

static void shut(struct shards *s, struct shard *shard)
{
    if (!shard->h5) return;
    hdf5_close(shard->h5, NULL);
    shard->h5 = NULL;
    s->n_open--;
}

static void shut_oldest(struct shards *s)
{
    struct shard *oldest = NULL;
    for (size_t i = 0; i < s->n_shards; i++)
        if (s->shards[i].h5 && (!oldest || s->shards[i].used < oldest->used)) oldest = &s->shards[i];
    if (oldest) shut(s, oldest);
}

/* Makes `shard` open and known to be the file that the manifest names: its digest is taken when it is first
 * used and again whenever the file's stamp changed since. */
static int use_shard(struct shards *s, struct shard *shard, struct err *e)
{
    char path[FILE_PATH];
    struct stamp now;
    int rc = file_path(path, e, "%s/%s", s->dir, shard->entry.name);
    if (!rc) rc = stamp_of(path, &now, e);
    if (rc) return rc;
    int same = memcmp(&now, &shard->stamp, sizeof now) == 0;
    if (!same) shut(s, shard);
    if (!same && !(s->flags & SHARDS_TRUST)) rc = shard_check_digest(path, &shard->entry, e);
    if (rc) return rc;
    shard->stamp = now;
    shard->used = ++s->clock;
    if (shard->h5) return 0;
    if (s->n_open == OPEN_MAX_) shut_oldest(s);
    rc = hdf5_open(&shard->h5, path, e);
    if (rc) return rc;
    size_t open = s->n_shards < OPEN_MAX_ ? s->n_shards : OPEN_MAX_;
    hdf5_cache(shard->h5, CACHE / open < CACHE_MOST ? CACHE / open : CACHE_MOST);
    s->n_open++;
    return 0;
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

/* The columns of one shard that the table is made of. */
struct table {
    uint64_t *doc_offset, *source_row, *question;
    uint32_t *header_at, *response_at, *n_labels, *source, *label_from, *label_to;
    uint8_t *domain;
};

static void free_table(struct table *t)
{
    free(t->doc_offset), free(t->source_row), free(t->question), free(t->header_at), free(t->response_at);
    free(t->n_labels), free(t->source), free(t->label_from), free(t->label_to), free(t->domain);
}

static int read_table(const struct shard *shard, struct table *t, uint64_t *labels, struct err *e)
{
    const uint64_t docs = shard->entry.docs;
    const struct {
        const char *name;
        enum dtype dtype;
        uint64_t n;
        void **out;
    } plain[] = {
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
    for (size_t i = 0; !rc && i < sizeof plain / sizeof *plain; i++)
        rc = shard_read_column(shard->h5, shard->entry.name, plain[i].name, plain[i].dtype, plain[i].n,
                               plain[i].out, e);
    *labels = 0;
    for (uint64_t d = 0; !rc && d < docs; d++) *labels += t->n_labels[d];
    if (!rc)
        rc = shard_read_column(shard->h5, shard->entry.name, "label_from", DTYPE_U32, *labels,
                               (void **)&t->label_from, e);
    return rc ? rc
              : shard_read_column(shard->h5, shard->entry.name, "label_to", DTYPE_U32, *labels,
                                  (void **)&t->label_to, e);
}

static int check_offsets(const struct shards *s, const struct shard *shard, const uint64_t *offset,
                         struct err *e)
{
    uint64_t docs = shard->entry.docs, tokens = shard->entry.tokens;
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

static int check_doc(const struct shards *s, const struct shard *shard, uint64_t at, const struct doc *d,
                     const struct label_span *spans, struct err *e)
{
    uint32_t end = 1, bad = d->header_at > d->response_at || d->response_at >= d->n || d->n_spans == 0 ||
                            d->source >= s->origin.n_sources || d->domain >= DOMAIN_COUNT;
    for (uint32_t i = 0; !bad && i < d->n_spans; end = spans[i++].to)
        bad = spans[i].from < end || spans[i].from >= spans[i].to || spans[i].to > d->n;
    if (!bad) return 0;
    return err_set(
        e, ERR_FIELD_RANGE,
        "%s/%s: document %llu: %u tokens, header at %u, response at %u, %u spans up to %u, source %u, "
        "domain %u",
        s->dir, shard->entry.name, (unsigned long long)at, d->n, d->header_at, d->response_at, d->n_spans,
        end, d->source, d->domain);
}

static int take_table(struct shards *s, struct shard *shard, const struct table *t, uint64_t labels,
                      struct err *e)
{
    struct label_span *spans = realloc(s->spans, (s->n_spans + labels + 1) * sizeof *spans);
    if (spans) s->spans = spans;
    struct doc *docs = realloc(s->docs, (s->n_docs + shard->entry.docs) * sizeof *docs);
    if (docs) s->docs = docs;
    if (!spans || !docs)
        return err_set(e, ERR_NOMEM, "no memory for the %llu documents of %s",
                       (unsigned long long)shard->entry.docs, shard->entry.name);
    for (uint64_t i = 0; i < labels; i++)
        spans[s->n_spans + i] = (struct label_span){t->label_from[i], t->label_to[i]};
    int rc = check_offsets(s, shard, t->doc_offset, e);
    for (uint64_t i = 0; !rc && i < shard->entry.docs; i++) {
        struct doc *d = &docs[s->n_docs++];
        *d = (struct doc){t->doc_offset[i],
                          s->n_spans,
                          t->source_row[i],
                          t->question[i],
                          (uint32_t)(t->doc_offset[i + 1] - t->doc_offset[i]),
                          t->n_labels[i],
                          t->header_at[i],
                          t->response_at[i],
                          t->source[i],
                          t->domain[i]};
        s->n_spans += d->n_spans;
        rc = check_doc(s, shard, i, d, spans + d->first_span, e);
    }
    return rc;
}

static int load_table(struct shards *s, struct shard *shard, struct err *e)
{
    struct table t = {0};
    uint64_t ids = 0, labels = 0;
    int rc = use_shard(s, shard, e);
    if (!rc) rc = check_attributes(s, shard->h5, shard->entry.name, e);
    if (!rc) rc = hdf5_count(shard->h5, "ids", DTYPE_U32, &ids, e);
    if (!rc && ids != shard->entry.tokens)
        rc = err_set(e, ERR_H5_SPACE, "%s/%s has %llu ids, its manifest says %llu", s->dir, shard->entry.name,
                     (unsigned long long)ids, (unsigned long long)shard->entry.tokens);
    if (!rc) rc = hdf5_check_chunks(shard->h5, "ids", DTYPE_U32, e);
    if (!rc) rc = read_table(shard, &t, &labels, e);
    shard->first_doc = s->n_docs;
    if (!rc) rc = take_table(s, shard, &t, labels, e);
    free_table(&t);
    return rc;
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

int shards_open(struct shards **out, const char *dir, unsigned flags, struct err *e)
{
    *out = NULL;
    struct shards *s = calloc(1, sizeof *s);
    if (!s) return err_set(e, ERR_NOMEM, "no memory to open %s", dir);
    s->flags = flags;
    int rc = file_path(s->dir, e, "%s", dir);
    if (!rc) rc = load_manifest(s, e);
    for (size_t i = 0; !rc && i < s->n_shards; i++) rc = load_table(s, &s->shards[i], e);
    if (rc)
        shards_close(s);
    else
        *out = s;
    return rc;
}

void shards_close(struct shards *s)
{
    if (!s) return;
    for (size_t i = 0; s->shards && i < s->n_shards; i++) shut(s, &s->shards[i]);
    free((void *)s->origin.source_names);
    free((void *)s->origin.source_hashes);
    js_free(s->manifest);
    free(s->shards);
    free(s->docs);
    free(s->spans);
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

void shards_doc(const struct shards *s, uint64_t doc, struct shard_doc *out)
{
    const struct doc *d = &s->docs[doc];
    *out = (struct shard_doc){.n = d->n,
                              .header_at = d->header_at,
                              .response_at = d->response_at,
                              .spans = s->spans + d->first_span,
                              .n_spans = d->n_spans,
                              .domain = (enum shard_domain)d->domain,
                              .source = d->source,
                              .source_row = d->source_row,
                              .question = d->question};
}

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

int shards_read(struct shards *s, uint64_t doc, uint32_t *ids, struct err *e)
{
    const struct doc *d = &s->docs[doc];
    struct shard *shard = shard_of(s, doc);
    int rc = use_shard(s, shard, e);
    if (!rc) rc = hdf5_read(shard->h5, "ids", DTYPE_U32, d->offset, d->n, ids, e);
    for (uint32_t i = 0; !rc && i < d->n; i++)
        if (ids[i] >= s->origin.vocab)
            rc = err_set(e, ERR_TOKEN_RANGE, "%s/%s: token %u of document %llu is %u, the vocabulary has %u",
                         s->dir, shard->entry.name, i, (unsigned long long)(doc - shard->first_doc), ids[i],
                         s->origin.vocab);
    return rc;
}
