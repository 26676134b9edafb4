#include "checkpoints/model_rows.h"

#include <math.h>

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

static uint64_t columns(const struct model_rows *m, uint32_t slot)
{
    uint32_t layer;
    uint64_t rows, cols;
    params_shape(&m->base->config, params_of_slot(&m->base->config, slot, &layer), &rows, &cols);
    return cols;
}

void model_row(const struct model_rows *m, uint32_t slot, uint64_t r, float *row)
{
    uint32_t layer;
    int t = target_of(m->a, params_of_slot(&m->base->config, slot, &layer));
    tensor_row(m->base->bound[slot], r, columns(m, slot), row);
    if (t >= 0) row_adapt(row, m->a, layer, (enum lora_target)t, r);
}

bool model_row_adapted(const struct model_rows *m, uint32_t slot)
{
    uint32_t layer;
    return target_of(m->a, params_of_slot(&m->base->config, slot, &layer)) >= 0;
}

int model_row_check(const struct model_rows *m, uint32_t slot, uint64_t r, const float *row, struct err *e)
{
    for (uint64_t k = 0; k < columns(m, slot); k++)
        if (!isfinite(row[k]))
            return err_set(e, ERR_NONFINITE, "%s[%llu][%llu] is not finite after merging",
                           m->base->bound[slot]->name, (unsigned long long)r, (unsigned long long)k);
    return 0;
}
