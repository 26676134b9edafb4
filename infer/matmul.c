/* Products on all threads: split into blocks of outputs and rows. Each output's chain is computed by one
 * thread, so neither the split nor the number of threads shows in the result. */
#include "infer/forward.h"

enum { ROW_BLOCK = 256, UNITS_A_THREAD = 4, PANELS_A_UNIT = 7 };

struct matmul_job {
    const struct model *m;
    const struct weight *w;
    int64_t rows, ldx, ldy;
    const char *act;
    float *y;
    int accumulate, act8;
    int64_t panel_units; /* into which the panels are split, as equal as can be */
};

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void matmul_unit(void *ctx, int64_t unit, unsigned thread)
{
    (void)thread;
    const struct matmul_job *j = ctx;
    const struct weight *w = j->w;
    int64_t part = unit % j->panel_units, row = unit / j->panel_units * ROW_BLOCK;
    int64_t all = panel_count(w->n), panel = part * all / j->panel_units,
            end = (part + 1) * all / j->panel_units;
    int64_t col = panel * PANEL, cols = min64(end * PANEL, w->n) - col;
    const char *panels = (const char *)w->panels + (size_t)panel * panel_bytes(w->type, w->k);
    const struct kernels *kn = &j->m->kern;
    float *y = j->y + row * j->ldy + col;
    int64_t rows = min64(ROW_BLOCK, j->rows - row);
    if (j->act8)
        kn->gemm_act8[w->type](rows, w->k, cols, j->act + (size_t)row * act8_row(j->m, w->k), panels, y,
                               j->ldy, j->accumulate);
    else
        kn->gemm[w->type](rows, w->k, cols, j->act + (size_t)(row * j->ldx) * kn->act_bytes[w->type], j->ldx,
                          panels, y, j->ldy, j->accumulate);
}

/* A few units a thread even out what else the processors do; but a unit's first panel comes slowly, since
 * nobody fetched it ahead (kernels/simd/gemm.h), so that units should not be small. */
static void matmul_run(struct matmul_job *j)
{
    if (j->rows <= 0) return;
    int64_t panels = panel_count(j->w->n), row_units = (j->rows + ROW_BLOCK - 1) / ROW_BLOCK;
    int64_t threads = pool_threads(j->m->pool), wanted = panels * row_units / PANELS_A_UNIT;
    if (wanted > threads * UNITS_A_THREAD) wanted = threads * UNITS_A_THREAD;
    if (wanted < threads) wanted = threads;
    j->panel_units = min64(panels, (wanted + row_units - 1) / row_units);
    pool_for(j->m->pool, j->panel_units * row_units, matmul_unit, j);
}

void matmul(const struct model *m, const struct weight *w, int64_t rows, const void *act, int64_t ldx,
            float *y, int64_t ldy, int accumulate)
{
    struct matmul_job j = {m, w, rows, ldx, ldy, act, y, accumulate, 0, 1};
    matmul_run(&j);
}

void matmul_act8(const struct model *m, const struct weight *w, int64_t rows, const void *act8, float *y,
                 int64_t ldy)
{
    struct matmul_job j = {m, w, rows, 0, ldy, act8, y, 0, 1, 1};
    matmul_run(&j);
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

static void pack_act8_unit(void *ctx, int64_t unit, unsigned thread)
{
    (void)thread;
    const struct pack_job *j = ctx;
    int64_t row = unit * j->each;
    j->m->kern.act8_pack(min64(j->each, j->rows - row), j->k, j->x + row * j->ldx, j->ldx,
                         j->act + (size_t)row * act8_row(j->m, j->k));
}

void matmul_pack_act8(const struct model *m, int64_t rows, int64_t k, const float *x, int64_t ldx, void *act8)
{
    struct pack_job j = {m, rows, rows_a_unit(m, rows), k, ldx, 0, x, act8};
    pool_for(m->pool, (rows + j.each - 1) / j.each, pack_act8_unit, &j);
}
