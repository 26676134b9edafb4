#include "train/trainee.h"
#include "kernels/math.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int parts_alloc(struct trainee *t, uint32_t n, struct err *e)
{
    t->part = calloc(n, sizeof *t->part);
    return t->part ? 0 : err_set(e, ERR_NOMEM, "no memory for a list of %u tensors", n);
}

static void part_add(struct trainee *t, uint64_t count, int decays, uint32_t slot)
{
    struct trainee_part *p = &t->part[t->parts++];
    p->at = t->count, p->count = count, p->decays = decays, p->slot = slot;
    t->count += count;
}

int trainee_init_adapter(struct trainee *t, struct model *m, struct adapter *a, struct lora *l, struct err *e)
{
    *t = (struct trainee){.m = m, .adapter = a, .lora = l, .weights = a->weights};
    int r = parts_alloc(t, m->c.layers * LORA_TARGETS * 2, e);
    if (r) return r;
    for (uint32_t layer = 0; layer < m->c.layers; layer++)
        for (int i = 0; i < LORA_TARGETS; i++) {
            uint64_t in, out;
            char name[80];
            if (!(a->cfg.targets & (1u << i))) continue;
            adapter_shape(&m->c, (enum lora_target)i, &in, &out);
            params_name(&m->c, params_slot(&m->c, lora_param[i], layer), name, sizeof name);
            name[strlen(name) - strlen(".weight")] = 0;
            part_add(t, a->cfg.rank * in, 1, 0);
            snprintf(t->part[t->parts - 1].name, sizeof t->part->name, "%s.lora_A", name);
            part_add(t, out * a->cfg.rank, 1, 0);
            snprintf(t->part[t->parts - 1].name, sizeof t->part->name, "%s.lora_B", name);
        }
    return 0;
}

uint64_t trainee_dense_count(const struct model_config *c)
{
    uint64_t rows, cols, n = 0;
    uint32_t layer;
    for (uint32_t s = 0; s < params_slots(c); s++) {
        enum param p = params_of_slot(c, s, &layer);
        params_shape(c, p, &rows, &cols);
        if (params_has(c, p)) n += rows * cols;
    }
    return n;
}

static void weights_load(struct trainee *t, const struct tensor *const *bound)
{
    for (uint32_t i = 0; i < t->parts; i++) {
        const struct tensor *from = bound[t->part[i].slot];
        float *to = t->weights + t->part[i].at;
        if (from->dtype == DTYPE_BF16)
            t->m->kern.from_bf16((int64_t)t->part[i].count, from->data, to);
        else
            memcpy(to, from->data, t->part[i].count * sizeof *to);
    }
}

/* Master weights start as a file has them: values, not blocks of quantised ones. */
static int masters_check(const struct model *m, const struct tensor *const *bound, struct err *e)
{
    for (uint32_t s = 0; s < params_slots(&m->c); s++)
        if (bound[s] && bound[s]->dtype != DTYPE_F32 && bound[s]->dtype != DTYPE_BF16)
            return err_set(e, ERR_DTYPE, "dense tuning needs F32 or BF16 weights, but tensor %s is %s",
                           bound[s]->name, dtype_name(bound[s]->dtype));
    return 0;
}

int trainee_init_dense(struct trainee *t, struct model *m, const struct tensor *const *bound, struct err *e)
{
    *t = (struct trainee){.m = m, .owns = 1};
    uint32_t slots = params_slots(&m->c), layer;
    int r = masters_check(m, bound, e);
    if (!r) r = parts_alloc(t, slots, e);
    if (r) return r;
    for (uint32_t s = 0; s < slots; s++) {
        enum param p = params_of_slot(&m->c, s, &layer);
        uint64_t rows, cols;
        if (!params_has(&m->c, p)) continue;
        params_shape(&m->c, p, &rows, &cols);
        part_add(t, rows * cols, params[p].cols != 0, s);
        params_name(&m->c, s, t->part[t->parts - 1].name, sizeof t->part->name);
    }
    t->weights = malloc(t->count * sizeof *t->weights);
    if (!t->weights) {
        trainee_clear(t);
        return err_set(e, ERR_NOMEM, "no memory for the master weights");
    }
    weights_load(t, bound);
    return 0;
}

void trainee_clear(struct trainee *t)
{
    free(t->part);
    if (t->owns) free(t->weights);
    memset(t, 0, sizeof *t);
}

void trainee_refresh(struct trainee *t)
{
    if (t->adapter) {
        lora_refresh(t->lora, t->m, t->adapter);
        return;
    }
    for (uint32_t i = 0; i < t->parts; i++) model_set(t->m, t->part[i].slot, t->weights + t->part[i].at);
}

struct grads trainee_grads(const struct trainee *t, float *flat, float **dense_slots)
{
    if (t->adapter) return (struct grads){.adapter = flat};
    memset(dense_slots, 0, params_slots(&t->m->c) * sizeof *dense_slots);
    for (uint32_t i = 0; i < t->parts; i++) dense_slots[t->part[i].slot] = flat + t->part[i].at;
    return (struct grads){.dense = dense_slots};
}
