#include "train/tape.h"

#include <string.h>

static void mlp_carve(struct arena *a, struct layer_tape *l, const struct model *m, size_t rows)
{
    size_t elem = value_bytes(m->type);
    l->g = arena_take(a, rows * m->c.ff, elem);
    l->u = arena_take(a, rows * m->c.ff, elem);
}

static void rest_carve(struct arena *a, struct layer_tape *l, const struct model *m, const struct lora *lora,
                       size_t rows)
{
    size_t elem = value_bytes(m->type), q = (size_t)m->c.heads * m->c.head_dim;
    l->q = arena_take(a, rows * q, elem);
    l->o = arena_take(a, rows * q, elem);
    l->lse = arena_take(a, rows * m->c.heads, sizeof(float));
    l->x_mid = arena_take(a, rows * m->c.width, sizeof(float));
    l->r1 = arena_take(a, rows, sizeof(float));
    l->r2 = arena_take(a, rows, sizeof(float));
    for (int t = 0; t < LORA_TARGETS; t++)
        l->h[t] = lora && lora->targets & (1u << t) ? arena_take(a, rows * lora->rank, elem) : NULL;
}

static void carve(struct arena *a, struct tape *t, const struct model *m, const struct lora *lora)
{
    struct layer_tape shared = {0}, own;
    size_t rows = (size_t)t->rows;
    t->layer = arena_take(a, m->c.layers, sizeof *t->layer);
    t->x_final = arena_take(a, rows * m->c.width, sizeof(float));
    if (t->recompute >= RECOMPUTE_MLP) mlp_carve(a, &shared, m, rows);
    if (t->recompute == RECOMPUTE_LAYER) rest_carve(a, &shared, m, lora, rows);
    for (uint32_t i = 0; i < m->c.layers; i++) {
        own = shared;
        own.x_in = arena_take(a, rows * m->c.width, sizeof(float));
        if (t->recompute < RECOMPUTE_LAYER) rest_carve(a, &own, m, lora, rows);
        if (t->recompute < RECOMPUTE_MLP) mlp_carve(a, &own, m, rows);
        if (t->layer) t->layer[i] = own;
    }
}

uint64_t tape_plan(const struct model *m, const struct lora *lora, int64_t rows, enum recompute r)
{
    struct arena count = {0};
    struct tape t = {.rows = rows, .recompute = r};
    carve(&count, &t, m, lora);
    return count.used;
}

int tape_create(struct tape *t, const struct model *m, const struct lora *lora, int64_t rows,
                enum recompute r, struct err *e)
{
    *t = (struct tape){.rows = rows, .recompute = r};
    int code =
        arena_create(&t->arena, tape_plan(m, lora, rows, r), "the activations kept for the backward pass", e);
    if (!code) carve(&t->arena, t, m, lora);
    return code;
}

void tape_free(struct tape *t)
{
    arena_free(&t->arena);
    memset(t, 0, sizeof *t);
}
