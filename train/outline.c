#include "train/outline.h"
#include "train/trainee.h"

#include <stdlib.h>
#include <string.h>

static int tables_take(struct outline *o, uint32_t slots, struct err *e)
{
    uint32_t n = o->m.c.layers * LORA_TARGETS;
    o->m.mat = calloc(slots, sizeof *o->m.mat);
    o->lora.a = calloc(n, sizeof *o->lora.a);
    o->lora.b = calloc(n, sizeof *o->lora.b);
    return o->m.mat && o->lora.a && o->lora.b ? 0 : err_set(e, ERR_NOMEM, "no memory for a model's outline");
}

static void shapes_fill(struct outline *o, enum weight_type type)
{
    const struct model_config *c = &o->m.c;
    uint32_t layer;
    for (uint32_t s = 0; s < params_slots(c); s++) {
        enum param p = params_of_slot(c, s, &layer);
        uint64_t rows, cols;
        if (!params[p].cols || !params_has(c, p)) continue;
        params_shape(c, p, &rows, &cols);
        o->m.mat[s] = (struct weight){type, (int64_t)rows, (int64_t)cols, NULL};
    }
    for (uint32_t i = 0; i < c->layers * LORA_TARGETS; i++) {
        enum lora_target t = (enum lora_target)(i % LORA_TARGETS);
        uint64_t in, out;
        if (!(o->lora.targets & (1u << t))) continue;
        adapter_shape(c, t, &in, &out);
        o->lora.a[i] = (struct weight){o->m.type, o->lora.rank, (int64_t)in, NULL};
        o->lora.b[i] = (struct weight){o->m.type, (int64_t)out, o->lora.rank, NULL};
    }
}

/* What model_create would take of tensors in bf16. */
static int size_count(struct outline *o, enum weight_type type, struct err *e)
{
    static const struct tensor any = {.dtype = DTYPE_BF16};
    uint32_t slots = params_slots(&o->m.c);
    const struct tensor **bound = calloc(slots, sizeof *bound);
    if (!bound) return err_set(e, ERR_NOMEM, "no memory for a model's outline");
    for (uint32_t s = 0; s < slots; s++) bound[s] = &any;
    o->m.arena.size = model_plan(&o->m.c, type, o->m.context, bound);
    free(bound);
    return 0;
}

int outline_create(struct outline *o, const struct model_config *c, enum weight_type type, uint32_t context,
                   const struct adapter_config *adapter, unsigned threads, struct err *e)
{
    *o = (struct outline){.m = {.c = *c, .type = weight_plain(type)}};
    int r = model_config_check(c, e);
    if (!r && adapter) r = adapter_config_check(c, adapter, e);
    if (!r) r = pool_create(&o->m.pool, threads, e);
    if (!r) r = tables_take(o, params_slots(c), e);
    if (r) return r;
    kernels_init(&o->m.kern, cpu_detect());
    o->m.context = context ? context : c->max_positions;
    o->trained = adapter ? adapter_count(c, adapter) : trainee_dense_count(c);
    if (adapter) o->adapter = *adapter, o->lora.rank = adapter->rank, o->lora.targets = adapter->targets;
    shapes_fill(o, type);
    return size_count(o, type, e);
}

void outline_clear(struct outline *o)
{
    pool_free(o->m.pool);
    free(o->m.mat);
    free(o->lora.a);
    free(o->lora.b);
    memset(o, 0, sizeof *o);
}

const struct lora *outline_lora(const struct outline *o)
{
    return o->lora.rank ? &o->lora : NULL;
}

const struct adapter_config *outline_adapter(const struct outline *o)
{
    return o->adapter.rank ? &o->adapter : NULL;
}
