#include "data/prepare/gather.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    BATCH_DOCS = 1024,
    BATCH_BYTES = 32 << 20, /* of payload, after which a batch is full; one document may have more */
    OPEN_MOST = 256         /* sheaves open at a time */
};

struct load {
    uint32_t n;
    struct gather_doc docs[BATCH_DOCS];
    uint32_t place[BATCH_DOCS]; /* docs as they lie on the disk */
    size_t at[BATCH_DOCS];      /* of their payload */
    char *payload;
    size_t used, cap;
};

struct gather {
    struct gather_set *g;
    size_t width;
    struct pool *pool;
    struct load load;
    uint64_t next; /* of the order */
    int *fd;       /* [sheaves], -1 closed */
    uint32_t n_fd, n_sheaves;
    struct shard_writer *w;
    struct file_out lines;
    pthread_mutex_t lock; /* of what follows */
    struct err bad;
};

static const struct sheaf_doc *doc_of(const struct gather *a, struct gather_doc d)
{
    return &a->g->sheaves[d.sheaf].docs[d.doc];
}

/* ---- reading ------------------------------------------------------------------------------------------- */

static int need_open(struct gather *a, uint32_t sheaf, struct err *e)
{
    if (a->fd[sheaf] >= 0) return 0;
    a->n_fd++;
    return file_open(a->g->sheaves[sheaf].path, &a->fd[sheaf], NULL, e);
}

static void close_all(struct gather *a)
{
    for (uint32_t i = 0; a->fd && i < a->n_sheaves; i++) {
        if (a->fd[i] >= 0) close(a->fd[i]);
        a->fd[i] = -1;
    }
    a->n_fd = 0;
}

struct place {
    uint32_t sheaf, slot;
    uint64_t offset;
};

static int by_place(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->sheaf != y->sheaf) return x->sheaf < y->sheaf ? -1 : 1;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* The next documents of the order, as many as fit; opens their sheaves. */
static int plan(struct gather *a, struct err *e)
{
    struct place place[BATCH_DOCS];
    struct load *l = &a->load;
    if (a->n_fd >= OPEN_MOST) close_all(a);
    l->n = 0, l->used = 0;
    for (; a->next < a->g->n && l->n < BATCH_DOCS && a->n_fd < OPEN_MOST; a->next++) {
        struct gather_doc d = a->g->order[a->next];
        const struct sheaf_doc *p = doc_of(a, d);
        size_t bytes = p->n * a->width;
        if (p->n == 0) continue;
        if (l->n && l->used + bytes > BATCH_BYTES) break;
        int r = need_open(a, d.sheaf, e);
        if (r) return r;
        place[l->n] = (struct place){d.sheaf, l->n, p->offset};
        l->docs[l->n] = d, l->at[l->n++] = l->used;
        l->used += (bytes + 7) & ~(size_t)7;
    }
    qsort(place, l->n, sizeof *place, by_place);
    for (uint32_t i = 0; i < l->n; i++) l->place[i] = place[i].slot;
    if (l->used <= l->cap) return 0;
    free(l->payload);
    l->payload = malloc(l->used);
    l->cap = l->payload ? l->used : 0;
    return l->payload ? 0 : err_set(e, ERR_NOMEM, "no memory for %zu bytes of documents", l->used);
}

static int read_doc(struct gather *a, struct load *l, uint32_t slot, struct err *e)
{
    struct gather_doc d = l->docs[slot];
    const struct sheaf *p = &a->g->sheaves[d.sheaf];
    const struct sheaf_doc *doc = &p->docs[d.doc];
    char *frame = malloc(doc->bytes + 1), *room = malloc(doc->n * a->width + 1);
    int r = frame && room ? sheaf_read(p, a->fd[d.sheaf], d.doc, frame, e)
                          : err_set(e, ERR_NOMEM, "no memory for a document of %u tokens", doc->n);
    if (!r) r = sheaf_unpack(p, d.doc, frame, a->width, room, l->payload + l->at[slot], e);
    free(frame), free(room);
    return r;
}

/* ---- writing ------------------------------------------------------------------------------------------- */

static int write_doc(struct gather *a, struct gather_doc at, const void *payload, struct err *e)
{
    struct gather_set *g = a->g;
    const struct sheaf *p = &g->sheaves[at.sheaf];
    const struct sheaf_doc *d = &p->docs[at.doc];
    g->docs++, g->tokens += d->n;
    if (g->format == GATHER_PROBLEMS) return file_out_write(&a->lines, payload, d->n, e);
    struct shard_doc doc = {.ids = payload,
                            .n = d->n,
                            .header_at = d->header_at,
                            .response_at = d->response_at,
                            .spans = p->spans + d->first_span,
                            .n_spans = d->n_spans,
                            .domain = (enum shard_domain)d->domain,
                            .source = at.sheaf,
                            .source_row = d->row,
                            .question = d->question};
    return shard_writer_add(a->w, &doc, e);
}

static int write_load(struct gather *a, struct err *e)
{
    const struct load *l = &a->load;
    int r = 0;
    for (uint32_t i = 0; !r && i < l->n; i++) r = write_doc(a, l->docs[i], l->payload + l->at[i], e);
    return r;
}

static void unit(void *ctx, int64_t i, unsigned thread)
{
    struct gather *a = ctx;
    struct err e = {0};
    (void)thread;
    if (!read_doc(a, &a->load, a->load.place[i], &e)) return;
    pthread_mutex_lock(&a->lock);
    if (!a->bad.code) a->bad = e;
    pthread_mutex_unlock(&a->lock);
}

/* All threads read and unpack a load; this one hands it to the shard, which all of them compress once it is
 * full. */
static int run(struct gather *a, struct err *e)
{
    int r = plan(a, e);
    while (!r && a->load.n) {
        pool_for(a->pool, a->load.n, unit, a);
        if (a->bad.code) return err_set(e, a->bad.code, "%s", a->bad.msg);
        r = write_load(a, e);
        if (!r) r = ticker_tick(&a->g->ticker, a->load.n, e);
        if (!r) r = plan(a, e);
    }
    return r;
}

/* ---- the set ------------------------------------------------------------------------------------------- */

/* Passes over documents that are in finished shards. */
static void skip(struct gather *a, uint64_t docs)
{
    struct gather_set *g = a->g;
    for (; docs && a->next < g->n; a->next++) {
        const struct sheaf_doc *d = doc_of(a, g->order[a->next]);
        if (d->n == 0) continue;
        g->docs++, g->tokens += d->n, g->resumed++, docs--;
    }
}

static int begin(struct gather *a, struct err *e)
{
    struct gather_set *g = a->g;
    uint64_t docs = 0;
    for (uint64_t i = 0; i < g->n; i++)
        if (g->order[i].sheaf >= a->n_sheaves) a->n_sheaves = g->order[i].sheaf + 1;
    a->fd = malloc((a->n_sheaves + 1) * sizeof *a->fd);
    if (!a->fd) return err_set(e, ERR_NOMEM, "no memory for %u sheaves", a->n_sheaves);
    for (uint32_t i = 0; i < a->n_sheaves; i++) a->fd[i] = -1;
    if (g->format == GATHER_PROBLEMS) return file_out_open(&a->lines, g->dir, e);
    int r = shard_writer_resume(&a->w, g->dir, g->origin, g->shard_tokens, a->pool, &docs, e);
    if (!r) skip(a, docs);
    return r;
}

static int finish(struct gather *a, int r, struct err *e)
{
    if (a->g->format == GATHER_PROBLEMS) {
        if (!r) return file_out_commit(&a->lines, e);
        file_out_abort(&a->lines);
    } else if (a->w) {
        if (!r) return shard_writer_commit(a->w, e);
        shard_writer_leave(a->w);
    }
    return r;
}

int gather_set_make(struct gather_set *g, struct pool *p, struct err *e)
{
    struct gather *a = calloc(1, sizeof *a);
    if (!a) return err_set(e, ERR_NOMEM, "no memory to gather documents");
    a->g = g, a->pool = p, a->lines.fd = -1, a->width = g->format == GATHER_PROBLEMS ? 1 : 4;
    g->docs = g->tokens = g->resumed = 0;
    pthread_mutex_init(&a->lock, NULL);
    int r = begin(a, e);
    if (!r) r = run(a, e);
    r = finish(a, r, e);
    close_all(a);
    free(a->load.payload);
    pthread_mutex_destroy(&a->lock);
    free(a->fd);
    free(a);
    return r;
}
