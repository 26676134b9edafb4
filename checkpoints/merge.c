#include "checkpoints/merge.h"
#include "checkpoints/hf_save.h"
#include "kernels/math.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct merge {
    const struct hf_model *base;
    const struct adapter *a;
    const struct tensor *t; /* what is written, in order */
    float *row;             /* [widest] a row of tensor `tensor`, merged */
    size_t tensor;
    uint64_t at; /* the row it is; UINT64_MAX: none yet */
};

static float element(const struct tensor *t, uint64_t i)
{
    float f;
    uint16_t half;
    if (t->dtype == DTYPE_F32) {
        memcpy(&f, (const char *)t->data + i * sizeof f, sizeof f);
        return f;
    }
    memcpy(&half, (const char *)t->data + i * sizeof half, sizeof half);
    return bf16_to_f32(half);
}

/* The adapter's target on a parameter, -1 if it has none there, or is no adapter. */
static int target_of(const struct adapter *a, enum param p)
{
    for (int t = 0; a && t < LORA_TARGETS; t++)
        if (lora_param[t] == p && a->cfg.targets >> t & 1) return t;
    return -1;
}

/* row += scale * B[r] A */
static void row_adapt(float *row, const struct adapter *a, uint32_t layer, enum lora_target t, uint64_t r)
{
    uint64_t in, out;
    adapter_shape(&a->model, t, &in, &out);
    const float *mat_a = a->weights + adapter_offset_a(a, layer, t);
    const float *b = a->weights + adapter_offset_b(a, layer, t) + r * a->cfg.rank;
    float scale = (float)adapter_scale(&a->cfg);
    for (uint32_t k = 0; k < a->cfg.rank; k++) {
        float f = scale * b[k];
        for (uint64_t c = 0; c < in; c++) row[c] += f * mat_a[k * in + c];
    }
}

static int row_make(struct merge *m, size_t i, uint64_t r, struct err *e)
{
    const struct model_config *c = &m->base->config;
    uint32_t layer, slot = (uint32_t)params_find(c, m->t[i].name);
    enum param p = params_of_slot(c, slot, &layer);
    uint64_t rows, cols;
    params_shape(c, p, &rows, &cols);
    for (uint64_t k = 0; k < cols; k++) m->row[k] = element(m->base->bound[slot], r * cols + k);
    int t = target_of(m->a, p);
    if (t >= 0) row_adapt(m->row, m->a, layer, (enum lora_target)t, r);
    m->tensor = i, m->at = r;
    for (uint64_t k = 0; k < cols; k++)
        if (!isfinite(m->row[k]))
            return err_set(e, ERR_NONFINITE, "%s[%llu][%llu] is not finite after merging", m->t[i].name,
                           (unsigned long long)r, (unsigned long long)k);
    return 0;
}

static int fill(void *ctx, size_t i, uint64_t offset, void *dst, size_t n, struct err *e)
{
    struct merge *m = ctx;
    const struct tensor *t = &m->t[i];
    uint64_t size = dtype_bits(t->dtype) / 8, cols = t->rank == 2 ? t->shape[1] : 1, first = offset / size;
    for (uint64_t k = 0; k < n / size; k++) {
        uint64_t r = (first + k) / cols, c = (first + k) % cols;
        int code = m->tensor == i && m->at == r ? 0 : row_make(m, i, r, e);
        if (code) return code;
        uint16_t half = f32_to_bf16(m->row[c]);
        memcpy((char *)dst + k * size, t->dtype == DTYPE_F32 ? (const void *)&m->row[c] : &half, size);
    }
    return 0;
}

static uint64_t widest(const struct tensor *t, size_t n)
{
    uint64_t most = 1;
    for (size_t i = 0; i < n; i++)
        if (t[i].rank == 2 && t[i].shape[1] > most) most = t[i].shape[1];
    return most;
}

int merge_save(const char *dir, const struct hf_model *base, const struct adapter *a, enum dtype dtype,
               struct err *e)
{
    struct merge m = {.base = base, .a = a, .at = UINT64_MAX};
    struct hf_save_options o = {.fill = fill, .ctx = &m};
    struct tensor *t;
    size_t n;
    int r = hf_tensor_list(&t, &n, &base->config, dtype, e);
    if (r) return r;
    m.t = t;
    m.row = malloc(widest(t, n) * sizeof *m.row);
    r = m.row ? hf_save_model(dir, &base->config, t, n, &o, e)
              : err_set(e, ERR_NOMEM, "no memory for a row of weights");
    if (!r) r = hf_model_intact(base, e);
    free(m.row);
    free(t);
    return r;
}
