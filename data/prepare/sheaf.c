#include "data/prepare/sheaf.h"

#include "checkpoints/zstd.h"
#include "data/prepare/question.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LEVEL = 1 };

static const char magic[8] = "tersepr1";

struct tail {
    char key[64];
    uint64_t table; /* where it begins */
    uint32_t docs, spans;
    char digest[64]; /* of key, table, docs, spans and of the table */
    char magic[8];
};

_Static_assert(sizeof(struct sheaf_doc) == 56 && sizeof(struct tail) == 152, "as in the file");

/* ---- a document ---------------------------------------------------------------------------------------- */

/* Byte k of every element together: ids below 2^18 have one byte that is always zero, and one nearly so. */
static void shuffle(const unsigned char *from, unsigned char *to, size_t n, size_t width)
{
    for (size_t k = 0; k < width; k++)
        for (size_t i = 0; i < n; i++) to[k * n + i] = from[i * width + k];
}

static void unshuffle(const unsigned char *from, unsigned char *to, size_t n, size_t width)
{
    for (size_t k = 0; k < width; k++)
        for (size_t i = 0; i < n; i++) to[i * width + k] = from[k * n + i];
}

int sheaf_frame_make(struct sheaf_frame *out, const struct shard_doc *d, const void *payload, size_t width,
                     struct err *e)
{
    size_t bytes = d->n * width, cap = zstd_bound(bytes), used = 0;
    unsigned char *room = malloc(bytes + 1);
    *out =
        (struct sheaf_frame){.data = malloc(cap + 1), .spans = malloc((d->n_spans + 1) * sizeof *d->spans)};
    if (!room || !out->data || !out->spans || cap == 0) {
        free(room);
        return err_set(e, ERR_NOMEM, "no memory for a document of %u tokens", d->n);
    }
    shuffle(payload, room, d->n, width);
    int r = zstd_compress(out->data, cap, &used, room, bytes, LEVEL, e);
    free(room);
    if (r) return r;
    if (d->n_spans) memcpy(out->spans, d->spans, d->n_spans * sizeof *d->spans);
    out->doc = (struct sheaf_doc){.check = question_hash(payload, bytes),
                                  .question = d->question,
                                  .bytes = (uint32_t)used,
                                  .n = d->n,
                                  .header_at = d->header_at,
                                  .response_at = d->response_at,
                                  .row = (uint32_t)d->source_row,
                                  .n_spans = d->n_spans,
                                  .domain = (uint8_t)d->domain};
    return 0;
}

void sheaf_frame_clear(struct sheaf_frame *f)
{
    free(f->data), free(f->spans);
    *f = (struct sheaf_frame){0};
}

/* ---- writing ------------------------------------------------------------------------------------------- */

struct sheaf_writer {
    struct file_out f;
    char key[SHA256_HEX];
    uint64_t at;
    struct sheaf_doc *docs;
    struct label_span *spans;
    uint32_t n, cap, n_spans, spans_cap;
};

static void writer_free(struct sheaf_writer *w)
{
    free(w->docs), free(w->spans), free(w);
}

int sheaf_writer_open(struct sheaf_writer **out, const char *path, const char *key, struct err *e)
{
    *out = NULL;
    struct sheaf_writer *w = calloc(1, sizeof *w);
    if (!w) return err_set(e, ERR_NOMEM, "no memory to write %s", path);
    memcpy(w->key, key, sizeof w->key);
    int r = file_out_open(&w->f, path, e);
    if (r)
        writer_free(w);
    else
        *out = w;
    return r;
}

static int reserve(struct sheaf_writer *w, uint32_t spans, struct err *e)
{
    if (w->n == w->cap) {
        struct sheaf_doc *docs = realloc(w->docs, (2 * (size_t)w->cap + 1024) * sizeof *docs);
        if (!docs) return err_set(e, ERR_NOMEM, "no memory for the table of a sheaf");
        w->docs = docs, w->cap = 2 * w->cap + 1024;
    }
    if (w->spans_cap - w->n_spans < spans) {
        size_t cap = 2 * (size_t)w->spans_cap + spans + 1024;
        struct label_span *at = realloc(w->spans, cap * sizeof *at);
        if (!at) return err_set(e, ERR_NOMEM, "no memory for the labels of a sheaf");
        w->spans = at, w->spans_cap = (uint32_t)cap;
    }
    return 0;
}

int sheaf_writer_add(struct sheaf_writer *w, const struct sheaf_frame *f, struct err *e)
{
    int r = reserve(w, f->doc.n_spans, e);
    if (!r) r = file_out_write(&w->f, f->data, f->doc.bytes, e);
    if (r) return r;
    struct sheaf_doc *d = &w->docs[w->n++];
    *d = f->doc;
    d->offset = w->at, d->first_span = w->n_spans;
    w->at += d->bytes;
    if (d->n_spans) memcpy(w->spans + w->n_spans, f->spans, d->n_spans * sizeof *f->spans);
    w->n_spans += d->n_spans;
    return 0;
}

static int tail_digest(const struct tail *t, const void *docs, const void *spans, char hex[SHA256_HEX],
                       struct err *e)
{
    struct sha256 s;
    int r = sha256_init(&s, e);
    if (r) return r;
    sha256_update(&s, t, offsetof(struct tail, digest));
    sha256_update(&s, docs, t->docs * sizeof(struct sheaf_doc));
    sha256_update(&s, spans, t->spans * sizeof(struct label_span));
    sha256_final(&s, hex);
    return 0;
}

int sheaf_writer_commit(struct sheaf_writer *w, struct err *e)
{
    struct tail t = {.table = w->at, .docs = w->n, .spans = w->n_spans};
    char hex[SHA256_HEX];
    memcpy(t.key, w->key, sizeof t.key);
    memcpy(t.magic, magic, sizeof magic);
    int r = tail_digest(&t, w->docs, w->spans, hex, e);
    memcpy(t.digest, hex, sizeof t.digest);
    if (!r && w->n) r = file_out_write(&w->f, w->docs, w->n * sizeof *w->docs, e);
    if (!r && w->n_spans) r = file_out_write(&w->f, w->spans, w->n_spans * sizeof *w->spans, e);
    if (!r) r = file_out_write(&w->f, &t, sizeof t, e);
    if (!r)
        r = file_out_commit(&w->f, e);
    else
        file_out_abort(&w->f);
    writer_free(w);
    return r;
}

void sheaf_writer_abort(struct sheaf_writer *w)
{
    if (!w) return;
    file_out_abort(&w->f);
    writer_free(w);
}

/* ---- reading ------------------------------------------------------------------------------------------- */

static int read_at(const char *path, int fd, uint64_t at, void *to, size_t n, struct err *e)
{
    for (size_t done = 0; done < n;) {
        ssize_t k = pread(fd, (char *)to + done, n - done, (off_t)(at + done));
        if (k < 0 && errno == EINTR) continue;
        if (k < 0) return err_errno(e, errno, "cannot read %s", path);
        if (k == 0) return err_set(e, ERR_CHANGED, "%s has become shorter", path);
        done += (size_t)k;
    }
    return 0;
}

static int table_read(struct sheaf *p, int fd, const char *key, struct err *e)
{
    struct stat st;
    struct tail t;
    char hex[SHA256_HEX];
    if (fstat(fd, &st)) return err_errno(e, errno, "cannot stat %s", p->path);
    uint64_t size = (uint64_t)st.st_size;
    if (size < sizeof t) return err_set(e, ERR_MAGIC, "%s is no sheaf", p->path);
    int r = read_at(p->path, fd, size - sizeof t, &t, sizeof t, e);
    if (r) return r;
    if (memcmp(t.magic, magic, sizeof magic) != 0) return err_set(e, ERR_MAGIC, "%s is no sheaf", p->path);
    if (memcmp(t.key, key, sizeof t.key) != 0)
        return err_set(e, ERR_HASH, "%s was made of something else", p->path);
    uint64_t docs = t.docs * sizeof *p->docs, spans = t.spans * sizeof *p->spans;
    if (t.table > size || docs + spans + sizeof t != size - t.table)
        return err_set(e, ERR_SIZE_MISMATCH, "%s has %llu bytes, which its tail contradicts", p->path,
                       (unsigned long long)size);
    p->docs = malloc(docs + 1), p->spans = malloc(spans + 1);
    if (!p->docs || !p->spans) return err_set(e, ERR_NOMEM, "no memory for the table of %s", p->path);
    r = read_at(p->path, fd, t.table, p->docs, docs, e);
    if (!r) r = read_at(p->path, fd, t.table + docs, p->spans, spans, e);
    if (!r) r = tail_digest(&t, p->docs, p->spans, hex, e);
    if (!r && memcmp(hex, t.digest, sizeof t.digest) != 0) r = err_set(e, ERR_HASH, "%s is damaged", p->path);
    p->n = t.docs, p->n_spans = t.spans;
    return r;
}

int sheaf_open(struct sheaf *p, const char *path, const char *key, struct err *e)
{
    int fd;
    *p = (struct sheaf){0};
    int r = file_path(p->path, e, "%s", path);
    if (!r) r = file_open(path, &fd, NULL, e);
    if (r) return r;
    r = table_read(p, fd, key, e);
    close(fd);
    if (r) sheaf_close(p);
    return r;
}

void sheaf_close(struct sheaf *p)
{
    free(p->docs), free(p->spans);
    *p = (struct sheaf){0};
}

int sheaf_read(const struct sheaf *p, int fd, uint32_t doc, void *frame, struct err *e)
{
    return read_at(p->path, fd, p->docs[doc].offset, frame, p->docs[doc].bytes, e);
}

int sheaf_unpack(const struct sheaf *p, uint32_t doc, const void *frame, size_t width, void *room, void *out,
                 struct err *e)
{
    const struct sheaf_doc *d = &p->docs[doc];
    struct err why = {0};
    int r = zstd_decompress(room, d->n * width, frame, d->bytes, &why);
    if (!r) unshuffle(room, out, d->n, width);
    if (!r && question_hash(out, d->n * width) != d->check)
        r = err_set(&why, ERR_HASH, "it is not what was written");
    if (!r) return 0;
    return err_set(e, r, "%s: document %u is damaged (%s); remove the file, and it is made again", p->path,
                   doc, why.msg);
}
