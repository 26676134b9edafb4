/* Which documents a window holds: of every set the next ones of its permutation, in proportion to its weight.
 */
#include "data/loader_parts.h"
#include "data/order.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- documents of all sets --------------------------------------------------------------------------- */

uint32_t order_set(const struct order *o, uint64_t doc)
{
    uint32_t s = 0;
    while (doc >= o->base[s + 1]) s++;
    return s;
}

uint32_t order_length(const struct order *o, uint64_t doc)
{
    const uint32_t s = order_set(o, doc);
    return shards_lengths(o->sets[s].shards)[doc - o->base[s]];
}

static uint64_t member(const struct order *o, uint64_t i)
{
    return o->members ? o->members[i] : i;
}

static int check_config(const struct loader_config *c, uint32_t n, struct err *e)
{
    if (n == 0 || n > LOADER_SETS)
        return err_set(e, ERR_TOO_MANY, "%u sets of documents, expected 1 to %d", n, LOADER_SETS);
    if (c->cutoff_len < 2) return err_set(e, ERR_FIELD_RANGE, "cutoff_len is %u, at least 2", c->cutoff_len);
    if (c->val_size >= 0) return 0;
    return err_set(e, ERR_FIELD_RANGE, "val_size is %g, expected a fraction or a count", c->val_size);
}

static int number_docs(struct order *o, struct err *e)
{
    for (uint32_t s = 0; s < o->n_sets; s++) o->base[s + 1] = o->base[s] + shards_docs(o->sets[s].shards);
    if (o->base[o->n_sets] <= UINT32_MAX) return 0;
    return err_set(e, ERR_TOO_MANY, "%llu documents in %u sets, at most %u",
                   (unsigned long long)o->base[o->n_sets], o->n_sets, UINT32_MAX);
}

static int check_lengths(const struct order *o, struct err *e)
{
    for (uint64_t i = 0; i < o->n; i++) {
        const uint64_t doc = member(o, i);
        const uint32_t n = order_length(o, doc), s = order_set(o, doc);
        if (n > o->c.cutoff_len)
            return err_set(e, ERR_FIELD_RANGE,
                           "document %llu of set %u has %u tokens, cutoff_len is %u: build the shards anew",
                           (unsigned long long)(doc - o->base[s]), s + 1, n, o->c.cutoff_len);
    }
    return 0;
}

/* ---- how sets are mixed ------------------------------------------------------------------------------ */

uint64_t order_taken(const struct order *o, uint32_t s, uint64_t v)
{
    const double rounding = 1e-6; /* a set is through when v * weight is its size, give or take a bit */
    return o->n_streams == 1 ? v : (uint64_t)((double)v * o->streams[s].weight + rounding);
}

static int weigh(struct order *o, struct err *e)
{
    double sum = 0;
    for (uint32_t s = 0; s < o->n_sets; s++) {
        double w = o->sets[s].weight;
        if (!(w > 0) || !isfinite(w))
            return err_set(e, ERR_FIELD_RANGE, "the weight of set %u is %g, expected above 0", s + 1, w);
        sum += w;
    }
    for (uint32_t s = 0; s < o->n_sets; s++) o->streams[s].weight = o->sets[s].weight / sum;
    return 0;
}

/* Members are ascending, so those of a set stand together. */
static int find_streams(struct order *o, struct err *e)
{
    uint64_t at = 0;
    o->n_streams = o->n_sets;
    for (uint32_t s = 0; s < o->n_sets; s++) {
        struct stream *t = &o->streams[s];
        t->first = at;
        while (at < o->n && member(o, at) < o->base[s + 1]) at++;
        t->n = at - t->first;
        if (t->n == 0)
            return err_set(e, ERR_DATA_EMPTY, "val_size %g leaves no document of set %u to mix",
                           o->c.val_size, s + 1);
    }
    return weigh(o, e);
}

/* Documents until the first set is through, or the last one; at least one of each set. */
static uint64_t mixed_epoch(const struct order *o)
{
    double docs = 0, least = 1;
    for (uint32_t s = 0; s < o->n_streams; s++) {
        const double through = ceil((double)o->streams[s].n / o->streams[s].weight - 1e-6);
        int later = through > docs;
        if (s == 0 || later == (o->c.mix == LOADER_OVER)) docs = through;
        least = fmax(least, ceil(1 / o->streams[s].weight));
    }
    return (uint64_t)fmax(docs, least);
}

int order_init(struct order *o, const struct loader_set *sets, uint32_t n, const struct loader_config *c,
               struct err *e)
{
    memset(o, 0, sizeof *o);
    int rc = check_config(c, n, e);
    if (rc) return rc;
    memcpy(o->sets, sets, n * sizeof *sets);
    o->c = *c, o->n_sets = n;
    rc = number_docs(o, e);
    if (!rc) rc = order_split(o, e);
    if (!rc) rc = check_lengths(o, e);
    if (rc) return rc;
    o->streams[0] = (struct stream){0, o->n, 1}, o->n_streams = 1, o->epoch_docs = o->n;
    if (c->mix == LOADER_CONCAT || n == 1) return 0;
    rc = find_streams(o, e);
    if (!rc) o->epoch_docs = mixed_epoch(o);
    return rc;
}

void order_clear(struct order *o)
{
    free(o->members);
    o->members = NULL;
}

/* ---- windows ------------------------------------------------------------------------------------------- */

/* Windows of an epoch differ by one document at most. */
uint64_t order_windows(const struct order *o)
{
    return (o->epoch_docs + LOADER_WINDOW - 1) / LOADER_WINDOW;
}

static uint64_t window_first(const struct order *o, uint64_t epoch, uint64_t index)
{
    const uint64_t windows = order_windows(o), each = o->epoch_docs / windows, more = o->epoch_docs % windows;
    return epoch * o->epoch_docs + index * each + (index < more ? index : more);
}

int window_create(struct window *w, const struct order *o, struct err *e)
{
    const uint64_t most = o->epoch_docs < LOADER_WINDOW ? o->epoch_docs : LOADER_WINDOW;
    memset(w, 0, sizeof *w);
    w->most = (uint32_t)most + o->n_streams; /* a floor may fall on either side */
    w->docs = malloc(w->most * sizeof *w->docs);
    w->lengths = malloc(w->most * sizeof *w->lengths);
    w->start = malloc((w->most + 1) * sizeof *w->start);
    if (!w->docs || !w->lengths || !w->start)
        return err_set(e, ERR_NOMEM, "no memory for a window of %u documents", w->most);
    return packer_create(&w->packer, o->c.cutoff_len, w->most, e);
}

void window_clear(struct window *w)
{
    packer_free(w->packer);
    free(w->docs), free(w->lengths), free(w->start);
    memset(w, 0, sizeof *w);
}

/* Key of a stream's order the `round`-th time. */
static uint64_t round_key(const struct order *o, uint32_t s, uint64_t round)
{
    return order_mix(order_mix(order_mix(o->c.seed, round), o->c.split), s);
}

static void take_stream(struct window *w, const struct order *o, uint32_t s, uint64_t from, uint64_t to)
{
    const struct stream *t = &o->streams[s];
    for (uint64_t k = from; k < to; k++) {
        uint64_t i = order_permute(round_key(o, s, k / t->n), k % t->n, t->n);
        w->docs[w->n] = (uint32_t)member(o, t->first + i);
        w->lengths[w->n] = order_length(o, w->docs[w->n]);
        w->n++;
    }
}

void window_pack(struct window *w, const struct order *o, uint64_t epoch, uint64_t index)
{
    const uint64_t from = window_first(o, epoch, index), to = window_first(o, epoch, index + 1);
    w->n = 0;
    for (uint32_t s = 0; s < o->n_streams; s++) {
        w->taken[s] = order_taken(o, s, from);
        take_stream(w, o, s, w->taken[s], order_taken(o, s, to));
    }
    uint64_t key = order_mix(order_mix(order_mix(o->c.seed, epoch), o->c.split), ~index);
    w->rows = pack(w->packer, w->docs, w->lengths, w->n, o->c.packing, key, w->start);
}
