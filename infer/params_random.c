#include "infer/params.h"
#include "infer/rng.h"

void params_random(const struct model_config *c, uint32_t slot, uint64_t seed, uint64_t first, float *out,
                   size_t n)
{
    uint32_t layer;
    enum param_kind kind = params[params_of_slot(c, slot, &layer)].kind;
    float scale = (float)c->init_std, constant = kind == PARAM_NORM ? 1 : 0;
    if (kind == PARAM_NORM || kind == PARAM_BIAS) {
        for (size_t i = 0; i < n; i++) out[i] = constant;
        return;
    }
    rng_fill_normal(seed, slot, first, out, n);
    for (size_t i = 0; i < n; i++) out[i] *= scale;
}
