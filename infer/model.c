#include "infer/model.h"
#include "kernels/math.h"

#include <stdlib.h>
#include <string.h>

enum weight_type model_weight_type(enum weight_type wanted, enum dtype given)
{
    if (wanted != WT_BF16) return wanted;
    switch ((int)given) {
    case DTYPE_Q8_0:
        return WT_Q8_0;
    case DTYPE_Q4_0:
        return WT_Q4_0;
    case DTYPE_W4:
        return WT_W4;
    default:
        return WT_BF16;
    }
}

static void carve(struct arena *a, struct model *m, enum weight_type type, const struct tensor *const *bound)
{
    const struct model_config *c = &m->c;
    uint32_t slots = params_slots(c), layer;
    m->mat = arena_take(a, slots, sizeof *m->mat);
    m->vec = arena_take(a, slots, sizeof *m->vec);
    m->cos = arena_take(a, (size_t)m->context * (c->head_dim / 2), sizeof(float));
    m->sin = arena_take(a, (size_t)m->context * (c->head_dim / 2), sizeof(float));
    for (uint32_t s = 0; s < slots; s++) {
        enum param p = params_of_slot(c, s, &layer);
        uint64_t rows, cols;
        if (!params_has(c, p)) continue;
        params_shape(c, p, &rows, &cols);
        if (!params[p].cols) {
            float *v = arena_take(a, rows, sizeof(float));
            if (m->vec) m->vec[s] = v;
            continue;
        }
        enum weight_type t = model_weight_type(type, bound[s]->dtype);
        void *panels = arena_take(a, weight_size(t, (int64_t)rows, (int64_t)cols), 1);
        if (m->mat) m->mat[s] = (struct weight){t, (int64_t)rows, (int64_t)cols, panels};
    }
}

uint64_t model_plan(const struct model_config *c, enum weight_type type, uint32_t context,
                    const struct tensor *const *bound)
{
    struct arena count = {0};
    struct model m = {.c = *c, .context = context ? context : c->max_positions};
    carve(&count, &m, type, bound);
    return count.used;
}

/* Hugging Face's way: the frequency and the angle are rounded to fp32 before the cosine is taken. */
static void rotary_fill(struct model *m)
{
    uint32_t half = m->c.head_dim / 2;
    double log_theta = 0, hi = m->c.rope_theta;
    while (hi > 2) hi /= 2, log_theta += 0.69314718055994530942;
    log_theta += (double)log_f32((float)hi);
    for (uint32_t i = 0; i < half; i++) {
        float f = (float)exp_f64(-log_theta * i / half);
        for (uint32_t t = 0; t < m->context; t++) {
            double s, c;
            sincos_f64((double)((float)t * f), &s, &c);
            m->cos[(size_t)t * half + i] = (float)c;
            m->sin[(size_t)t * half + i] = (float)s;
        }
    }
}

struct pack_job {
    const struct model *m;
    struct weight *w;
    const void *rows;
    enum dtype dtype;
};

static void pack_unit(void *ctx, int64_t unit, unsigned thread)
{
    (void)thread;
    const struct pack_job *j = ctx;
    const struct kernels *kn = &j->m->kern;
    const struct weight *w = j->w;
    int64_t n0 = unit * PANEL, n = w->n - n0 < PANEL ? w->n - n0 : PANEL;
    int64_t row = w->k / (int64_t)dtype_block(j->dtype) * (int64_t)dtype_block_bytes(j->dtype);
    char *panel = (char *)w->panels + (size_t)unit * panel_bytes(w->type, w->k);
    const void *rows = (const char *)j->rows + n0 * row;
    if (j->dtype == DTYPE_F32)
        kn->panel_pack[w->type](n, w->k, rows, w->k, panel);
    else if (j->dtype == DTYPE_BF16)
        kn->panel_pack_bf16[w->type](n, w->k, rows, w->k, panel);
    else if (j->dtype == DTYPE_F16)
        kn->panel_pack_f16[w->type](n, w->k, rows, w->k, panel);
    else
        (j->dtype == DTYPE_Q8_0 ? kn->panel_pack_q8_0 : kn->panel_pack_q4_0)[w->type](n, w->k, rows, row,
                                                                                      panel);
}

void weight_pack(const struct model *m, struct weight *w, const void *rows, enum dtype dtype)
{
    struct pack_job job = {m, w, rows, dtype};
    pool_for(m->pool, panel_count(w->n), pack_unit, &job);
}

static void vector_fill(const struct model *m, float *v, const struct tensor *t)
{
    const uint16_t *h = t->data;
    if (t->dtype == DTYPE_BF16)
        m->kern.from_bf16((int64_t)t->shape[0], h, v);
    else if (t->dtype == DTYPE_F16)
        for (uint64_t i = 0; i < t->shape[0]; i++) v[i] = f16_to_f32(h[i]);
    else
        memcpy(v, t->data, t->bytes);
}

static void weights_fill(struct model *m, const struct tensor *const *bound)
{
    for (uint32_t s = 0; s < params_slots(&m->c); s++) {
        if (m->vec[s]) vector_fill(m, m->vec[s], bound[s]);
        if (m->mat[s].panels) weight_pack(m, &m->mat[s], bound[s]->data, bound[s]->dtype);
        if (bound[s]) tensor_release(bound[s]); /* or file and panels would be resident at once */
    }
}

/* Groups of 32 must not straddle rows. */
static int groups_check(const struct model_config *c, enum weight_type type, struct err *e)
{
    uint32_t layer;
    for (uint32_t s = 0; weight_quantised(type) && s < params_slots(c); s++) {
        enum param p = params_of_slot(c, s, &layer);
        uint64_t rows, cols;
        char name[96];
        params_shape(c, p, &rows, &cols);
        if (!params[p].cols || !params_has(c, p) || cols % GROUP == 0) continue;
        params_name(c, s, name, sizeof name);
        return err_set(e, ERR_GG_BLOCK, "%s has rows of %u values, no multiple of %d: it cannot be quantised",
                       name, (unsigned)cols, GROUP);
    }
    return 0;
}

int model_create(struct model **out, const struct model_config *c, enum weight_type type, uint32_t context,
                 const struct tensor *const *bound, struct pool *pool, unsigned cpu_flags, struct err *e)
{
    *out = NULL;
    if (context > c->max_positions)
        return err_set(e, ERR_CTX_FULL, "a context of %u tokens, but the model was made for %u", context,
                       c->max_positions);
    int r = model_config_check(c, e);
    if (!r) r = groups_check(c, type, e);
    if (r) return r;
    struct model *m = calloc(1, sizeof *m);
    if (!m) return err_set(e, ERR_NOMEM, "no memory for a model");
    m->c = *c, m->type = weight_plain(type), m->pool = pool;
    m->context = context ? context : c->max_positions;
    kernels_init(&m->kern, cpu_flags);
    r = arena_create(&m->arena, model_plan(c, type, context, bound), "the model's weights", e);
    if (r) {
        free(m);
        return r;
    }
    carve(&m->arena, m, type, bound);
    rotary_fill(m);
    weights_fill(m, bound);
    *out = m;
    return 0;
}

int model_use_act8(struct model *m, struct err *e)
{
    m->all_act8 = true;
    for (uint32_t s = 0; s < params_slots(&m->c); s++)
        if (m->mat[s].panels && weight_quantised(m->mat[s].type))
            m->act8 = true;
        else if (m->mat[s].panels)
            m->all_act8 = false;
    return m->act8 ? 0 : err_set(e, ERR_DTYPE, "8-bit activations need quantised weights: q8_0, q4_0 or w4");
}

void model_free(struct model *m)
{
    if (!m) return;
    arena_free(&m->arena);
    free(m);
}

const struct weight *model_head(const struct model *m)
{
    return model_mat(m, m->c.tied ? P_EMBED : P_HEAD, 0);
}

void model_set(struct model *m, uint32_t slot, const float *values)
{
    uint64_t rows, cols;
    uint32_t layer;
    params_shape(&m->c, params_of_slot(&m->c, slot, &layer), &rows, &cols);
    if (m->vec[slot])
        memcpy(m->vec[slot], values, rows * sizeof *values);
    else
        weight_pack(m, &m->mat[slot], values, DTYPE_F32);
}
