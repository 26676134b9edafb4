#include "infer/session.h"

#include <stdlib.h>
#include <string.h>

/* A fork of fewer tokens than this costs more than running them. */
enum { FORK_TOKENS = 16 };

struct stream {
    struct kv_stream *kv;
    int32_t *ids;        /* [max_tokens] */
    uint32_t n;          /* tokens held; also kv->length */
    uint32_t adapt_from; /* first adapted token */
    uint32_t offered;    /* pages that can be found in the cache */
    const float *logits; /* [V] or NULL */
};

struct session {
    const struct model *m;
    const struct lora *lora;
    uint32_t rank;    /* the workspace's */
    uint64_t adapter; /* identity of what `lora` holds */
    struct session_config c;
    struct kv_pool *kv;
    struct workspace w;
    struct stream *stream;
    float *logits;                       /* [streams][V] of the last pass, in its order */
    float *kept;                         /* [streams][V] of streams that were not in it; behind `logits` */
    float *x;                            /* [streams][D] residuals whose logits are wanted */
    struct segment *seg;                 /* [2 streams] of a pass */
    uint32_t *owner;                     /* [2 streams] their streams */
    int32_t *ids;                        /* [rows] of a pass */
    uint32_t *sequence;                  /* [streams] all streams, those that share pages side by side */
    const struct session_part **part_of; /* [streams] of a pass, or NULL */
    struct session_part *step;           /* [streams] */
    struct states states;
    struct arena arena;
};

/* ---- making one ---------------------------------------------------------------------------------------- */

static int64_t max_rows(const struct session_config *c)
{
    int64_t prefill = c->prefill ? c->prefill : SESSION_PREFILL;
    return prefill > c->streams ? prefill : c->streams;
}

static struct kv_config kv_config(const struct model *m, const struct session_config *c)
{
    uint64_t resting = c->cache_bytes / kv_page_bytes(m, c->kv), most = 1u << 24;
    uint32_t pages = c->pages ? c->pages : c->streams * ((c->max_tokens + KV_PAGE - 1) / KV_PAGE);
    struct kv_config kv = {.resting = (uint32_t)(resting < most ? resting : most), .type = c->kv};
    kv.pages = pages + kv.resting;
    return kv;
}

static uint32_t max_rank(const struct lora *lora, const struct session_config *c)
{
    return lora && lora->rank > c->rank ? lora->rank : c->rank;
}

static void carve(struct arena *a, struct session *s)
{
    size_t n = s->c.streams;
    s->stream = arena_take(a, n, sizeof *s->stream);
    s->logits = arena_take(a, 2 * n * s->m->c.vocab, sizeof(float));
    s->kept = s->logits ? s->logits + n * s->m->c.vocab : NULL;
    s->x = arena_take(a, n * s->m->c.width, sizeof(float));
    s->seg = arena_take(a, 2 * n, sizeof *s->seg);
    s->owner = arena_take(a, 2 * n, sizeof *s->owner);
    s->ids = arena_take(a, (size_t)max_rows(&s->c), sizeof *s->ids);
    s->sequence = arena_take(a, n, sizeof *s->sequence);
    s->part_of = arena_take(a, n, sizeof *s->part_of);
    s->step = arena_take(a, n, sizeof *s->step);
    states_carve(&s->states, a, &s->c.states, s->m->c.width, s->c.streams);
    for (size_t i = 0; i < n; i++) {
        int32_t *ids = arena_take(a, s->c.max_tokens, sizeof *ids);
        if (s->stream) s->stream[i].ids = ids;
    }
}

uint64_t session_plan(const struct model *m, const struct lora *lora, const struct session_config *c)
{
    struct arena count = {0};
    struct session s = {.m = m, .c = *c};
    struct kv_config kv = kv_config(m, c);
    carve(&count, &s);
    return count.used + kv_pool_plan_for(m, &kv) + workspace_plan(m, max_rows(c), max_rank(lora, c), 0);
}

static int parts_create(struct session *s, struct err *e)
{
    struct arena count = {0};
    struct kv_config kv = kv_config(s->m, &s->c);
    carve(&count, s);
    int r = arena_create(&s->arena, count.used, "a session", e);
    if (r) return r;
    carve(&s->arena, s);
    if ((r = kv_pool_create_for(&s->kv, s->m, &kv, e))) return r;
    if ((r = workspace_create(&s->w, s->m, max_rows(&s->c), s->rank, 0, e))) return r;
    for (uint32_t i = 0; i < s->c.streams; i++) {
        if ((r = kv_stream_create(&s->stream[i].kv, s->kv, s->c.max_tokens, e))) return r;
        s->sequence[i] = i;
    }
    return 0;
}

int session_create(struct session **out, const struct model *m, const struct lora *lora,
                   const struct session_config *c, struct err *e)
{
    *out = NULL;
    if (c->max_tokens > m->context)
        return err_set(e, ERR_CTX_FULL, "streams of %u tokens, but the model's context is %u", c->max_tokens,
                       m->context);
    int r = states_config_check(&c->states, m->c.layers, e);
    if (r) return r;
    struct session *s = calloc(1, sizeof *s);
    if (!s) return err_set(e, ERR_NOMEM, "no memory for a session");
    s->m = m, s->lora = lora, s->c = *c, s->rank = max_rank(lora, c);
    if ((r = parts_create(s, e))) {
        session_free(s);
        return r;
    }
    *out = s;
    return 0;
}

void session_free(struct session *s)
{
    if (!s) return;
    for (uint32_t i = 0; s->stream && i < s->c.streams; i++) kv_stream_free(s->stream[i].kv);
    workspace_free(&s->w);
    kv_pool_free(s->kv);
    arena_free(&s->arena);
    free(s);
}

int session_set_lora(struct session *s, const struct lora *lora, struct err *e)
{
    if (lora && lora->rank > s->rank)
        return err_set(e, ERR_AD_RANK, "an adapter of rank %u in a session made for rank %u", lora->rank,
                       s->rank);
    for (uint32_t i = 0; i < s->c.streams; i++) {
        session_rewind(s, i, s->stream[i].adapt_from);
        if (!lora) s->stream[i].adapt_from = UINT32_MAX;
    }
    s->lora = lora, s->adapter++;
    return 0;
}

/* ---- what is there already ----------------------------------------------------------------------------- */

static int ids_check(const struct session *s, const int32_t *ids, uint32_t n, struct err *e)
{
    for (uint32_t i = 0; i < n; i++)
        if ((uint32_t)ids[i] >= s->m->c.vocab)
            return err_set(e, ERR_TOKEN_RANGE, "token %d at %u, expected 0 to %u", ids[i], i,
                           s->m->c.vocab - 1);
    return 0;
}

/* Tokens of a stream that are good for ids [n]: the common prefix, as far as both gates agree, short of the
 * last token. */
static uint32_t common(const struct stream *t, const int32_t *ids, uint32_t n, uint32_t adapt_from)
{
    uint32_t same = 0, low = adapt_from < t->adapt_from ? adapt_from : t->adapt_from;
    while (same < t->n && same < n - 1 && t->ids[same] == ids[same]) same++;
    return adapt_from == t->adapt_from || same < low ? same : low;
}

static bool watched(const struct session *s, uint32_t i)
{
    return s->c.states.n && s->states.range[i].from < s->states.range[i].to;
}

/* What stream i has pooled goes when not all tokens of it are kept. */
static void watch_again(struct session *s, uint32_t i, uint32_t kept)
{
    const struct states_range *r = &s->states.range[i];
    if (watched(s, i) && kept < r->next) states_watch(&s->states, i, r->from, r->to);
}

/* Tokens that stream i may take from a cache, and *own that it may keep, without a gap in what it pools. */
static uint32_t watch_limit(struct session *s, uint32_t i, uint32_t *own)
{
    const struct states_range *r = &s->states.range[i];
    if (!watched(s, i)) return UINT32_MAX;
    watch_again(s, i, *own);
    if (r->next<r->to && * own> r->next) *own = r->next;
    return r->from;
}

static uint32_t min32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Of `same` tokens that stream k has too, those that i may take from it: with all that i is to pool, which k
 * has pooled, or nothing of it. */
static uint32_t lent(const struct session *s, uint32_t i, uint32_t k, uint32_t same)
{
    const struct states_range *to = &s->states.range[i], *from = &s->states.range[k];
    if (!watched(s, i) || same <= to->from) return same;
    bool all = from->from == to->from && from->to == to->to && from->next == to->to && same >= to->to;
    return all ? same : to->from;
}

int session_begin(struct session *s, uint32_t i, const int32_t *ids, uint32_t n, uint32_t adapt_from,
                  uint32_t *held, struct err *e)
{
    struct stream *t = &s->stream[i];
    if (!s->lora) adapt_from = UINT32_MAX;
    struct kv_gate gate = {s->adapter, adapt_from};
    int r = ids_check(s, ids, n, e);
    if (r) return r;
    if (n > s->c.max_tokens)
        return err_set(e, ERR_CTX_FULL, "a prompt of %u tokens, but streams hold %u", n, s->c.max_tokens);
    uint32_t best = common(t, ids, n, adapt_from), from = i, limit = watch_limit(s, i, &best);
    for (uint32_t k = 0; k < s->c.streams; k++) {
        uint32_t same = k == i ? 0 : lent(s, i, k, common(&s->stream[k], ids, n, adapt_from));
        if (same >= best + FORK_TOKENS) best = same, from = k;
    }
    limit = min32(limit, n - 1);
    if (kv_find(s->kv, ids, limit, gate) > best) {
        best = kv_stream_find(t->kv, ids, limit, gate);
    } else if (from != i) {
        kv_stream_fork(t->kv, s->stream[from].kv, best);
        if (watched(s, i) && best > s->states.range[i].from) states_copy(&s->states, from, i);
    } else {
        kv_stream_cut(t->kv, best);
    }
    memcpy(t->ids, ids, best * sizeof *ids);
    t->n = best, t->adapt_from = adapt_from, t->offered = 0, t->logits = NULL;
    *held = best;
    return 0;
}

/* Whether the stream's logits are where a pass puts its own. */
static int in_last_pass(const struct session *s, const struct stream *t)
{
    return t->logits && t->logits < s->kept;
}

void session_fork(struct session *s, uint32_t from, uint32_t to, uint32_t n)
{
    const struct stream *a = &s->stream[from];
    struct stream *b = &s->stream[to];
    if (from == to) {
        session_rewind(s, to, n);
        return;
    }
    kv_stream_fork(b->kv, a->kv, n);
    memcpy(b->ids, a->ids, n * sizeof *b->ids);
    b->n = n, b->adapt_from = a->adapt_from, b->offered = 0;
    if (s->c.states.n) states_copy(&s->states, from, to), watch_again(s, to, n);
    b->logits = n == a->n ? a->logits : NULL;
    if (b->logits && !in_last_pass(s, b))
        b->logits = memcpy(s->kept + to * (size_t)s->m->c.vocab, a->logits, s->m->c.vocab * sizeof(float));
}

void session_rewind(struct session *s, uint32_t i, uint32_t n)
{
    struct stream *t = &s->stream[i];
    if (n >= t->n) return;
    watch_again(s, i, n);
    kv_stream_cut(t->kv, n);
    t->n = n, t->logits = NULL;
    if (t->offered > n / KV_PAGE) t->offered = n / KV_PAGE;
}

/* ---- a pass ----------------------------------------------------------------------------------------------
 */

static int part_extend(struct session *s, const struct session_part *p, struct err *e)
{
    const struct stream *t = &s->stream[p->stream];
    if (p->n > s->c.max_tokens - t->n)
        return err_set(e, ERR_CTX_FULL, "stream %u holds %u tokens of the %u it can, %u more do not fit",
                       p->stream, t->n, s->c.max_tokens, p->n);
    return kv_stream_extend(t->kv, p->n, e);
}

/* Makes room for all parts, or for none. */
static int parts_extend(struct session *s, const struct session_part *part, uint32_t parts, struct err *e)
{
    uint64_t rows = 0;
    for (uint32_t k = 0; k < parts; k++) {
        int r = ids_check(s, part[k].ids, part[k].n, e);
        if (r) return r;
        rows += part[k].n;
    }
    if (rows > (uint64_t)s->w.max_rows)
        return err_set(e, ERR_TOO_MANY, "%llu tokens in a pass of at most %lld", (unsigned long long)rows,
                       (long long)s->w.max_rows);
    for (uint32_t k = 0; k < parts; k++) {
        int r = part_extend(s, &part[k], e);
        if (!r) continue;
        while (k-- > 0) kv_stream_cut(s->stream[part[k].stream].kv, s->stream[part[k].stream].n);
        return r;
    }
    return 0;
}

/* Order of streams by their pages: those that begin alike come together. */
static int before(const struct kv_stream *a, const struct kv_stream *b)
{
    uint32_t n = a->pages < b->pages ? a->pages : b->pages;
    for (uint32_t i = 0; i < n; i++)
        if (a->page[i] != b->page[i]) return a->page[i] < b->page[i];
    return a->pages < b->pages;
}

/* By insertion: the order of the last pass is nearly that of this one. */
static void sequence_sort(struct session *s)
{
    for (uint32_t i = 1; i < s->c.streams; i++) {
        uint32_t k = i, stream = s->sequence[i];
        for (; k > 0 && before(s->stream[stream].kv, s->stream[s->sequence[k - 1]].kv); k--)
            s->sequence[k] = s->sequence[k - 1];
        s->sequence[k] = stream;
    }
}

/* Adds the rows of a part that are the base's, or the adapted ones. */
static void rows_add(struct session *s, struct pass *p, const struct session_part *part, int adapted)
{
    struct stream *t = &s->stream[part->stream];
    uint32_t end = t->n + part->n, gate = t->adapt_from < t->n  ? t->n
                                          : t->adapt_from < end ? t->adapt_from
                                                                : end;
    uint32_t from = adapted ? gate : t->n, to = adapted ? end : gate;
    if (from == to) return;
    s->owner[p->segs] = part->stream;
    s->seg[p->segs++] = (struct segment){t->kv, from, p->rows, to - from};
    memcpy(s->ids + p->rows, part->ids + (from - t->n), (to - from) * sizeof *s->ids);
    p->rows += to - from;
}

/* The adapter takes a run of rows at the end, so the base's come first. */
static void pass_plan(struct session *s, struct pass *p, const struct session_part *part, uint32_t parts)
{
    *p = (struct pass){.m = s->m, .lora = s->lora, .ids = s->ids, .seg = s->seg};
    memset(s->part_of, 0, s->c.streams * sizeof *s->part_of);
    for (uint32_t k = 0; k < parts; k++) s->part_of[part[k].stream] = &part[k];
    sequence_sort(s);
    for (int adapted = 0; adapted < 2; adapted++) {
        for (uint32_t k = 0; k < s->c.streams; k++)
            if (s->part_of[s->sequence[k]]) rows_add(s, p, s->part_of[s->sequence[k]], adapted);
        if (!adapted) p->adapt_from = p->rows;
    }
}

/* Logits of streams that are not in this pass stay: they leave the memory that it will use. */
static void logits_keep(struct session *s)
{
    size_t v = s->m->c.vocab;
    for (uint32_t i = 0; i < s->c.streams; i++) {
        struct stream *t = &s->stream[i];
        if (s->part_of[i])
            t->logits = NULL;
        else if (in_last_pass(s, t))
            t->logits = memcpy(s->kept + i * v, t->logits, v * sizeof(float));
    }
}

/* Of the last row of each stream in the pass that is not quiet. */
static void logits_make(struct session *s, const struct pass *p)
{
    size_t v = s->m->c.vocab, d = s->m->c.width, n = 0;
    logits_keep(s);
    for (int64_t k = 0; k < p->segs; k++) {
        const struct segment *g = &p->seg[k];
        struct stream *t = &s->stream[s->owner[k]];
        if (s->part_of[s->owner[k]]->quiet || g->pos + g->rows != t->n) continue;
        memcpy(s->x + n * d, s->w.x + (size_t)(g->row + g->rows - 1) * d, d * sizeof *s->x);
        t->logits = s->logits + n++ * v;
    }
    if (n) forward_logits(s->m, &s->w, (int64_t)n, s->x, s->logits);
}

static void parts_take(struct session *s, const struct session_part *part, uint32_t parts)
{
    struct kv_gate gate = {s->adapter, 0};
    for (uint32_t k = 0; k < parts; k++) {
        struct stream *t = &s->stream[part[k].stream];
        memcpy(t->ids + t->n, part[k].ids, part[k].n * sizeof *t->ids);
        t->n += part[k].n;
        gate.from = t->adapt_from;
        uint32_t most = s->c.cache_base && t->adapt_from < t->n ? t->adapt_from : t->n;
        for (; (t->offered + 1) * KV_PAGE <= most; t->offered++)
            kv_stream_offer(t->kv, t->offered, t->ids + t->offered * KV_PAGE, gate);
    }
}

int session_run(struct session *s, const struct session_part *part, uint32_t parts, struct err *e)
{
    struct pass p;
    int r = parts_extend(s, part, parts, e);
    if (r || !parts) return r;
    pass_plan(s, &p, part, parts);
    if (s->c.states.n && states_begin(&s->states, &p, s->owner)) p.tap = &s->states;
    forward(&p, &s->w);
    parts_take(s, part, parts);
    logits_make(s, &p);
    return 0;
}

int64_t session_rows(const struct session *s)
{
    return s->w.max_rows;
}

int session_step(struct session *s, const uint32_t *stream, const int32_t *token, uint32_t n, struct err *e)
{
    for (uint32_t k = 0; k < n; k++)
        s->step[k] = (struct session_part){.stream = stream[k], .n = 1, .ids = &token[k]};
    return session_run(s, s->step, n, e);
}

int session_sync(struct session *s, uint32_t i, const int32_t *ids, uint32_t n, uint32_t adapt_from,
                 uint32_t *ran, struct err *e)
{
    uint32_t at, most = (uint32_t)s->w.max_rows;
    int r = session_begin(s, i, ids, n, adapt_from, &at, e);
    if (!r && ran) *ran = n - at;
    for (uint32_t some; !r && at < n; at += some) {
        some = n - at < most ? n - at : most;
        struct session_part part = {.stream = i, .n = some, .ids = ids + at, .quiet = at + some < n};
        r = session_run(s, &part, 1, e);
    }
    return r;
}

/* ---- hidden states ------------------------------------------------------------------------------------- */

void session_watch(struct session *s, uint32_t i, uint32_t from, uint32_t to)
{
    if (!s->c.states.n) return;
    const struct states_range *r = &s->states.range[i];
    if (r->from != from || r->to != to) states_watch(&s->states, i, from, to);
}

uint32_t session_states(const struct session *s, uint32_t i, uint32_t k, enum pooling how, float *out)
{
    return s->c.states.n ? states_pool(&s->states, i, k, how, out) : 0;
}

/* ---- what there is ---------------------------------------------------------------------------------------
 */

const float *session_logits(const struct session *s, uint32_t i)
{
    return s->stream[i].logits;
}

float session_logprob(const struct session *s, uint32_t i, int32_t token)
{
    unsigned old = kernels_fp_enter();
    const float *x = session_logits(s, i);
    float r = x[token] - s->m->kern.logsumexp(s->m->c.vocab, x);
    kernels_fp_leave(old);
    return r;
}

const int32_t *session_tokens(const struct session *s, uint32_t i, uint32_t *n)
{
    *n = s->stream[i].n;
    return s->stream[i].ids;
}

const struct model *session_model(const struct session *s)
{
    return s->m;
}

uint32_t session_max_tokens(const struct session *s)
{
    return s->c.max_tokens;
}

uint32_t session_unused_pages(const struct session *s)
{
    return kv_pool_unused(s->kv);
}

uint32_t session_pages_wanted(const struct session *s, uint32_t i, uint32_t tokens)
{
    return kv_stream_wants(s->stream[i].kv, tokens);
}

void session_cache(const struct session *s, struct kv_index_stats *out)
{
    kv_index_stats(s->kv, out);
}
