#include "infer/lora.h"

#include <stdlib.h>
#include <string.h>

static void carve(struct arena *a, struct lora *l, const struct model_config *c, enum weight_type type)
{
    uint32_t n = c->layers * LORA_TARGETS;
    l->a = arena_take(a, n, sizeof *l->a);
    l->b = arena_take(a, n, sizeof *l->b);
    for (uint32_t i = 0; i < n; i++) {
        enum lora_target t = (enum lora_target)(i % LORA_TARGETS);
        uint64_t in, out;
        if (!(l->targets & (1u << t))) continue;
        adapter_shape(c, t, &in, &out);
        void *pa = arena_take(a, weight_size(type, l->rank, (int64_t)in), 1);
        void *pb = arena_take(a, weight_size(type, (int64_t)out, l->rank), 1);
        if (!l->a) continue;
        l->a[i] = (struct weight){type, l->rank, (int64_t)in, pa};
        l->b[i] = (struct weight){type, (int64_t)out, l->rank, pb};
    }
}

uint64_t lora_plan(const struct model *m, const struct adapter_config *c)
{
    struct arena count = {0};
    struct lora l = {.rank = c->rank, .targets = c->targets};
    carve(&count, &l, &m->c, m->type);
    return count.used;
}

void lora_refresh(struct lora *l, const struct model *m, const struct adapter *a)
{
    for (uint32_t layer = 0; layer < m->c.layers; layer++)
        for (int t = 0; t < LORA_TARGETS; t++) {
            uint32_t i = layer * LORA_TARGETS + (uint32_t)t;
            if (!l->a[i].panels) continue;
            weight_pack(m, &l->a[i], a->weights + adapter_offset_a(a, layer, (enum lora_target)t), DTYPE_F32);
            weight_pack(m, &l->b[i], a->weights + adapter_offset_b(a, layer, (enum lora_target)t), DTYPE_F32);
        }
}

int lora_create(struct lora **out, const struct model *m, const struct adapter *a, struct err *e)
{
    *out = NULL;
    if (a->model.layers != m->c.layers || a->count != adapter_count(&m->c, &a->cfg))
        return err_set(e, ERR_AD_SHAPE, "the adapter was made for a model of another shape");
    struct lora *l = calloc(1, sizeof *l);
    if (!l) return err_set(e, ERR_NOMEM, "no memory for an adapter");
    l->rank = a->cfg.rank, l->targets = a->cfg.targets, l->scale = (float)adapter_scale(&a->cfg);
    int r = arena_create(&l->arena, lora_plan(m, &a->cfg), "the adapter's panels", e);
    if (r) {
        free(l);
        return r;
    }
    carve(&l->arena, l, &m->c, m->type);
    lora_refresh(l, m, a);
    *out = l;
    return 0;
}

void lora_free(struct lora *l)
{
    if (!l) return;
    arena_free(&l->arena);
    free(l);
}
