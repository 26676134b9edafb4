#include "data/loader.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A window packed into rows. */
struct window {
    uint32_t n, rows;
    uint32_t start[LOADER_WINDOW + 1]; /* row r holds docs[start[r] .. start[r + 1]) */
    uint64_t docs[LOADER_WINDOW];      /* indices into the shards */
};

struct loader {
    struct shards *shards;
    struct loader_config config;
    uint64_t *members, n; /* documents of this side of the split, ascending */
    struct loader_pos at;
    struct window window; /* the one `at` points into */
    uint32_t *ids;        /* cutoff_len: the row given out last */
    struct shard_doc docs[LOADER_WINDOW];
};

/* ---- keyed order ------------------------------------------------------------------------------------- */

/* The finaliser of MurmurHash3 (Appleby), on a sum with the golden ratio: one step of SplitMix64 (Steele
 * 2014). */
static uint64_t mix(uint64_t key, uint64_t x)
{
    x += key + 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* Place of `i` in a keyed permutation of [0, n): a Feistel network on the next even power of two, walked
 * until it falls inside [0, n) (Black and Rogaway 2002); at most four times as many steps as places on
 * average. */
static uint64_t permute(uint64_t key, uint64_t i, uint64_t n)
{
    int half = 1;
    while ((uint64_t)1 << 2 * half < n) half++;
    const uint64_t mask = ((uint64_t)1 << half) - 1;
    do {
        uint64_t left = i >> half, right = i & mask;
        for (uint64_t round = 0; round < 4; round++) {
            uint64_t next = left ^ (mix(mix(key, round), right) & mask);
            left = right;
            right = next;
        }
        i = left << half | right;
    } while (i >= n);
    return i;
}

/* ---- the split --------------------------------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static uint64_t held_out(double val_size, uint64_t n)
{
    double count = val_size < 1 ? ceil(val_size * (double)n) : val_size;
    return count < (double)n ? (uint64_t)count : n;
}

/* Place of a question in an order that knows neither seed nor shard order: the first ones are held out. */
static uint64_t question_key(const struct shards *s, uint64_t doc)
{
    const uint64_t split_key = 0x7e25e;
    struct shard_doc d;
    shards_doc(s, doc, &d);
    return mix(split_key, d.question);
}

/* *last = the greatest key that is held out when `count` (>= 1) documents or a little more are. */
static int split_key(const struct shards *s, uint64_t count, uint64_t *last, struct err *e)
{
    uint64_t n = shards_docs(s);
    uint64_t *keys = malloc(n * sizeof *keys);
    if (!keys) return err_set(e, ERR_NOMEM, "no memory to split %llu documents", (unsigned long long)n);
    for (uint64_t d = 0; d < n; d++) keys[d] = question_key(s, d);
    qsort(keys, n, sizeof *keys, ascending);
    *last = keys[count - 1];
    free(keys);
    return 0;
}

static int choose_members(struct loader *l, struct err *e)
{
    const struct shards *s = l->shards;
    uint64_t n = shards_docs(s), out = held_out(l->config.val_size, n), last = 0;
    int rc = out ? split_key(s, out, &last, e) : 0;
    if (rc) return rc;
    l->members = malloc(n * sizeof *l->members);
    if (!l->members) return err_set(e, ERR_NOMEM, "no memory for %llu documents", (unsigned long long)n);
    for (uint64_t d = 0; d < n; d++) {
        int validation = out && question_key(s, d) <= last;
        if (validation == (l->config.split == LOADER_VALIDATION)) l->members[l->n++] = d;
    }
    if (l->n) return 0;
    return err_set(e, ERR_DATA_EMPTY, "val_size %g leaves no %s document of %llu", l->config.val_size,
                   l->config.split == LOADER_VALIDATION ? "validation" : "training", (unsigned long long)n);
}

static int check_lengths(const struct loader *l, struct err *e)
{
    for (uint64_t i = 0; i < l->n; i++) {
        struct shard_doc d;
        shards_doc(l->shards, l->members[i], &d);
        if (d.n > l->config.cutoff_len)
            return err_set(e, ERR_FIELD_RANGE,
                           "document %llu has %u tokens, cutoff_len is %u: build the shards anew",
                           (unsigned long long)l->members[i], d.n, l->config.cutoff_len);
    }
    return 0;
}

/* ---- packing ----------------------------------------------------------------------------------------- */

struct item {
    uint32_t n, place, row; /* tokens; place in the window's order; row it is packed into */
    uint64_t doc;
};

static int longest_first(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    if (x->n != y->n) return x->n < y->n ? 1 : -1;
    return x->place < y->place ? -1 : 1;
}

struct row_key {
    uint64_t key;
    uint32_t row;
};

static int by_key(const void *a, const void *b)
{
    const struct row_key *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return x->row < y->row ? -1 : 1;
}

/* Best fit, longest first: each document goes into the fullest row that still has room. Returns the rows. */
static uint32_t pack(struct item *items, uint32_t n, uint32_t capacity, int packing)
{
    uint32_t room[LOADER_WINDOW], rows = 0;
    qsort(items, n, sizeof *items, longest_first);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t best = rows;
        for (uint32_t r = 0; packing && r < rows; r++)
            if (room[r] >= items[i].n && (best == rows || room[r] < room[best])) best = r;
        if (best == rows) room[rows++] = capacity;
        room[best] -= items[i].n;
        items[i].row = best;
    }
    return rows;
}

/* Longest first filled the rows: give them out in a keyed order, or lengths would drift within the window. */
static void shuffle_rows(struct item *items, uint32_t n, uint32_t rows, uint64_t key)
{
    struct row_key order[LOADER_WINDOW];
    uint32_t rank[LOADER_WINDOW];
    for (uint32_t r = 0; r < rows; r++) order[r] = (struct row_key){mix(key, r), r};
    qsort(order, rows, sizeof *order, by_key);
    for (uint32_t r = 0; r < rows; r++) rank[order[r].row] = r;
    for (uint32_t i = 0; i < n; i++) items[i].row = rank[items[i].row];
}

static int by_row(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    if (x->row != y->row) return x->row < y->row ? -1 : 1;
    return x->place < y->place ? -1 : 1;
}

static uint64_t windows_of(const struct loader *l)
{
    return (l->n + LOADER_WINDOW - 1) / LOADER_WINDOW;
}

/* Packs window `index` of `epoch`: a function of these, the shards and the configuration. */
static void pack_window(const struct loader *l, uint64_t epoch, uint64_t index, struct window *w)
{
    struct item items[LOADER_WINDOW];
    const uint64_t first = index * LOADER_WINDOW, key = mix(mix(l->config.seed, epoch), l->config.split);
    w->n = l->n - first < LOADER_WINDOW ? (uint32_t)(l->n - first) : LOADER_WINDOW;
    for (uint32_t i = 0; i < w->n; i++) {
        struct shard_doc d;
        uint64_t doc = l->members[permute(key, first + i, l->n)];
        shards_doc(l->shards, doc, &d);
        items[i] = (struct item){d.n, i, 0, doc};
    }
    w->rows = pack(items, w->n, l->config.cutoff_len, l->config.packing);
    shuffle_rows(items, w->n, w->rows, mix(key, ~index));
    qsort(items, w->n, sizeof *items, by_row);
    for (uint32_t i = 0; i < w->n; i++) {
        w->docs[i] = items[i].doc;
        if (i == 0 || items[i].row != items[i - 1].row) w->start[items[i].row] = i;
    }
    w->start[w->rows] = w->n;
}

/* ---- the loader -------------------------------------------------------------------------------------- */

static int check_config(const struct loader_config *c, struct err *e)
{
    if (c->cutoff_len < 2) return err_set(e, ERR_FIELD_RANGE, "cutoff_len is %u, at least 2", c->cutoff_len);
    if (c->val_size >= 0) return 0;
    return err_set(e, ERR_FIELD_RANGE, "val_size is %g, expected a fraction or a count", c->val_size);
}

int loader_open(struct loader **out, struct shards *shards, const struct loader_config *c, struct err *e)
{
    *out = NULL;
    int rc = check_config(c, e);
    if (rc) return rc;
    struct loader *l = calloc(1, sizeof *l);
    if (!l) return err_set(e, ERR_NOMEM, "no memory for a loader");
    l->shards = shards;
    l->config = *c;
    l->ids = malloc(c->cutoff_len * sizeof *l->ids);
    if (!l->ids) rc = err_set(e, ERR_NOMEM, "no memory for a row of %u tokens", c->cutoff_len);
    if (!rc) rc = choose_members(l, e);
    if (!rc) rc = check_lengths(l, e);
    if (rc) {
        loader_close(l);
        return rc;
    }
    pack_window(l, 0, 0, &l->window);
    *out = l;
    return 0;
}

void loader_close(struct loader *l)
{
    if (!l) return;
    free(l->members);
    free(l->ids);
    free(l);
}

static int read_docs(struct loader *l, const uint64_t *docs, struct packed_row *row, struct err *e)
{
    int rc = 0;
    for (uint32_t i = 0; !rc && i < row->n_docs; i++) {
        struct shard_doc *d = &l->docs[i];
        uint32_t *ids = l->ids + row->tokens;
        shards_doc(l->shards, docs[i], d);
        rc = shards_read(l->shards, docs[i], ids, e);
        d->ids = ids;
        row->tokens += d->n;
        for (uint32_t s = 0; s < d->n_spans; s++) row->labels += d->spans[s].to - d->spans[s].from;
    }
    return rc;
}

static void advance(struct loader *l)
{
    if (++l->at.row < l->window.rows) return;
    l->at.row = 0;
    if (++l->at.window == windows_of(l)) {
        l->at.window = 0;
        l->at.epoch++;
    }
    pack_window(l, l->at.epoch, l->at.window, &l->window);
}

int loader_next_row(struct loader *l, struct packed_row *row, struct err *e)
{
    const struct window *w = &l->window;
    uint32_t from = w->start[l->at.row], to = w->start[l->at.row + 1];
    *row = (struct packed_row){.n_docs = to - from, .epoch = l->at.epoch, .docs = l->docs};
    row->last = l->at.row + 1 == w->rows && l->at.window + 1 == windows_of(l);
    int rc = read_docs(l, w->docs + from, row, e);
    if (!rc) advance(l);
    return rc;
}

void loader_tell(const struct loader *l, struct loader_pos *pos)
{
    *pos = l->at;
}

int loader_seek(struct loader *l, const struct loader_pos *pos, struct err *e)
{
    struct window w;
    if (pos->window >= windows_of(l))
        return err_set(e, ERR_CK_CURSOR, "the data position is window %llu, an epoch has %llu",
                       (unsigned long long)pos->window, (unsigned long long)windows_of(l));
    pack_window(l, pos->epoch, pos->window, &w);
    if (pos->row >= w.rows)
        return err_set(e, ERR_CK_CURSOR, "the data position is row %llu, window %llu has %u",
                       (unsigned long long)pos->row, (unsigned long long)pos->window, w.rows);
    l->window = w;
    l->at = *pos;
    return 0;
}

uint64_t loader_docs(const struct loader *l)
{
    return l->n;
}

uint64_t loader_rows_per_epoch(const struct loader *l, uint64_t epoch)
{
    struct window w;
    uint64_t rows = 0;
    for (uint64_t i = 0; i < windows_of(l); i++) {
        pack_window(l, epoch, i, &w);
        rows += w.rows;
    }
    return rows;
}
