#include "infer/bench_model.h"
#include "infer/random_weights.h"

#include <string.h>

int bench_model_random(struct loaded *l, const char *shape, const struct load_options *o, struct err *e)
{
    struct model_config c;
    memset(l, 0, sizeof *l);
    int r = model_config_named(&c, shape, e);
    return r ? r : bench_model_of(l, &c, o, e);
}

int bench_model_of(struct loaded *l, const struct model_config *c, const struct load_options *o,
                   struct err *e)
{
    struct random_weights w = {0};
    memset(l, 0, sizeof *l);
    int r = pool_create(&l->pool, o->threads, e);
    if (!r) r = random_weights_make(&w, c, l->pool, e);
    if (!r) r = loaded_weights(l, c, w.bound, DTYPE_BF16, o, e);
    random_weights_clear(&w);
    if (r) loaded_clear(l);
    return r;
}

int bench_adapter_random(struct loaded *l, uint32_t rank, struct err *e)
{
    struct adapter_config c = {.rank = rank, .alpha = 2 * rank, .targets = LORA_ALL, .gate = GATE_ALL};
    int r = adapter_create(&l->adapter, &l->m->c, &c, e);
    if (r) return r;
    for (uint64_t i = 0; i < l->adapter->count; i++)
        l->adapter->weights[i] = (float)((int)(i * 2654435761u >> 16 & 255) - 128) * 0x1p-13f;
    return lora_create(&l->lora, l->m, l->adapter, e);
}

const char *bench_type_name(const struct model *m)
{
    static const char *const names[WT_COUNT] = {"f32", "bf16", "q8_0", "q4_0", "w4", "i8"};
    static const char *const names8[WT_COUNT] = {
        [WT_Q8_0] = "q8_0a8", [WT_Q4_0] = "q4_0a8", [WT_W4] = "w4a8"};
    enum weight_type t = model_mat(m, P_GATE, 0)->type;
    return m->act8 && names8[t] ? names8[t] : names[t];
}
