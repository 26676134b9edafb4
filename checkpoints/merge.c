#include "checkpoints/merge.h"
#include "checkpoints/hf_save.h"
#include "checkpoints/model_rows.h"
#include "kernels/math.h"

#include <stdlib.h>
#include <string.h>

struct merge {
    struct model_rows source;
    const struct tensor *t; /* what is written, in order */
    float *row;             /* [widest] a row of tensor `tensor`, merged */
    size_t tensor;
    uint64_t at; /* the row it is; UINT64_MAX: none yet */
};

static int row_make(struct merge *m, size_t i, uint64_t r, struct err *e)
{
    uint32_t slot = (uint32_t)params_find(&m->source.base->config, m->t[i].name);
    m->tensor = i, m->at = r;
    model_row(&m->source, slot, r, m->row);
    return model_row_check(&m->source, slot, r, m->row, e);
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

int merge_save(const char *dir, const struct base *base, const struct adapter *a, enum dtype dtype,
               struct err *e)
{
    struct merge m = {.source = {base, a}, .at = UINT64_MAX};
    struct hf_save_options o = {.fill = fill, .ctx = &m};
    struct tensor *t;
    size_t n;
    int r = hf_tensor_list(&t, &n, &base->config, dtype, e);
    if (r) return r;
    m.t = t;
    m.row = malloc(widest(t, n) * sizeof *m.row);
    r = m.row ? hf_save_model(dir, &base->config, t, n, &o, e)
              : err_set(e, ERR_NOMEM, "no memory for a row of weights");
    if (!r) r = base_intact(base, e);
    free(m.row);
    free(t);
    return r;
}
