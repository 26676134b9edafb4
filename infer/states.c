#include "infer/states.h"
#include "infer/forward.h"

#include <string.h>

const char *const pooling_names[POOL_COUNT] = {"last", "mean", "ema"};

enum { COLUMNS = 128 }; /* of a unit of work */

int states_config_check(const struct states_config *c, uint32_t layers, struct err *e)
{
    if (c->n > STATES_MAX_DEPTHS)
        return err_set(e, ERR_FIELD_RANGE, "states of %u depths, the limit is %d", c->n, STATES_MAX_DEPTHS);
    for (uint32_t i = 0; i < c->n; i++) {
        if (c->depth[i] > layers && c->depth[i] != STATES_FINAL)
            return err_set(e, ERR_FIELD_RANGE,
                           "states after layer %u, but the model has %u layers (0: the embeddings)",
                           c->depth[i], layers);
        for (uint32_t k = 0; k < i; k++)
            if (c->depth[k] == c->depth[i])
                return err_set(e, ERR_FIELD_RANGE, "states of one layer are asked for twice");
    }
    return 0;
}

void states_carve(struct states *s, struct arena *a, const struct states_config *c, uint32_t width,
                  uint32_t streams)
{
    size_t n = (size_t)streams * c->n * width;
    s->c = *c, s->width = width, s->streams = streams;
    s->range = arena_take(a, c->n ? streams : 0, sizeof *s->range);
    s->last = arena_take(a, n, sizeof *s->last);
    s->sum = arena_take(a, n, sizeof *s->sum);
    s->chunk = arena_take(a, n, sizeof *s->chunk);
    s->ema = arena_take(a, n, sizeof *s->ema);
}

static size_t place(const struct states *s, uint32_t stream, uint32_t k)
{
    return ((size_t)stream * s->c.n + k) * s->width;
}

bool states_begin(struct states *s, const struct pass *p, const uint32_t *owner)
{
    bool any = false;
    for (uint32_t i = 0; i < s->streams; i++)
        s->range[i].rows[0] = s->range[i].rows[1] = 0, s->range[i].done = s->range[i].next - s->range[i].from;
    for (int64_t k = 0; k < p->segs; k++) {
        const struct segment *g = &p->seg[k];
        struct states_range *r = &s->range[owner[k]];
        uint32_t end = g->pos + (uint32_t)g->rows, to = r->to < end ? r->to : end, half = r->rows[0] > 0;
        if (r->next < g->pos || r->next >= to) continue;
        r->row[half] = g->row + (r->next - g->pos), r->rows[half] = to - r->next;
        r->next = to, any = true;
    }
    return any;
}

/* ---- adding up ----------------------------------------------------------------------------------------- */

struct take_job {
    struct states *s;
    const struct model *m;
    const float *x; /* [rows][width] */
    float *xn;
    uint32_t k;
};

/* A chunk is whole: it joins those before. `nth` counts from 0. */
static void fold(struct states *s, size_t at, uint32_t columns, uint32_t nth)
{
    double *sum = s->sum + at, *chunk = s->chunk + at, *ema = s->ema + at;
    for (uint32_t i = 0; i < columns; i++) {
        double mean = chunk[i] / STATES_CHUNK;
        ema[i] = nth ? ema[i] + 0.5 * (mean - ema[i]) : mean;
        sum[i] += chunk[i];
        chunk[i] = 0;
    }
}

/* One unit a stream and so many columns. */
static void take_unit(void *ctx, int64_t unit, unsigned thread)
{
    (void)thread;
    const struct take_job *j = ctx;
    struct states *s = j->s;
    uint32_t blocks = (s->width + COLUMNS - 1) / COLUMNS, from = (uint32_t)(unit % blocks) * COLUMNS;
    uint32_t columns = s->width - from < COLUMNS ? s->width - from : COLUMNS;
    const struct states_range *r = &s->range[unit / blocks];
    uint32_t done = r->done;
    size_t at = place(s, (uint32_t)(unit / blocks), j->k) + from;
    for (uint32_t half = 0; half < 2; half++)
        for (uint32_t row = 0; row < r->rows[half]; row++) {
            const float *x = j->x + (r->row[half] + row) * s->width + from;
            for (uint32_t i = 0; i < columns; i++) s->chunk[at + i] += (double)x[i];
            if (++done % STATES_CHUNK == 0) fold(s, at, columns, done / STATES_CHUNK - 1);
            memcpy(s->last + at, x, columns * sizeof *x);
        }
}

static void norm_unit(void *ctx, int64_t stream, unsigned thread)
{
    (void)thread;
    const struct take_job *j = ctx;
    const struct model *m = j->m;
    const struct states_range *r = &j->s->range[stream];
    int64_t d = m->c.width;
    for (uint32_t half = 0; half < 2; half++)
        for (int64_t row = r->row[half], end = row + r->rows[half]; row < end; row++)
            m->kern.rmsnorm(d, (float)m->c.rms_eps, j->x + row * d, model_vec(m, P_NORM, 0), j->xn + row * d);
}

void states_take(struct states *s, const struct pass *p, struct workspace *w, uint32_t depth)
{
    struct take_job j = {.s = s, .m = p->m, .xn = w->xn};
    int64_t blocks = (s->width + COLUMNS - 1) / COLUMNS;
    for (j.k = 0; j.k < s->c.n; j.k++) {
        bool final = s->c.depth[j.k] == STATES_FINAL && depth == p->m->c.layers;
        if (s->c.depth[j.k] != depth && !final) continue;
        j.x = w->x;
        if (final) pool_for(p->m->pool, s->streams, norm_unit, &j), j.x = w->xn;
        pool_for(p->m->pool, s->streams * blocks, take_unit, &j);
    }
}

/* ---- ranges -------------------------------------------------------------------------------------------- */

void states_watch(struct states *s, uint32_t stream, uint32_t from, uint32_t to)
{
    size_t at = place(s, stream, 0), n = (size_t)s->c.n * s->width;
    s->range[stream] = (struct states_range){.from = from, .next = from, .to = to};
    memset(s->sum + at, 0, n * sizeof *s->sum);
    memset(s->chunk + at, 0, n * sizeof *s->chunk);
}

void states_copy(struct states *s, uint32_t from, uint32_t to)
{
    size_t a = place(s, from, 0), b = place(s, to, 0), n = (size_t)s->c.n * s->width;
    states_watch(s, to, s->range[from].from, s->range[from].to);
    if (s->range[from].next == s->range[from].from) return;
    s->range[to] = s->range[from];
    memcpy(s->last + b, s->last + a, n * sizeof *s->last);
    memcpy(s->sum + b, s->sum + a, n * sizeof *s->sum);
    memcpy(s->chunk + b, s->chunk + a, n * sizeof *s->chunk);
    memcpy(s->ema + b, s->ema + a, n * sizeof *s->ema);
}

uint32_t states_pool(const struct states *s, uint32_t stream, uint32_t k, enum pooling how, float *out)
{
    const struct states_range *r = &s->range[stream];
    uint32_t n = r->next - r->from, rest = n % STATES_CHUNK;
    size_t at = place(s, stream, k);
    const double *sum = s->sum + at, *chunk = s->chunk + at, *ema = s->ema + at;
    double weight = 0.5 * rest / STATES_CHUNK;
    if (!n) return 0;
    unsigned old = kernels_fp_enter();
    for (uint32_t i = 0; i < s->width; i++) {
        if (how == POOL_LAST)
            out[i] = s->last[at + i];
        else if (how == POOL_MEAN || n <= STATES_CHUNK)
            out[i] = (float)((sum[i] + chunk[i]) / n);
        else
            out[i] = (float)(rest ? ema[i] + weight * (chunk[i] / rest - ema[i]) : ema[i]);
    }
    kernels_fp_leave(old);
    return n;
}
