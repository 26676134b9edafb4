#include "infer/forward.h"

#include <string.h>

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}
static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---- workspace ----------------------------------------------------------------------------------------- */

static void carve(struct arena *a, struct workspace *w, const struct model *m, int64_t rows, uint32_t rank,
                  int with_dropout)
{
    const struct model_config *c = &m->c;
    size_t n = (size_t)rows, q = (size_t)c->heads * c->head_dim, kv = (size_t)c->kv_heads * c->head_dim;
    size_t widest = (size_t)pad_even(max64(max64(c->width, c->ff), (int64_t)q)), f = sizeof(float);
    size_t act = m->kern.act_bytes[m->type], r = (size_t)pad_even(rank);
    w->max_rows = rows;
    w->x = arena_take(a, n * c->width, f);
    w->xn = arena_take(a, n * c->width, f);
    w->q = arena_take(a, n * q, f);
    w->k = arena_take(a, n * kv, f);
    w->v = arena_take(a, n * kv, f);
    w->o = arena_take(a, n * q, f);
    w->y = arena_take(a, n * c->width, f);
    w->g = arena_take(a, n * c->ff, f);
    w->u = arena_take(a, n * c->ff, f);
    w->h = arena_take(a, WORKSPACE_MIDDLES * n * r, f);
    w->drop = arena_take(a, with_dropout ? n * widest : 0, f);
    w->act = arena_take(a, n * widest, act);
    w->act8 = arena_take(a, m->act8 ? n : 0, act8_row(m, (int64_t)widest + GROUP - 1));
    w->act_drop = arena_take(a, with_dropout ? n * widest : 0, act);
    w->act_mid = arena_take(a, WORKSPACE_MIDDLES * n * r, act);
    w->attn_bytes = attention_scratch(m);
    w->attn = arena_take(a, pool_threads(m->pool), w->attn_bytes);
    w->attn_split = arena_take(a, attention_split_bytes(m), 1);
}

uint64_t workspace_plan(const struct model *m, int64_t max_rows, uint32_t lora_rank, int with_dropout)
{
    struct arena count = {0};
    struct workspace w;
    carve(&count, &w, m, max_rows, lora_rank, with_dropout);
    return count.used;
}

int workspace_create(struct workspace *w, const struct model *m, int64_t max_rows, uint32_t lora_rank,
                     int with_dropout, struct err *e)
{
    memset(w, 0, sizeof *w);
    uint64_t bytes = workspace_plan(m, max_rows, lora_rank, with_dropout);
    int r = arena_create(&w->arena, bytes, "the forward pass", e);
    if (!r) carve(&w->arena, w, m, max_rows, lora_rank, with_dropout);
    return r;
}

void workspace_free(struct workspace *w)
{
    arena_free(&w->arena);
    memset(w, 0, sizeof *w);
}

/* ---- the tape ------------------------------------------------------------------------------------------ */

/* One row of a [T][width] tape kept in the model's type. */
static void keep_row(const struct pass *p, void *tape, int64_t width, int64_t row, const float *x)
{
    if (!tape) return;
    int64_t at = (p->tape_row + row) * width;
    if (p->m->type == WT_BF16)
        p->m->kern.to_bf16(width, x, (uint16_t *)tape + at);
    else
        memcpy((float *)tape + at, x, (size_t)width * sizeof *x);
}

static void keep_row_f32(const struct pass *p, float *tape, int64_t width, int64_t row, const float *x)
{
    if (tape) memcpy(tape + (p->tape_row + row) * width, x, (size_t)width * sizeof *x);
}

static const struct layer_tape no_tape;

static const struct layer_tape *tape_of(const struct pass *p, uint32_t layer)
{
    return p->tape ? &p->tape[layer] : &no_tape;
}

/* ---- row functions, a few rows a unit ------------------------------------------------------------------ */

struct rows_job {
    const struct pass *p;
    struct workspace *w;
    int64_t each; /* rows of a unit */
    uint32_t layer;
    const float *norm;
    float *x_tape, *r_tape; /* what rmsnorm takes and returns; NULL without a tape */
    bool join;              /* y joins the residual first */
    const float *in;
    enum lora_target target;
};

static size_t act_offset(const struct pass *p, int64_t row, int64_t k)
{
    return (size_t)(row * pad_even(k)) * p->m->kern.act_bytes[p->m->type];
}

/* Rows [from, to) of x [rows][k], as the products of the model, and of an adapter, want them. */
static void pack_rows(const struct pass *p, struct workspace *w, int64_t from, int64_t to, int64_t k,
                      const float *x)
{
    const struct model *m = p->m;
    if (p->lora || !m->all_act8)
        m->kern.act_pack[m->type](to - from, k, x + from * k, k, (char *)w->act + act_offset(p, from, k),
                                  pad_even(k));
    if (m->act8 && k % GROUP == 0)
        m->kern.act8_pack(to - from, k, x + from * k, k, (char *)w->act8 + (size_t)from * act8_row(m, k));
}

static void rows_run(const struct pass *p, void (*fn)(void *, int64_t, unsigned), struct rows_job *j)
{
    j->each = rows_a_unit(p->m, p->rows);
    pool_for(p->m->pool, (p->rows + j->each - 1) / j->each, fn, j);
}

#define EACH_ROW(j, unit, i)                                                                                 \
    for (int64_t i = (unit) * (j)->each, end_ = min64(i + (j)->each, (j)->p->rows); i < end_; i++)

static void embed_unit(void *ctx, int64_t unit, unsigned thread)
{
    (void)thread;
    struct rows_job *j = ctx;
    const struct model *m = j->p->m;
    const struct weight *e = model_mat(m, P_EMBED, 0);
    EACH_ROW(j, unit, i) m->kern.panel_row[e->type](j->p->ids[i], e->k, e->panels, j->w->x + i * e->k);
}

static void norm_unit(void *ctx, int64_t unit, unsigned thread)
{
    (void)thread;
    struct rows_job *j = ctx;
    const struct model *m = j->p->m;
    int64_t d = m->c.width, from = unit * j->each;
    float eps = (float)m->c.rms_eps;
    EACH_ROW(j, unit, i)
    {
        if (j->join) m->kern.add(d, j->w->y + i * d, j->w->x + i * d);
        float r = m->kern.rmsnorm(d, eps, j->w->x + i * d, j->norm, j->w->xn + i * d);
        keep_row_f32(j->p, j->x_tape, d, i, j->w->x + i * d);
        keep_row_f32(j->p, j->r_tape, 1, i, &r);
    }
    pack_rows(j->p, j->w, from, min64(from + j->each, j->p->rows), d, j->w->xn);
}

static void residual_unit(void *ctx, int64_t unit, unsigned thread)
{
    (void)thread;
    struct rows_job *j = ctx;
    int64_t d = j->p->m->c.width;
    EACH_ROW(j, unit, i) j->p->m->kern.add(d, j->w->y + i * d, j->w->x + i * d);
}

static const struct segment *segment_of(const struct pass *p, int64_t row)
{
    const struct segment *s = p->seg;
    while (row >= s->row + s->rows) s++;
    return s;
}

/* Each row is a stream's next token. */
static bool is_step(const struct pass *p)
{
    return p->segs == p->rows;
}

/* Adds the biases and rotates queries and keys; stores keys and values where rows are of different pages
 * (neighbours in a page share cache lines, which two threads would fight for). */
static void rotate_unit(void *ctx, int64_t unit, unsigned thread)
{
    (void)thread;
    struct rows_job *j = ctx;
    const struct model *m = j->p->m;
    const struct kernels *kn = &m->kern;
    int64_t k = m->c.head_dim, q = m->c.heads * k, kv = m->c.kv_heads * k;
    EACH_ROW(j, unit, i)
    {
        const struct segment *s = segment_of(j->p, i);
        uint32_t pos = s->pos + (uint32_t)(i - s->row);
        int64_t at = pos * (k / 2);
        float *qi = j->w->q + i * q, *ki = j->w->k + i * kv, *vi = j->w->v + i * kv;
        kn->add(q, model_vec(m, P_QB, j->layer), qi);
        kn->add(kv, model_vec(m, P_KB, j->layer), ki);
        kn->add(kv, model_vec(m, P_VB, j->layer), vi);
        for (int64_t h = 0; h < q; h += k) kn->rope(k, m->cos + at, m->sin + at, qi + h);
        for (int64_t h = 0; h < kv; h += k) kn->rope(k, m->cos + at, m->sin + at, ki + h);
        for (uint32_t h = 0; is_step(j->p) && h < m->c.kv_heads; h++)
            kv_put(s->kv, pos, j->layer, h, ki + h * k, vi + h * k);
        keep_row(j->p, tape_of(j->p, j->layer)->q, q, i, qi);
    }
}

/* One unit a segment and head. */
static void store_unit(void *ctx, int64_t unit, unsigned thread)
{
    (void)thread;
    struct rows_job *j = ctx;
    const struct model_config *c = &j->p->m->c;
    const struct segment *s = &j->p->seg[unit / c->kv_heads];
    uint32_t head = (uint32_t)(unit % c->kv_heads);
    for (int64_t i = 0; i < s->rows; i++) {
        int64_t at = ((s->row + i) * c->kv_heads + head) * c->head_dim;
        kv_put(s->kv, s->pos + (uint32_t)i, j->layer, head, j->w->k + at, j->w->v + at);
    }
}

static void output_unit(void *ctx, int64_t unit, unsigned thread)
{
    (void)thread;
    struct rows_job *j = ctx;
    int64_t q = (int64_t)j->p->m->c.heads * j->p->m->c.head_dim, from = unit * j->each;
    EACH_ROW(j, unit, i) keep_row(j->p, tape_of(j->p, j->layer)->o, q, i, j->w->o + i * q);
    pack_rows(j->p, j->w, from, min64(from + j->each, j->p->rows), q, j->w->o);
}

/* In a bf16 model gate and up are bf16 values, so that the tape holds exactly what was used. */
static void silu_unit(void *ctx, int64_t unit, unsigned thread)
{
    (void)thread;
    struct rows_job *j = ctx;
    const struct model *m = j->p->m;
    int64_t f = m->c.ff, from = unit * j->each;
    EACH_ROW(j, unit, i)
    {
        float *g = j->w->g + i * f, *u = j->w->u + i * f;
        if (m->type == WT_BF16) m->kern.round_bf16(f, g), m->kern.round_bf16(f, u);
        keep_row(j->p, tape_of(j->p, j->layer)->g, f, i, g);
        keep_row(j->p, tape_of(j->p, j->layer)->u, f, i, u);
        m->kern.silu_mul(f, g, u, g);
    }
    pack_rows(j->p, j->w, from, min64(from + j->each, j->p->rows), f, j->w->g);
}

static void dropout_unit(void *ctx, int64_t unit, unsigned thread)
{
    (void)thread;
    struct rows_job *j = ctx;
    const struct dropout *d = &j->p->dropout;
    int64_t k = lora_a(j->p->lora, j->layer, j->target)->k;
    uint32_t threshold = (uint32_t)((double)d->p * 4294967296.0);
    EACH_ROW(j, unit, i)
    {
        if (i < j->p->adapt_from) continue;
        j->p->m->kern.dropout(k, dropout_key(d->key[i], j->layer, j->target), threshold, 1.0f / (1.0f - d->p),
                              j->in + i * k, j->w->drop + i * k);
    }
}

/* ---- an adapter's middle ------------------------------------------------------------------------------- */

/* Targets that share an input: of target k the middle is h[k] and act_mid[k]. */
struct middles_job {
    const struct pass *p;
    struct workspace *w;
    uint32_t layer;
    enum lora_target target[WORKSPACE_MIDDLES];
    int n;
    int64_t each, units; /* rows of a unit, units of a target */
};

static float *middle(const struct pass *p, const struct workspace *w, int k)
{
    return w->h + (size_t)k * (size_t)w->max_rows * p->lora->rank;
}

static char *middle_packed(const struct pass *p, const struct workspace *w, int k)
{
    return (char *)w->act_mid + act_offset(p, k * w->max_rows, p->lora->rank);
}

/* Scales middles and packs them; rows before the gate have none. */
static void middle_unit(void *ctx, int64_t unit, unsigned thread)
{
    (void)thread;
    const struct middles_job *j = ctx;
    const struct pass *p = j->p;
    int k = (int)(unit / j->units);
    int64_t r = p->lora->rank, from = unit % j->units * j->each, to = min64(from + j->each, p->rows);
    float *all = middle(p, j->w, k);
    for (int64_t i = from; i < to; i++) {
        float *h = all + i * r;
        if (i < p->adapt_from)
            memset(h, 0, (size_t)r * sizeof *h);
        else
            p->m->kern.scale(r, p->lora->scale, h, h);
        keep_row(p, tape_of(p, j->layer)->h[j->target[k]], r, i, h);
    }
    p->m->kern.act_pack[p->m->type](to - from, r, all + from * r, r,
                                    middle_packed(p, j->w, k) + act_offset(p, from, r), pad_even(r));
}

static void middles_run(struct middles_job *j)
{
    j->each = rows_a_unit(j->p->m, j->p->rows);
    j->units = (j->p->rows + j->each - 1) / j->each;
    pool_for(j->p->m->pool, j->n * j->units, middle_unit, j);
}

/* ---- one layer ----------------------------------------------------------------------------------------- */

/* What a packed input is multiplied with. */
struct projection {
    enum lora_target target;
    const float *in; /* [rows][k] the input in fp32 */
    float *y;        /* [rows][n] */
};

static struct matmul_op base_op(const struct pass *p, const struct workspace *w, const struct weight *m,
                                int64_t rows, float *y)
{
    bool act8 = p->m->act8 && weight_quantised(m->type);
    return (struct matmul_op){.w = m,
                              .rows = rows,
                              .act = act8 ? w->act8 : w->act,
                              .ldx = pad_even(m->k),
                              .y = y,
                              .ldy = m->n,
                              .act8 = act8};
}

/* h[k] = A in, of the rows that the adapter acts on; act: the input packed. */
static struct matmul_op down_op(const struct pass *p, const struct workspace *w, uint32_t layer,
                                enum lora_target t, int k, const void *act)
{
    const struct weight *a = lora_a(p->lora, layer, t);
    int64_t from = p->adapt_from;
    return (struct matmul_op){.w = a,
                              .rows = p->rows - from,
                              .act = (const char *)act + act_offset(p, from, a->k),
                              .ldx = pad_even(a->k),
                              .y = middle(p, w, k) + from * a->n,
                              .ldy = a->n};
}

/* y += B h[k] */
static struct matmul_op up_op(const struct pass *p, const struct workspace *w, uint32_t layer,
                              const struct projection *to, int k)
{
    const struct weight *b = lora_b(p->lora, layer, to->target);
    int64_t from = p->adapt_from;
    return (struct matmul_op){.w = b,
                              .rows = p->rows - from,
                              .act = middle_packed(p, w, k) + act_offset(p, from, b->k),
                              .ldx = pad_even(b->k),
                              .y = to->y + from * b->n,
                              .ldy = b->n,
                              .accumulate = true};
}

/* In training an adapter's input has a mask of its own: one target at a time. */
static void adapt_dropped(const struct pass *p, struct workspace *w, uint32_t layer,
                          const struct projection *to)
{
    int64_t k = lora_a(p->lora, layer, to->target)->k;
    struct rows_job j = {.p = p, .w = w, .layer = layer, .target = to->target, .in = to->in};
    struct middles_job mid = {.p = p, .w = w, .layer = layer, .target = {to->target}, .n = 1};
    struct matmul_op down = down_op(p, w, layer, to->target, 0, w->act_drop), up = up_op(p, w, layer, to, 0);
    rows_run(p, dropout_unit, &j);
    matmul_pack(p->m, p->rows - p->adapt_from, k, w->drop + p->adapt_from * k, k,
                (char *)w->act_drop + act_offset(p, p->adapt_from, k), pad_even(k));
    matmul_all(p->m, &down, 1);
    middles_run(&mid);
    matmul_all(p->m, &up, 1);
}

/* y = W in (+ adapter) for projections of one input, which is packed in w->act: W and A of all of them in one
 * go, then the middles, then B. */
static void project(const struct pass *p, struct workspace *w, uint32_t layer, const struct projection *to,
                    int n)
{
    struct matmul_op op[MATMUL_OPS] = {{0}},
                     up[WORKSPACE_MIDDLES]; /* {{0}}: gcc -O1 cannot see that n >= 1 */
    struct middles_job mid = {.p = p, .w = w, .layer = layer};
    bool adapt = p->lora && p->adapt_from < p->rows, together = p->dropout.p <= 0;
    int ops = 0;
    for (int i = 0; i < n; i++) {
        enum lora_target t = to[i].target;
        const struct weight *m = model_mat(p->m, lora_param[t], layer);
        op[ops++] = base_op(p, w, m, p->rows, to[i].y);
        if (!adapt || !together || !(p->lora->targets & (1u << t))) continue;
        op[ops++] = down_op(p, w, layer, t, mid.n, w->act);
        up[mid.n] = up_op(p, w, layer, &to[i], mid.n);
        mid.target[mid.n++] = t;
    }
    matmul_all(p->m, op, ops);
    if (mid.n) {
        middles_run(&mid);
        matmul_all(p->m, up, mid.n);
    }
    for (int i = 0; adapt && !together && i < n; i++)
        if (p->lora->targets & (1u << to[i].target)) adapt_dropped(p, w, layer, &to[i]);
}

/* The first half on w->x, which `join` says w->y is to join first; leaves what is to join it in w->y. */
static void attention_half(const struct pass *p, struct workspace *w, uint32_t layer, bool join)
{
    const struct model_config *c = &p->m->c;
    const struct layer_tape *tape = tape_of(p, layer);
    struct rows_job j = {
        .p = p, .w = w, .layer = layer, .norm = model_vec(p->m, P_NORM1, layer), .join = join};
    j.x_tape = tape->x_in, j.r_tape = tape->r1;
    const struct projection qkv[] = {{LORA_Q, w->xn, w->q}, {LORA_K, w->xn, w->k}, {LORA_V, w->xn, w->v}},
                            o = {LORA_O, w->o, w->y};
    rows_run(p, norm_unit, &j);
    project(p, w, layer, qkv, 3);
    rows_run(p, rotate_unit, &j);
    if (!is_step(p)) pool_for(p->m->pool, p->segs * c->kv_heads, store_unit, &j);
    attention(p, w, layer, tape->lse ? tape->lse + p->tape_row * c->heads : NULL);
    rows_run(p, output_unit, &j);
    project(p, w, layer, &o, 1);
}

/* The MLP likewise. */
static void mlp_half(const struct pass *p, struct workspace *w, uint32_t layer, bool join)
{
    const struct layer_tape *tape = tape_of(p, layer);
    struct rows_job j = {
        .p = p, .w = w, .layer = layer, .norm = model_vec(p->m, P_NORM2, layer), .join = join};
    j.x_tape = tape->x_mid, j.r_tape = tape->r2;
    const struct projection gate_up[] = {{LORA_GATE, w->xn, w->g}, {LORA_UP, w->xn, w->u}},
                            down = {LORA_DOWN, w->g, w->y};
    rows_run(p, norm_unit, &j);
    project(p, w, layer, gate_up, 2);
    rows_run(p, silu_unit, &j);
    project(p, w, layer, &down, 1);
}

/* w->y joins w->x. */
static void residual(const struct pass *p, struct workspace *w)
{
    struct rows_job j = {.p = p, .w = w};
    rows_run(p, residual_unit, &j);
}

void forward_mlp(const struct pass *p, struct workspace *w, uint32_t layer)
{
    mlp_half(p, w, layer, false);
    residual(p, w);
}

void forward_layer(const struct pass *p, struct workspace *w, uint32_t layer)
{
    attention_half(p, w, layer, false);
    mlp_half(p, w, layer, true);
    residual(p, w);
}

void forward(const struct pass *p, struct workspace *w)
{
    unsigned old = kernels_fp_enter();
    struct rows_job j = {.p = p, .w = w};
    rows_run(p, embed_unit, &j);
    if (p->tap) states_take(p->tap, p, w, 0);
    for (uint32_t layer = 0; layer < p->m->c.layers; layer++) {
        attention_half(p, w, layer, layer > 0 && !p->tap);
        mlp_half(p, w, layer, true);
        if (!p->tap) continue; /* y joins in the next layer's norm */
        residual(p, w);
        states_take(p->tap, p, w, layer + 1);
    }
    if (!p->tap) residual(p, w);
    kernels_fp_leave(old);
}

/* ---- logits -------------------------------------------------------------------------------------------- */

static void final_norm_unit(void *ctx, int64_t unit, unsigned thread)
{
    (void)thread;
    const struct rows_job *j = ctx;
    const struct model *m = j->p->m;
    int64_t d = m->c.width, from = unit * j->each, to = min64(from + j->each, j->p->rows);
    for (int64_t i = from; i < to; i++)
        m->kern.rmsnorm(d, (float)m->c.rms_eps, j->in + i * d, j->norm, j->w->xn + i * d);
    pack_rows(j->p, j->w, from, to, d, j->w->xn);
}

void forward_logits(const struct model *m, struct workspace *w, int64_t n, const float *x, float *logits)
{
    const struct pass p = {.m = m, .rows = n};
    struct rows_job j = {.p = &p, .w = w, .norm = model_vec(m, P_NORM, 0), .in = x};
    struct matmul_op op = base_op(&p, w, model_head(m), n, logits);
    rows_run(&p, final_norm_unit, &j);
    matmul_all(m, &op, 1);
}
