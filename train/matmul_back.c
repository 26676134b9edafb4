/* Products of the backward pass. The gradient of a product's input reads the forward's panels, transposed on
 * the fly into private scratch; the gradient of a weight is an fp32 product by OpenBLAS on fixed tiles. */
#include "train/backward.h"
#include "train/blas.h"

enum { UNIT_PANELS = 16, TILE_MIN = 64, TILE_MAX = 512, TILES_WANTED = 8 };

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

struct back_job {
    const struct model *m;
    struct back *b;
    const struct weight *w;
    int64_t rows, ldx, ldo, units;
    const char *act;
    float *out;
    int accumulate;
};

/* Panels [first, end) of the transposed matrix, some at a time into scratch that stays in the second-level
 * cache, as does a block of activations (rows x BACK_DEPTH): along the depth outside, so that the
 * activations, which for the head are larger than any cache, are read once a unit and not once a panel. */
static void back_unit(void *ctx, int64_t unit, unsigned thread)
{
    const struct back_job *j = ctx;
    const struct weight *w = j->w;
    const struct kernels *k = &j->m->kern;
    enum weight_type plain = weight_plain(w->type);
    char *scratch = j->b->thread + thread * j->b->thread_bytes;
    int64_t panels = panel_count(w->k), first = unit * panels / j->units,
            end = (unit + 1) * panels / j->units;
    for (int64_t n = 0; n < w->n; n += BACK_DEPTH) {
        int64_t depth = min64(BACK_DEPTH, w->n - n);
        size_t bytes = panel_bytes(plain, depth);
        const char *act = j->act + (size_t)n * k->act_bytes[w->type];
        for (int64_t p = first, some; p < end; p += some) {
            some = min64(BACK_PANELS, end - p);
            for (int64_t i = 0; i < some; i++)
                k->panel_transpose[w->type](n, depth, w->k, (p + i) * PANEL, w->panels,
                                            scratch + (size_t)i * bytes);
            int64_t col = p * PANEL;
            k->gemm[plain](j->rows, depth, min64(some * PANEL, w->k - col), act, j->ldx, scratch,
                           j->out + col, j->ldo, j->accumulate || n > 0);
        }
    }
}

void matmul_back(const struct model *m, struct back *b, const struct weight *w, int64_t rows, const void *act,
                 int64_t ldx, float *out, int64_t ldo, int accumulate)
{
    if (rows <= 0) return;
    int64_t panels = panel_count(w->k), threads = pool_threads(m->pool);
    int64_t units = (panels + UNIT_PANELS - 1) / UNIT_PANELS;
    units = min64(panels, (units + threads - 1) / threads * threads);
    struct back_job j = {m, b, w, rows, ldx, ldo, units, act, out, accumulate};
    pool_for(m->pool, units, back_unit, &j);
}

struct outer_job {
    int64_t m, n, k, lda, ldb, tile_m, tile_n, tiles_n;
    const float *a, *b;
    float *c;
};

static void outer_unit(void *ctx, int64_t unit, unsigned thread)
{
    (void)thread;
    const struct outer_job *j = ctx;
    int64_t r = unit / j->tiles_n * j->tile_m, c = unit % j->tiles_n * j->tile_n;
    blas_gemm(BLAS_T, BLAS_N, min64(j->tile_m, j->m - r), min64(j->tile_n, j->n - c), j->k, 1, j->a + r,
              j->lda, j->b + c, j->ldb, 1, j->c + r * j->n + c, j->n);
}

/* The side of a tile along `whole`: parts as equal as can be, none above `most`. */
static int64_t side(int64_t whole, int64_t most)
{
    int64_t parts = (whole + most - 1) / most;
    return (whole + parts - 1) / parts;
}

/* Tiles follow from the sizes alone, so that threads do not show: some eight of them where the matrix is
 * small, so that there is work for all, and none larger than caches like. */
void outer_add(struct pool *pool, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda,
               const float *b, int64_t ldb, float *c)
{
    if (k <= 0) return;
    int64_t most = TILE_MIN;
    while (most < TILE_MAX && most * most * TILES_WANTED < m * n) most *= 2;
    struct outer_job j = {m, n, k, lda, ldb, side(m, most), side(n, most), 0, a, b, c};
    j.tiles_n = (n + j.tile_n - 1) / j.tile_n;
    pool_for(pool, (m + j.tile_m - 1) / j.tile_m * j.tiles_n, outer_unit, &j);
}
