/* Rows given out: read and decoded when they are asked for, or before, by a thread.
 *
 * Rows pass through a ring of slots. The maker (the thread, or who asks) is at `make` and owns the window;
 * who asks is at `at`. The numbers of rows made and given only grow; a slot is made anew when its row, `keep`
 * rows behind the one given last, is no longer valid. */
#include "data/loader.h"

#include "data/loader_parts.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* A row that was made, or why it could not be. */
struct slot {
    struct packed_row row;
    struct shard_doc *docs;
    struct label_span *spans;
    size_t docs_cap, spans_cap, n_spans;
    uint32_t *ids;               /* [cutoff_len] */
    struct loader_pos next;      /* the row after it */
    uint64_t taken[LOADER_SETS]; /* documents of each stream, this row's too */
    int rc;
    struct err err;
};

struct loader {
    struct order order;
    uint32_t source_base[LOADER_SETS];
    struct loader_pos at; /* of who asks */
    uint64_t taken[LOADER_SETS];

    struct loader_pos make; /* of the maker, as all down to `made` */
    struct window window;   /* the one `make` points into */
    uint64_t make_taken[LOADER_SETS];
    struct slot *slots;
    uint32_t n_slots;

    uint64_t made, given; /* rows; slot i % n_slots */
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake, ready; /* for the thread; for who asks */
    int running, busy;          /* a thread was started; it is making a row */
    int hold, quit;             /* it is told to rest, to end */
};

/* ---- making a row ---------------------------------------------------------------------------------------
 */

static int grow(void **p, size_t *cap, size_t need, size_t width, struct err *e)
{
    if (need <= *cap) return 0;
    size_t most = 2 * need + 16;
    void *more = realloc(*p, most * width);
    if (!more) return err_set(e, ERR_NOMEM, "no memory for the documents of a row");
    *p = more, *cap = most;
    return 0;
}

/* Reads document `doc` behind the row's others. Its spans are addressed when all are there. */
static int read_doc(struct loader *l, struct slot *s, uint32_t doc, struct shard_doc *d)
{
    const uint32_t set = order_set(&l->order, doc);
    struct shards *shards = l->order.sets[set].shards;
    const uint64_t i = doc - l->order.base[set];
    int rc = shards_doc(shards, i, d, &s->err);
    if (!rc) rc = grow((void **)&s->spans, &s->spans_cap, s->n_spans + d->n_spans, sizeof *s->spans, &s->err);
    if (rc) return rc;
    memcpy(s->spans + s->n_spans, d->spans, d->n_spans * sizeof *s->spans);
    s->n_spans += d->n_spans;
    uint32_t *ids = s->ids + s->row.tokens;
    d->ids = ids;
    d->source += l->source_base[set];
    s->row.tokens += d->n;
    for (uint32_t k = 0; k < d->n_spans; k++) s->row.labels += d->spans[k].to - d->spans[k].from;
    return shards_read(shards, i, ids, &s->err);
}

static void count_docs(struct loader *l, const uint32_t *docs, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        l->make_taken[l->order.n_streams == 1 ? 0 : order_set(&l->order, docs[i])]++;
}

static void enter_window(struct loader *l)
{
    window_pack(&l->window, &l->order, l->make.epoch, l->make.window);
    memcpy(l->make_taken, l->window.taken, sizeof l->make_taken);
}

static void advance(struct loader *l)
{
    const struct window *w = &l->window;
    const uint32_t from = w->start[l->make.row];
    count_docs(l, w->docs + from, w->start[l->make.row + 1] - from);
    if (++l->make.row < w->rows) return;
    l->make.row = 0;
    if (++l->make.window == order_windows(&l->order)) {
        l->make.window = 0;
        l->make.epoch++;
    }
    enter_window(l);
}

/* Makes the row at l->make in the slot and goes on; on an error it stays. */
static void make_row(struct loader *l, struct slot *s)
{
    const struct window *w = &l->window;
    const uint32_t from = w->start[l->make.row], n = w->start[l->make.row + 1] - from;
    size_t at = 0;
    s->err.code = 0, s->n_spans = 0;
    s->row = (struct packed_row){.n_docs = n, .epoch = l->make.epoch};
    s->row.last = l->make.row + 1 == w->rows && l->make.window + 1 == order_windows(&l->order);
    s->rc = grow((void **)&s->docs, &s->docs_cap, n, sizeof *s->docs, &s->err);
    for (uint32_t i = 0; !s->rc && i < n; i++) s->rc = read_doc(l, s, w->docs[from + i], &s->docs[i]);
    if (s->rc) return;
    for (uint32_t i = 0; i < n; at += s->docs[i++].n_spans) s->docs[i].spans = s->spans + at;
    s->row.docs = s->docs;
    advance(l);
    s->next = l->make;
    memcpy(s->taken, l->make_taken, sizeof s->taken);
}

/* ---- the thread -----------------------------------------------------------------------------------------
 */

static uint64_t kept(const struct loader *l)
{
    const uint64_t keep = l->order.c.keep ? l->order.c.keep : 1;
    return l->given < keep ? l->given : keep;
}

/* The next slot is free, and the row made last was not an error: that waits for who asks. */
static int may_make(const struct loader *l)
{
    int failed = l->made > l->given && l->slots[(l->made - 1) % l->n_slots].rc;
    return !l->hold && !failed && l->made - l->given + kept(l) < l->n_slots;
}

static void *make_ahead(void *ctx)
{
    struct loader *l = ctx;
    pthread_mutex_lock(&l->mutex);
    for (;;) {
        while (!l->quit && !may_make(l)) pthread_cond_wait(&l->wake, &l->mutex);
        if (l->quit) break;
        struct slot *s = &l->slots[l->made % l->n_slots];
        l->busy = 1;
        pthread_mutex_unlock(&l->mutex);
        make_row(l, s);
        pthread_mutex_lock(&l->mutex);
        l->busy = 0;
        l->made++;
        pthread_cond_signal(&l->ready);
    }
    pthread_mutex_unlock(&l->mutex);
    return NULL;
}

/* Without one, rows are made when they are asked for: a machine that starts no more threads still trains. */
static void start_thread(struct loader *l)
{
    if (l->running || l->order.c.ahead == 0) return;
    l->running = pthread_create(&l->thread, NULL, make_ahead, l) == 0;
    if (!l->running) l->order.c.ahead = 0;
}

/* The thread rests when this returns, and its rows are forgotten: l->make is the caller's. */
static void rest(struct loader *l)
{
    pthread_mutex_lock(&l->mutex);
    l->hold = 1;
    while (l->busy) pthread_cond_wait(&l->ready, &l->mutex);
    l->made = l->given = 0;
    pthread_mutex_unlock(&l->mutex);
}

static void go_on(struct loader *l)
{
    pthread_mutex_lock(&l->mutex);
    l->hold = 0;
    pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&l->mutex);
}

/* The slot of the next row, made by whoever does. */
static struct slot *await(struct loader *l)
{
    struct slot *s = &l->slots[l->given % l->n_slots];
    start_thread(l);
    if (!l->running) {
        make_row(l, s);
        l->made++;
        return s;
    }
    pthread_mutex_lock(&l->mutex);
    if (l->hold) l->hold = 0, pthread_cond_signal(&l->wake); /* after an error: now it tries again */
    while (l->made == l->given) pthread_cond_wait(&l->ready, &l->mutex);
    pthread_mutex_unlock(&l->mutex);
    return s;
}

int loader_next_row(struct loader *l, struct packed_row *row, struct err *e)
{
    struct slot *s = await(l);
    const int rc = s->rc;
    if (rc)
        err_set(e, rc, "%s", s->err.msg);
    else
        *row = s->row, l->at = s->next, memcpy(l->taken, s->taken, sizeof l->taken);
    pthread_mutex_lock(&l->mutex);
    if (rc)
        l->made--, l->hold = l->running;
    else
        l->given++;
    pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&l->mutex);
    return rc;
}

/* ---- opening ----------------------------------------------------------------------------------------------
 */

static uint32_t slots_of(const struct loader_config *c)
{
    return (c->keep ? c->keep : 1) + (c->ahead ? c->ahead : 1);
}

uint64_t loader_plan(const struct loader_config *c)
{
    return slots_of(c) * (sizeof(struct slot) + (uint64_t)c->cutoff_len * sizeof(uint32_t));
}

static int create_slots(struct loader *l, struct err *e)
{
    const struct loader_config *c = &l->order.c;
    l->n_slots = slots_of(c);
    l->slots = calloc(l->n_slots, sizeof *l->slots);
    if (!l->slots) return err_set(e, ERR_NOMEM, "no memory for %u rows", l->n_slots);
    for (uint32_t i = 0; i < l->n_slots; i++) {
        l->slots[i].ids = malloc(c->cutoff_len * sizeof *l->slots[i].ids);
        if (!l->slots[i].ids) return err_set(e, ERR_NOMEM, "no memory for a row of %u tokens", c->cutoff_len);
    }
    return 0;
}

static void number_sources(struct loader *l)
{
    uint32_t at = 0;
    for (uint32_t s = 0; s < l->order.n_sets; s++) {
        l->source_base[s] = at;
        at += shards_origin(l->order.sets[s].shards)->n_sources;
    }
}

int loader_open(struct loader **out, const struct loader_set *sets, uint32_t n, const struct loader_config *c,
                struct err *e)
{
    *out = NULL;
    struct loader *l = calloc(1, sizeof *l);
    if (!l) return err_set(e, ERR_NOMEM, "no memory for a loader");
    pthread_mutex_init(&l->mutex, NULL);
    pthread_cond_init(&l->wake, NULL);
    pthread_cond_init(&l->ready, NULL);
    int rc = order_init(&l->order, sets, n, c, e);
    if (!rc) rc = window_create(&l->window, &l->order, e);
    if (!rc) rc = create_slots(l, e);
    if (rc) {
        loader_close(l);
        return rc;
    }
    number_sources(l);
    enter_window(l);
    *out = l;
    return 0;
}

void loader_close(struct loader *l)
{
    if (!l) return;
    pthread_mutex_lock(&l->mutex);
    l->quit = 1;
    pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&l->mutex);
    if (l->running) pthread_join(l->thread, NULL);
    for (uint32_t i = 0; l->slots && i < l->n_slots; i++)
        free(l->slots[i].ids), free(l->slots[i].docs), free(l->slots[i].spans);
    free(l->slots);
    window_clear(&l->window);
    order_clear(&l->order);
    pthread_cond_destroy(&l->wake);
    pthread_cond_destroy(&l->ready);
    pthread_mutex_destroy(&l->mutex);
    free(l);
}

/* ---- positions --------------------------------------------------------------------------------------------
 */

void loader_tell(const struct loader *l, struct loader_pos *pos)
{
    *pos = l->at;
}

/* The maker goes to *pos, or back to where the rows given out end. */
static int move(struct loader *l, const struct loader_pos *pos, struct err *e)
{
    l->make = *pos;
    enter_window(l);
    if (pos->row >= l->window.rows)
        return err_set(e, ERR_CK_CURSOR, "the data position is row %llu, window %llu has %u",
                       (unsigned long long)pos->row, (unsigned long long)pos->window, l->window.rows);
    count_docs(l, l->window.docs, l->window.start[pos->row]);
    l->at = *pos;
    memcpy(l->taken, l->make_taken, sizeof l->taken);
    return 0;
}

int loader_seek(struct loader *l, const struct loader_pos *pos, struct err *e)
{
    const struct loader_pos before = l->at;
    if (pos->window >= order_windows(&l->order))
        return err_set(e, ERR_CK_CURSOR, "the data position is window %llu, an epoch has %llu",
                       (unsigned long long)pos->window, (unsigned long long)order_windows(&l->order));
    rest(l);
    int rc = move(l, pos, e);
    if (rc) move(l, &before, NULL);
    go_on(l);
    return rc;
}

/* ---- counts -----------------------------------------------------------------------------------------------
 */

uint64_t loader_docs(const struct loader *l)
{
    return l->order.n;
}

uint64_t loader_epoch_docs(const struct loader *l)
{
    return l->order.epoch_docs;
}

int loader_count_rows(const struct loader *l, uint64_t epoch, uint64_t *rows, uint64_t *tokens, struct err *e)
{
    struct window w;
    int rc = window_create(&w, &l->order, e);
    *rows = 0;
    if (tokens) *tokens = 0;
    for (uint64_t i = 0; !rc && i < order_windows(&l->order); i++) {
        window_pack(&w, &l->order, epoch, i);
        *rows += w.rows;
        for (uint32_t d = 0; tokens && d < w.n; d++) *tokens += order_length(&l->order, w.docs[d]);
    }
    window_clear(&w);
    return rc;
}

double loader_passes(const struct loader *l, uint32_t set)
{
    const uint32_t s = l->order.n_streams == 1 ? 0 : set;
    return (double)l->taken[s] / (double)l->order.streams[s].n;
}
