/* Products on all threads: split into blocks of outputs and rows. Each output's chain is computed by one
 * thread, so neither the split nor the number of threads shows in the result. */
#include "infer/forward.h"

enum { ROW_BLOCK = 256, UNITS_A_THREAD = 4, PANELS_A_UNIT = 7 };

struct matmul_job {
    const struct model *m;
    const struct matmul_op *op;      /* [n] */
    int64_t panel_units[MATMUL_OPS]; /* into which each op's panels are split, as equal as can be */
    int64_t end[MATMUL_OPS];         /* units of the ops up to this one */
};

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t row_units(const struct matmul_op *o)
{
    return o->rows > 0 ? (o->rows + ROW_BLOCK - 1) / ROW_BLOCK : 0;
}

static void matmul_unit(void *ctx, int64_t unit, unsigned thread)
{
    (void)thread;
    const struct matmul_job *j = ctx;
    int i = 0;
    while (unit >= j->end[i]) i++;
    const struct matmul_op *o = &j->op[i];
    const struct weight *w = o->w;
    unit -= i ? j->end[i - 1] : 0;
    int64_t part = unit % j->panel_units[i], row = unit / j->panel_units[i] * ROW_BLOCK;
    int64_t all = panel_count(w->n), panel = part * all / j->panel_units[i],
            end = (part + 1) * all / j->panel_units[i];
    int64_t col = panel * PANEL, cols = min64(end * PANEL, w->n) - col;
    const char *panels = (const char *)w->panels + (size_t)panel * panel_bytes(w->type, w->k);
    const struct kernels *kn = &j->m->kern;
    const char *act = o->act;
    float *y = o->y + row * o->ldy + col;
    int64_t rows = min64(ROW_BLOCK, o->rows - row);
    if (o->act8)
        kn->gemm_act8[w->type](rows, w->k, cols, act + (size_t)row * act8_row(j->m, w->k), panels, y, o->ldy,
                               o->accumulate);
    else
        kn->gemm[w->type](rows, w->k, cols, act + (size_t)(row * o->ldx) * kn->act_bytes[w->type], o->ldx,
                          panels, y, o->ldy, o->accumulate);
}

/* A few units a thread even out what else the processors do; but a unit's first panel comes slowly, since
 * nobody fetched it ahead (kernels/simd/gemm.h), so that units should not be small. */
void matmul_all(const struct model *m, const struct matmul_op *op, int n)
{
    struct matmul_job j = {.m = m, .op = op};
    int64_t threads = pool_threads(m->pool), all = 0, units = 0;
    for (int i = 0; i < n; i++) all += panel_count(op[i].w->n) * row_units(&op[i]);
    int64_t wanted = all / PANELS_A_UNIT;
    if (wanted > threads * UNITS_A_THREAD) wanted = threads * UNITS_A_THREAD;
    if (wanted < threads) wanted = threads;
    for (int i = 0; i < n; i++) {
        int64_t panels = panel_count(op[i].w->n), rows = row_units(&op[i]);
        j.panel_units[i] = rows ? min64(panels, (wanted * panels + all - 1) / all) : 1;
        units += j.panel_units[i] * rows;
        j.end[i] = units;
    }
    pool_for(m->pool, units, matmul_unit, &j);
}

void matmul(const struct model *m, const struct weight *w, int64_t rows, const void *act, int64_t ldx,
            float *y, int64_t ldy, int accumulate)
{
    struct matmul_op op = {
        .w = w, .rows = rows, .act = act, .ldx = ldx, .y = y, .ldy = ldy, .accumulate = accumulate};
    matmul_all(m, &op, 1);
}

struct pack_job {
    const struct model *m;
    int64_t rows, each, k, ldx, ldo;
    const float *x;
    char *act;
};

static void pack_unit(void *ctx, int64_t unit, unsigned thread)
{
    (void)thread;
    const struct pack_job *j = ctx;
    int64_t row = unit * j->each;
    j->m->kern.act_pack[j->m->type](min64(j->each, j->rows - row), j->k, j->x + row * j->ldx, j->ldx,
                                    j->act + (size_t)(row * j->ldo) * j->m->kern.act_bytes[j->m->type],
                                    j->ldo);
}

void matmul_pack(const struct model *m, int64_t rows, int64_t k, const float *x, int64_t ldx, void *act,
                 int64_t ldo)
{
    struct pack_job j = {m, rows, rows_a_unit(m, rows), k, ldx, ldo, x, act};
    pool_for(m->pool, (rows + j.each - 1) / j.each, pack_unit, &j);
}
