/* Products on all threads: split into blocks of outputs and rows. Each output's chain is computed by one
 * thread, so neither the split nor the number of threads shows in the result. */
#include "infer/forward.h"

enum { ROW_BLOCK = 256, PACK_ROWS = 32, UNITS_A_THREAD = 4, PANELS_A_UNIT = 7 };

struct matmul_job {
    const struct model *m;
    const struct weight *w;
    int64_t rows, ldx, ldy;
    const char *act;
    float *y;
    int accumulate;
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
    const char *x = j->act + (size_t)(row * j->ldx) * j->m->kern.act_bytes[w->type];
    j->m->kern.gemm[w->type](min64(ROW_BLOCK, j->rows - row), w->k, cols, x, j->ldx, panels,
                             j->y + row * j->ldy + col, j->ldy, j->accumulate);
}

/* A few units a thread even out what else the processors do; but a unit's first panel comes slowly, since
 * nobody fetched it ahead (kernels/simd/gemm.h), so that units should not be small. */
void matmul(const struct model *m, const struct weight *w, int64_t rows, const void *act, int64_t ldx,
            float *y, int64_t ldy, int accumulate)
{
    if (rows <= 0) return;
    struct matmul_job j = {m, w, rows, ldx, ldy, act, y, accumulate, 1};
    int64_t panels = panel_count(w->n), row_units = (rows + ROW_BLOCK - 1) / ROW_BLOCK;
    int64_t threads = pool_threads(m->pool), wanted = panels * row_units / PANELS_A_UNIT;
    if (wanted > threads * UNITS_A_THREAD) wanted = threads * UNITS_A_THREAD;
    if (wanted < threads) wanted = threads;
    j.panel_units = min64(panels, (wanted + row_units - 1) / row_units);
    pool_for(m->pool, j.panel_units * row_units, matmul_unit, &j);
}

struct pack_job {
    const struct model *m;
    int64_t rows, k, ldx, ldo;
    const float *x;
    char *act;
};

static void pack_unit(void *ctx, int64_t unit, unsigned thread)
{
    (void)thread;
    const struct pack_job *j = ctx;
    int64_t row = unit * PACK_ROWS;
    j->m->kern.act_pack[j->m->type](min64(PACK_ROWS, j->rows - row), j->k, j->x + row * j->ldx, j->ldx,
                                    j->act + (size_t)(row * j->ldo) * j->m->kern.act_bytes[j->m->type],
                                    j->ldo);
}

void matmul_pack(const struct model *m, int64_t rows, int64_t k, const float *x, int64_t ldx, void *act,
                 int64_t ldo)
{
    struct pack_job j = {m, rows, k, ldx, ldo, x, act};
    pool_for(m->pool, (rows + PACK_ROWS - 1) / PACK_ROWS, pack_unit, &j);
}
