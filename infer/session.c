#include "infer/session.h"

#include <stdlib.h>
#include <string.h>

struct stream {
    struct kv_stream *kv;
    int32_t *ids;        /* [max_tokens] */
    uint32_t n;          /* tokens held; also kv->length */
    uint32_t adapt_from; /* first adapted token */
};

struct session {
    const struct model *m;
    const struct lora *lora;
    struct session_config c;
    struct kv_pool *kv;
    struct workspace w;
    struct stream *stream;
    float *logits;       /* [streams][V] */
    float *x;            /* [streams][D] residuals whose logits are wanted */
    struct segment *seg; /* [streams] of a step */
    int32_t *ids;        /* [streams] of a step */
    uint32_t *order;     /* [streams] of a step: base streams first */
    float *step_logits;  /* [streams][V] in the step's order */
    struct arena arena;
};

static int64_t max_rows(const struct session_config *c)
{
    int64_t prefill = c->prefill ? c->prefill : SESSION_PREFILL;
    return prefill > c->streams ? prefill : c->streams;
}

static uint32_t pages(const struct session_config *c)
{
    return c->streams * ((c->max_tokens + KV_PAGE - 1) / KV_PAGE);
}

static void carve(struct arena *a, struct session *s)
{
    size_t n = s->c.streams;
    s->stream = arena_take(a, n, sizeof *s->stream);
    s->logits = arena_take(a, n * s->m->c.vocab, sizeof(float));
    s->step_logits = arena_take(a, n * s->m->c.vocab, sizeof(float));
    s->x = arena_take(a, n * s->m->c.width, sizeof(float));
    s->seg = arena_take(a, n, sizeof *s->seg);
    s->ids = arena_take(a, n, sizeof *s->ids);
    s->order = arena_take(a, n, sizeof *s->order);
    for (size_t i = 0; i < n; i++) {
        int32_t *ids = arena_take(a, s->c.max_tokens, sizeof *ids);
        if (s->stream) s->stream[i].ids = ids;
    }
}

uint64_t session_plan(const struct model *m, const struct lora *lora, const struct session_config *c)
{
    struct arena count = {0};
    struct session s = {.m = m, .c = *c};
    carve(&count, &s);
    return count.used + kv_pool_plan(m, pages(c)) + workspace_plan(m, max_rows(c), lora ? lora->rank : 0, 0);
}

static int parts_create(struct session *s, struct err *e)
{
    struct arena count = {0};
    carve(&count, s);
    int r = arena_create(&s->arena, count.used, "a session", e);
    if (r) return r;
    carve(&s->arena, s);
    if ((r = kv_pool_create(&s->kv, s->m, pages(&s->c), e))) return r;
    if ((r = workspace_create(&s->w, s->m, max_rows(&s->c), s->lora ? s->lora->rank : 0, 0, e))) return r;
    for (uint32_t i = 0; i < s->c.streams; i++)
        if ((r = kv_stream_create(&s->stream[i].kv, s->kv, s->c.max_tokens, e))) return r;
    return 0;
}

int session_create(struct session **out, const struct model *m, const struct lora *lora,
                   const struct session_config *c, struct err *e)
{
    *out = NULL;
    if (c->max_tokens > m->context)
        return err_set(e, ERR_CTX_FULL, "streams of %u tokens, but the model's context is %u", c->max_tokens,
                       m->context);
    struct session *s = calloc(1, sizeof *s);
    if (!s) return err_set(e, ERR_NOMEM, "no memory for a session");
    s->m = m, s->lora = lora, s->c = *c;
    int r = parts_create(s, e);
    if (r) {
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

static int ids_check(const struct session *s, const int32_t *ids, uint32_t n, struct err *e)
{
    for (uint32_t i = 0; i < n; i++)
        if ((uint32_t)ids[i] >= s->m->c.vocab)
            return err_set(e, ERR_TOKEN_RANGE, "token %d at %u, expected 0 to %u", ids[i], i,
                           s->m->c.vocab - 1);
    return 0;
}

/* Tokens of the stream that stay: the common prefix, as far as both gates agree, short of the last token. */
static uint32_t kept(const struct stream *t, const int32_t *ids, uint32_t n, uint32_t adapt_from)
{
    uint32_t same = 0, low = adapt_from < t->adapt_from ? adapt_from : t->adapt_from;
    while (same < t->n && same < n - 1 && t->ids[same] == ids[same]) same++;
    return adapt_from == t->adapt_from || same < low ? same : low;
}

/* Runs tokens [from, to) of a stream whose KV holds them; all of one gate. */
static void run(struct session *s, const struct stream *t, uint32_t from, uint32_t to)
{
    while (from < to) {
        int64_t n = to - from < s->w.max_rows ? to - from : s->w.max_rows;
        struct segment seg = {t->kv, from, 0, n};
        struct pass p = {.m = s->m, .lora = s->lora, .rows = n, .ids = t->ids + from, .seg = &seg, .segs = 1};
        p.adapt_from = from >= t->adapt_from ? 0 : n;
        forward(&p, &s->w);
        memcpy(s->x, s->w.x + (n - 1) * s->m->c.width, s->m->c.width * sizeof *s->x);
        from += (uint32_t)n;
    }
}

int session_sync(struct session *s, uint32_t i, const int32_t *ids, uint32_t n, uint32_t adapt_from,
                 uint32_t *ran, struct err *e)
{
    struct stream *t = &s->stream[i];
    int r = ids_check(s, ids, n, e);
    if (r) return r;
    if (n > s->c.max_tokens)
        return err_set(e, ERR_CTX_FULL, "a prompt of %u tokens, but streams hold %u", n, s->c.max_tokens);
    uint32_t from = kept(t, ids, n, adapt_from);
    session_rewind(s, i, from);
    if ((r = kv_stream_extend(t->kv, n - from, e))) return r;
    memcpy(t->ids + from, ids + from, (n - from) * sizeof *ids);
    t->n = n, t->adapt_from = adapt_from;
    uint32_t gate = adapt_from < from ? from : adapt_from > n ? n : adapt_from;
    run(s, t, from, gate);
    run(s, t, gate, n);
    forward_logits(s->m, &s->w, 1, s->x, s->logits + (size_t)i * s->m->c.vocab);
    if (ran) *ran = n - from;
    return 0;
}

/* Base streams first: the adapter takes a run of rows at the end. Returns the first adapted row. */
static uint32_t step_order(struct session *s, const uint32_t *stream, uint32_t n)
{
    uint32_t rows = 0, base;
    for (uint32_t k = 0; k < n; k++)
        if (s->stream[stream[k]].n < s->stream[stream[k]].adapt_from) s->order[rows++] = k;
    base = rows;
    for (uint32_t k = 0; k < n; k++)
        if (s->stream[stream[k]].n >= s->stream[stream[k]].adapt_from) s->order[rows++] = k;
    return base;
}

static int step_extend(struct session *s, const uint32_t *stream, uint32_t n, struct err *e)
{
    for (uint32_t k = 0; k < n; k++) {
        const struct stream *t = &s->stream[stream[k]];
        int r = t->n < s->c.max_tokens
                    ? kv_stream_extend(t->kv, 1, e)
                    : err_set(e, ERR_CTX_FULL, "stream %u holds %u tokens, the most it can", stream[k], t->n);
        if (!r) continue;
        while (k-- > 0) kv_stream_cut(s->stream[stream[k]].kv, s->stream[stream[k]].n);
        return r;
    }
    return 0;
}

int session_step(struct session *s, const uint32_t *stream, const int32_t *token, uint32_t n, struct err *e)
{
    int r = ids_check(s, token, n, e);
    if (r || n == 0 || (r = step_extend(s, stream, n, e))) return r;
    struct pass p = {.m = s->m, .lora = s->lora, .rows = n, .ids = s->ids, .seg = s->seg, .segs = n};
    size_t v = s->m->c.vocab;
    p.adapt_from = step_order(s, stream, n);
    for (uint32_t row = 0; row < n; row++) {
        struct stream *t = &s->stream[stream[s->order[row]]];
        s->ids[row] = t->ids[t->n] = token[s->order[row]];
        s->seg[row] = (struct segment){t->kv, t->n++, row, 1};
    }
    forward(&p, &s->w);
    forward_logits(s->m, &s->w, n, s->w.x, s->step_logits);
    for (uint32_t row = 0; row < n; row++)
        memcpy(s->logits + stream[s->order[row]] * v, s->step_logits + row * v, v * sizeof(float));
    return 0;
}

const float *session_logits(const struct session *s, uint32_t i)
{
    return s->logits + (size_t)i * s->m->c.vocab;
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

float session_logprob(const struct session *s, uint32_t i, int32_t token)
{
    unsigned old = kernels_fp_enter();
    const float *x = session_logits(s, i);
    float r = x[token] - s->m->kern.logsumexp(s->m->c.vocab, x);
    kernels_fp_leave(old);
    return r;
}

void session_rewind(struct session *s, uint32_t i, uint32_t n)
{
    struct stream *t = &s->stream[i];
    if (n >= t->n) return;
    kv_stream_cut(t->kv, n);
    t->n = n;
}
