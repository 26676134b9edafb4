#include "infer/random_weights.h"

#include <stdlib.h>
#include <string.h>

enum { UNIT = 1 << 16 /* values */ };

struct fill_job {
    uint16_t *values;
    uint64_t n;
};

static void fill_unit(void *ctx, int64_t unit, unsigned thread)
{
    const struct fill_job *j = ctx;
    uint64_t from = (uint64_t)unit * UNIT, to = from + UNIT < j->n ? from + UNIT : j->n;
    uint32_t x = (uint32_t)unit * 2654435761u + 12345;
    (void)thread;
    for (uint64_t i = from; i < to; i++) {
        x = x * 1664525 + 1013904223;
        j->values[i] = (uint16_t)((x >> 16 & 0x8000) | 0x3c00 | (x >> 20 & 0x00ff));
    }
}

/* The tensor of a slot: the beginning of the buffer, or for norms the ones behind it. */
static struct tensor view(const struct random_weights *w, const struct model_config *c, enum param p,
                          uint64_t ones)
{
    uint64_t rows, cols;
    params_shape(c, p, &rows, &cols);
    struct tensor t = {.dtype = DTYPE_BF16, .rank = params[p].cols ? 2 : 1, .shape = {rows, cols}};
    t.data = w->values + (params[p].kind == PARAM_NORM ? ones : 0);
    t.bytes = rows * cols * sizeof *w->values;
    return t;
}

int random_weights_make(struct random_weights *w, const struct model_config *c, struct pool *pool,
                        struct err *e)
{
    uint64_t most = (uint64_t)c->vocab * c->width;
    uint64_t matrix = (uint64_t)c->ff * c->width, square = (uint64_t)c->heads * c->head_dim * c->width;
    uint32_t slots = params_slots(c), layer;
    if (most < matrix) most = matrix;
    if (most < square) most = square;
    w->tensors = calloc(slots, sizeof *w->tensors);
    w->bound = calloc(slots, sizeof *w->bound);
    w->values = malloc((most + c->width) * sizeof *w->values);
    if (!w->tensors || !w->bound || !w->values) return err_set(e, ERR_NOMEM, "no memory for random weights");
    struct fill_job job = {w->values, most};
    pool_for(pool, (int64_t)((most + UNIT - 1) / UNIT), fill_unit, &job);
    for (uint32_t i = 0; i < c->width; i++) w->values[most + i] = 0x3f80;
    for (uint32_t s = 0; s < slots; s++) {
        enum param p = params_of_slot(c, s, &layer);
        if (!params_has(c, p)) continue;
        w->tensors[s] = view(w, c, p, most);
        w->bound[s] = &w->tensors[s];
    }
    return 0;
}

void random_weights_clear(struct random_weights *w)
{
    free(w->values);
    free(w->bound);
    free(w->tensors);
    memset(w, 0, sizeof *w);
}
