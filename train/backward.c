#include "train/backward.h"

#include <string.h>

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}
static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---- scratch
 * ------------------------------------------------------------------------------------------------ */

static void carve(struct arena *a, struct back *b, const struct model *m, uint32_t rank, uint32_t max_tokens)
{
    const struct model_config *c = &m->c;
    size_t f = sizeof(float), t = (size_t)b->rows, n = (size_t)b->max_rows, act = m->kern.act_bytes[m->type];
    size_t q = (size_t)c->heads * c->head_dim, kv = (size_t)c->kv_heads * c->head_dim,
           r = (size_t)pad_even(rank);
    size_t widest = (size_t)pad_even(max64(max64(c->width, c->ff), (int64_t)q));
    b->dx = arena_take(a, t * c->width, f);
    b->dq = arena_take(a, t * q, f);
    b->dout = arena_take(a, t * q, f);
    b->dk = arena_take(a, t * kv, f);
    b->dv = arena_take(a, t * kv, f);
    b->in = arena_take(a, n * widest, f);
    b->dn = arena_take(a, n * c->width, f);
    b->g = arena_take(a, n * c->ff, f);
    b->u = arena_take(a, n * c->ff, f);
    b->dg = arena_take(a, n * c->ff, f);
    b->du = arena_take(a, n * c->ff, f);
    b->mid = arena_take(a, n * r, f);
    b->dmid = arena_take(a, n * r, f);
    b->drop = arena_take(a, rank ? n * widest : 0, f);
    b->act = arena_take(a, n * widest, act);
    b->act_mid = arena_take(a, n * r, act);
    size_t panel = panel_bytes(m->type, BACK_DEPTH) * BACK_PANELS;
    size_t attn = attention_back_scratch(m, max_tokens);
    b->thread_bytes = panel > attn ? panel : attn;
    b->thread = arena_take(a, pool_threads(m->pool), b->thread_bytes);
}

uint64_t back_plan(const struct model *m, uint32_t rank, int64_t rows, int64_t chunk, uint32_t max_tokens)
{
    struct arena count = {0};
    struct back b = {.rows = rows, .max_rows = chunk};
    carve(&count, &b, m, rank, max_tokens);
    return count.used;
}

int back_create(struct back *b, const struct model *m, uint32_t rank, int64_t rows, int64_t chunk,
                uint32_t max_tokens, struct err *e)
{
    *b = (struct back){.rows = rows, .max_rows = chunk};
    int r = arena_create(&b->arena, back_plan(m, rank, rows, chunk, max_tokens), "the backward pass", e);
    if (!r) carve(&b->arena, b, m, rank, max_tokens);
    return r;
}

void back_free(struct back *b)
{
    arena_free(&b->arena);
    memset(b, 0, sizeof *b);
}

/* ---- row functions
 * ------------------------------------------------------------------------------------------ */

/* A chunk: the rows of one taped pass. */
struct chunk {
    const struct back_pass *p;
    const struct pass *pass;
    struct back *b;
    uint32_t layer;
    int64_t row, rows; /* in the tape */
    /* arguments of the row functions */
    const void *tape;
    int64_t width;
    float *out;
    const float *x, *norm, *r;
    enum lora_target target;
};

static void rows_run(struct chunk *c, void (*fn)(void *, int64_t, unsigned))
{
    pool_for(c->pass->m->pool, (c->rows + ROWS_A_UNIT - 1) / ROWS_A_UNIT, fn, c);
}

#define EACH_ROW(c, unit, i)                                                                                 \
    for (int64_t i = (unit)*ROWS_A_UNIT, end_ = min64(i + ROWS_A_UNIT, (c)->rows); i < end_; i++)

static void load_unit(void *ctx, int64_t unit, unsigned thread)
{
    (void)thread;
    const struct chunk *c = ctx;
    const struct model *m = c->pass->m;
    EACH_ROW(c, unit, i)
    {
        int64_t at = (c->row + i) * c->width;
        if (m->type == WT_BF16)
            m->kern.from_bf16(c->width, (const uint16_t *)c->tape + at, c->out + i * c->width);
        else
            memcpy(c->out + i * c->width, (const float *)c->tape + at, (size_t)c->width * sizeof(float));
    }
}

/* [rows][width] of the tape, in the model's type, to fp32. */
static void load(struct chunk *c, const void *tape, int64_t width, float *out)
{
    c->tape = tape, c->width = width, c->out = out;
    rows_run(c, load_unit);
}

/* c->out = the norm's output again, as the products took it. */
static void norm_unit(void *ctx, int64_t unit, unsigned thread)
{
    (void)thread;
    const struct chunk *c = ctx;
    const struct model *m = c->pass->m;
    int64_t d = m->c.width;
    EACH_ROW(c, unit, i)
    {
        float *y = c->out + i * d;
        m->kern.rmsnorm(d, (float)m->c.rms_eps, c->x + (c->row + i) * d, c->norm, y);
        if (m->type == WT_BF16) m->kern.round_bf16(d, y);
    }
}

static void norm_back_unit(void *ctx, int64_t unit, unsigned thread)
{
    (void)thread;
    const struct chunk *c = ctx;
    const struct model *m = c->pass->m;
    int64_t d = m->c.width;
    EACH_ROW(c, unit, i)
    {
        int64_t t = c->row + i;
        m->kern.rmsnorm_back(d, c->x + t * d, c->norm, c->r[t], c->b->dn + i * d, c->b->dx + t * d, NULL);
    }
}

/* g, u -> in = silu(g) u, as the product took it. */
static void silu_unit(void *ctx, int64_t unit, unsigned thread)
{
    (void)thread;
    const struct chunk *c = ctx;
    const struct model *m = c->pass->m;
    int64_t f = m->c.ff;
    EACH_ROW(c, unit, i)
    {
        m->kern.silu_mul(f, c->b->g + i * f, c->b->u + i * f, c->b->in + i * f);
        if (m->type == WT_BF16) m->kern.round_bf16(f, c->b->in + i * f);
    }
}

static void silu_back_unit(void *ctx, int64_t unit, unsigned thread)
{
    (void)thread;
    const struct chunk *c = ctx;
    const struct model *m = c->pass->m;
    struct back *b = c->b;
    int64_t f = m->c.ff;
    EACH_ROW(c, unit, i)
    m->kern.silu_mul_back(f, b->g + i * f, b->u + i * f, b->dg + i * f, b->dg + i * f, b->du + i * f);
}

static void rotate_back_unit(void *ctx, int64_t unit, unsigned thread)
{
    (void)thread;
    const struct chunk *c = ctx;
    const struct model *m = c->pass->m;
    int64_t k = m->c.head_dim, q = m->c.heads * k, kv = m->c.kv_heads * k;
    float minus_sin[512];
    EACH_ROW(c, unit, i)
    {
        const struct segment *s = c->pass->seg;
        while (i >= s->row + s->rows) s++;
        int64_t at = (s->pos + i - s->row) * (k / 2), t = c->row + i;
        for (int64_t j = 0; j < k / 2; j++) minus_sin[j] = -m->sin[at + j];
        for (int64_t h = 0; h < q; h += k) m->kern.rope(k, m->cos + at, minus_sin, c->b->dq + t * q + h);
        for (int64_t h = 0; h < kv; h += k) m->kern.rope(k, m->cos + at, minus_sin, c->b->dk + t * kv + h);
    }
}

/* The dropped-out input of an adapter again, or (in place) the mask on a gradient: the same function. */
static void dropout_unit(void *ctx, int64_t unit, unsigned thread)
{
    (void)thread;
    const struct chunk *c = ctx;
    const struct model *m = c->pass->m;
    const struct dropout *d = &c->pass->dropout;
    uint32_t threshold = (uint32_t)((double)d->p * 4294967296.0);
    EACH_ROW(c, unit, i)
    {
        float *y = c->out + i * c->width;
        m->kern.dropout(c->width, dropout_key(d->key[i], c->layer, c->target), threshold,
                        1.0f / (1.0f - d->p), c->x + i * c->width, y);
    }
}

static void dropout_apply(struct chunk *c, enum lora_target t, int64_t width, const float *x, float *y)
{
    c->target = t, c->width = width, c->x = x, c->out = y;
    rows_run(c, dropout_unit);
}

static void round_if_bf16(const struct model *m, int64_t n, float *x)
{
    if (m->type == WT_BF16) m->kern.round_bf16(n, x);
}

/* dw[j] += sum over rows of dy[i][j], rows in order. */
static void bias_back(const struct model *m, int64_t rows, int64_t n, const float *dy, float *dw)
{
    for (int64_t i = 0; dw && i < rows; i++) m->kern.add(n, dy + i * n, dw);
}

static float *dense_grad(const struct chunk *c, enum param p)
{
    float **dense = c->p->grads->dense;
    return dense ? dense[params_slot(&c->pass->m->c, p, c->layer)] : NULL;
}

/* The gradient of a norm's weight, rows in order; then of its input, into dx. */
static void norm_back(struct chunk *c, enum param p, const float *x, const float *r)
{
    const struct model *m = c->pass->m;
    int64_t d = m->c.width;
    float *dw = dense_grad(c, p);
    c->x = x, c->r = r, c->norm = model_vec(m, p, c->layer);
    for (int64_t i = 0; dw && i < c->rows; i++) {
        memset(c->b->in, 0, (size_t)d * sizeof(float));
        m->kern.rmsnorm_back(d, x + (c->row + i) * d, c->norm, r[c->row + i], c->b->dn + i * d, c->b->in, dw);
    }
    rows_run(c, norm_back_unit);
}

/* ---- one product
 * ------------------------------------------------------------------------------------------------ */

/* dmid, dA, dB and the adapter's part of din. b->act holds dy packed. */
static void adapter_back(struct chunk *c, enum lora_target t, const float *in, const float *dy, float *din)
{
    const struct pass *p = c->pass;
    const struct model *m = p->m;
    struct back *b = c->b;
    const struct weight *wa = lora_a(p->lora, c->layer, t), *wb = lora_b(p->lora, c->layer, t);
    int64_t rows = c->rows, r = wa->n, k = wa->k, n = wb->n;
    float *da = c->p->grads->adapter + adapter_offset_a(c->p->adapter, c->layer, t);
    float *db = c->p->grads->adapter + adapter_offset_b(c->p->adapter, c->layer, t);
    load(c, c->p->tape->layer[c->layer].h[t], r, b->mid);
    outer_add(m->pool, n, r, rows, dy, n, b->mid, r, db);
    matmul_back(m, b, wb, rows, b->act, pad_even(n), b->dmid, r, 0);
    m->kern.scale(rows * r, p->lora->scale, b->dmid, b->dmid);
    const float *x = in;
    if (p->dropout.p > 0) {
        dropout_apply(c, t, k, in, b->drop);
        round_if_bf16(m, rows * k, b->drop);
        x = b->drop;
    }
    outer_add(m->pool, r, k, rows, b->dmid, r, x, k, da);
    matmul_pack(m, rows, r, b->dmid, r, b->act_mid, pad_even(r));
    if (p->dropout.p > 0) {
        matmul_back(m, b, wa, rows, b->act_mid, pad_even(r), b->drop, k, 0);
        dropout_apply(c, t, k, b->drop, b->drop);
        m->kern.add(rows * k, b->drop, din);
    } else
        matmul_back(m, b, wa, rows, b->act_mid, pad_even(r), din, k, 1);
}

/* y = W in (+ adapter): din [rows][k] (+)= ..., weight gradients added. in: as the product took it. */
static void project_back(struct chunk *c, enum lora_target t, const float *in, const float *dy, float *din,
                         int accumulate)
{
    const struct pass *p = c->pass;
    const struct model *m = p->m;
    const struct weight *w = model_mat(m, lora_param[t], c->layer);
    float *dw = dense_grad(c, lora_param[t]);
    matmul_pack(m, c->rows, w->n, dy, w->n, c->b->act, pad_even(w->n));
    matmul_back(m, c->b, w, c->rows, c->b->act, pad_even(w->n), din, w->k, accumulate);
    if (dw) outer_add(m->pool, w->n, w->k, c->rows, dy, w->n, in, w->k, dw);
    if (c->p->grads->adapter && p->lora && p->lora->targets & (1u << t)) adapter_back(c, t, in, dy, din);
}

/* ---- one layer
 * ---------------------------------------------------------------------------------------------------- */

static void mlp_back(struct chunk *c)
{
    const struct layer_tape *tape = &c->p->tape->layer[c->layer];
    const struct model *m = c->pass->m;
    struct back *b = c->b;
    int64_t d = m->c.width, f = m->c.ff;
    load(c, tape->g, f, b->g);
    load(c, tape->u, f, b->u);
    rows_run(c, silu_unit);
    project_back(c, LORA_DOWN, b->in, b->dx + c->row * d, b->dg, 0);
    rows_run(c, silu_back_unit);
    c->x = tape->x_mid, c->norm = model_vec(m, P_NORM2, c->layer), c->out = b->in;
    rows_run(c, norm_unit);
    project_back(c, LORA_GATE, b->in, b->dg, b->dn, 0);
    project_back(c, LORA_UP, b->in, b->du, b->dn, 1);
    norm_back(c, P_NORM2, tape->x_mid, tape->r2);
}

static void output_back(struct chunk *c)
{
    const struct model *m = c->pass->m;
    int64_t q = (int64_t)m->c.heads * m->c.head_dim;
    load(c, c->p->tape->layer[c->layer].o, q, c->b->in);
    project_back(c, LORA_O, c->b->in, c->b->dx + c->row * m->c.width, c->b->dout + c->row * q, 0);
}

static void inputs_back(struct chunk *c)
{
    const struct layer_tape *tape = &c->p->tape->layer[c->layer];
    const struct model *m = c->pass->m;
    struct back *b = c->b;
    int64_t q = (int64_t)m->c.heads * m->c.head_dim, kv = (int64_t)m->c.kv_heads * m->c.head_dim;
    float *dq = b->dq + c->row * q, *dk = b->dk + c->row * kv, *dv = b->dv + c->row * kv;
    rows_run(c, rotate_back_unit);
    bias_back(m, c->rows, q, dq, dense_grad(c, P_QB));
    bias_back(m, c->rows, kv, dk, dense_grad(c, P_KB));
    bias_back(m, c->rows, kv, dv, dense_grad(c, P_VB));
    c->x = tape->x_in, c->norm = model_vec(m, P_NORM1, c->layer), c->out = b->in;
    rows_run(c, norm_unit);
    project_back(c, LORA_Q, b->in, dq, b->dn, 0);
    project_back(c, LORA_K, b->in, dk, b->dn, 1);
    project_back(c, LORA_V, b->in, dv, b->dn, 1);
    norm_back(c, P_NORM1, tape->x_in, tape->r1);
}

static void each_chunk(const struct back_pass *p, struct back *b, uint32_t layer, void (*fn)(struct chunk *))
{
    for (int64_t i = 0; i < p->passes; i++) {
        struct chunk c = {.p = p, .pass = &p->pass[i], .b = b, .layer = layer};
        c.row = p->pass[i].tape_row, c.rows = p->pass[i].rows;
        fn(&c);
    }
}

/* Fills the shared slot of the tape again, by the forward's own code. The last layer's is still there. */
static void recompute(struct chunk *c)
{
    struct tape *t = c->p->tape;
    struct workspace *w = c->p->w;
    int64_t d = c->pass->m->c.width;
    if (t->recompute == RECOMPUTE_NONE || c->layer + 1 == c->pass->m->c.layers) return;
    const float *from = t->recompute == RECOMPUTE_LAYER ? t->layer[c->layer].x_in : t->layer[c->layer].x_mid;
    memcpy(w->x, from + c->row * d, (size_t)(c->rows * d) * sizeof *from);
    if (t->recompute == RECOMPUTE_LAYER)
        forward_layer(c->pass, w, c->layer);
    else
        forward_mlp(c->pass, w, c->layer);
}

static void embedding_back(struct chunk *c)
{
    const struct model *m = c->pass->m;
    float **dense = c->p->grads->dense;
    float *dw = dense ? dense[params_slot(&m->c, P_EMBED, 0)] : NULL;
    int64_t d = m->c.width;
    for (int64_t i = 0; dw && i < c->rows; i++)
        m->kern.add(d, c->b->dx + (c->row + i) * d, dw + c->pass->ids[i] * d);
}

void backward(const struct back_pass *p, struct back *b)
{
    unsigned old = kernels_fp_enter();
    b->rows = p->pass[p->passes - 1].tape_row + p->pass[p->passes - 1].rows;
    for (uint32_t layer = p->pass->m->c.layers; layer-- > 0;) {
        each_chunk(p, b, layer, recompute);
        each_chunk(p, b, layer, mlp_back);
        each_chunk(p, b, layer, output_back);
        attention_back(p, b, layer);
        each_chunk(p, b, layer, inputs_back);
    }
    each_chunk(p, b, 0, embedding_back);
    kernels_fp_leave(old);
}
