/* Clause 1 of the numerics contract at its root: however a product is cut - rows, columns, panels, along k at
 * even places - each output keeps its bits. Whole products are compared with the same products in random
 * pieces, for every instruction set of this machine. */
#include "kernels/kernels.h"
#include "tests/support/gemm_dot.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t state_of_random = 1;

/* 0..below-1 */
static int64_t pick(int64_t below)
{
    state_of_random = state_of_random * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)(state_of_random >> 33) % below;
}

struct product {
    const struct kernels *kn;
    enum weight_type type;
    int64_t m, k, n, ldx;
    float *x, *w;       /* [m][k], [n][k] */
    char *act, *panels; /* packed [m][ldx]; panels of [n][k] */
    float *y, *pieces;  /* [m][n] */
};

static void product_create(struct product *p)
{
    p->ldx = pad_even(p->k);
    size_t bytes = panel_bytes(p->type, p->k);
    p->x = malloc((size_t)(p->m * p->k) * sizeof *p->x);
    p->w = malloc((size_t)(p->n * p->k) * sizeof *p->w);
    p->act = malloc((size_t)(p->m * p->ldx) * p->kn->act_bytes[p->type]);
    p->panels = malloc(weight_size(p->type, p->n, p->k));
    p->y = malloc((size_t)(p->m * p->n) * sizeof *p->y);
    p->pieces = malloc((size_t)(p->m * p->n) * sizeof *p->y);
    for (int64_t i = 0; i < p->m * p->k; i++) p->x[i] = (float)(pick(2001) - 1000) / 700;
    for (int64_t i = 0; i < p->n * p->k; i++)
        p->w[i] = (float)(pick(2001) - 1000) / (p->type == WT_I8 ? 8 : 30000);
    for (int64_t n = 0; n < p->n; n += PANEL)
        p->kn->panel_pack[p->type](p->n - n < PANEL ? p->n - n : PANEL, p->k, p->w + n * p->k, p->k,
                                   p->panels + (size_t)(n / PANEL) * bytes);
    p->kn->act_pack[p->type](p->m, p->k, p->x, p->k, p->act, p->ldx);
    p->kn->gemm[p->type](p->m, p->k, p->n, p->act, p->ldx, p->panels, p->y, p->n, 0);
}

static void product_free(struct product *p)
{
    free(p->x), free(p->w), free(p->act), free(p->panels), free(p->y), free(p->pieces);
}

/* Where a panel may be cut along k: at multiples of this; 0 for nowhere. */
static int64_t cut_of(enum weight_type t)
{
    static const int64_t cuts[WT_COUNT] = {2, 2, GROUP, GROUP, 0, 4};
    return cuts[t];
}

/* Rows [row, row + rows) of some outputs from column `col`, a multiple of 32. */
static void piece(struct product *p, int64_t row, int64_t rows, int64_t col, int64_t cols)
{
    const char *x = p->act + (size_t)(row * p->ldx) * p->kn->act_bytes[p->type];
    const char *w = p->panels + (size_t)(col / PANEL) * panel_bytes(p->type, p->k);
    float *y = p->pieces + row * p->n + col;
    int64_t cut = cols <= PANEL ? cut_of(p->type) : 0, step = cut ? cut * (1 + pick(p->k / cut + 1)) : p->k;
    for (int64_t j = 0; j < p->k; j += step) {
        int64_t some = p->k - j < step ? p->k - j : step;
        p->kn->gemm[p->type](rows, some, cols, x + (size_t)j * p->kn->act_bytes[p->type], p->ldx,
                             w + (j ? panel_bytes(p->type, j) : 0), y, p->n, j > 0);
    }
}

static void in_pieces(struct product *p)
{
    memset(p->pieces, 0xff, (size_t)(p->m * p->n) * sizeof *p->pieces);
    for (int64_t row = 0, rows; row < p->m; row += rows) {
        rows = 1 + pick(p->m - row < 40 ? p->m - row : 40);
        for (int64_t col = 0, cols; col < p->n; col += cols) {
            cols = PANEL * (1 + pick(3));
            if (cols > p->n - col) cols = p->n - col;
            piece(p, row, rows, col, cols);
        }
    }
}

static void check_product(const struct kernels *kn, enum weight_type type, int64_t m, int64_t k, int64_t n,
                          int times)
{
    struct product p = {.kn = kn, .type = type, .m = m, .n = n};
    p.k = weight_quantised(type) ? (k + GROUP - 1) / GROUP * GROUP : k;
    product_create(&p);
    for (int i = 0; i < times; i++) {
        in_pieces(&p);
        if (memcmp(p.y, p.pieces, (size_t)(m * n) * sizeof *p.y))
            fail_msg("%s, type %d, m %" PRId64 " k %" PRId64 " n %" PRId64
                     ": the pieces differ from the whole",
                     kn->name, type, m, k, n);
    }
    product_free(&p);
}

static void check_table(const struct kernels *kn)
{
    struct kernels ref;
    kernels_init_ref(&ref);
    for (enum weight_type type = 0; type < WT_COUNT; type++) {
        if (kn->gemm[type] == ref.gemm[type]) continue;
        for (int i = 0; i < 300; i++) check_product(kn, type, 1 + pick(80), 1 + pick(200), 1 + pick(130), 3);
        check_product(kn, type, 400, 1100, 70, 4); /* more rows and more bytes than any block */
        check_product(kn, type, 30, 9001, 33, 4);
    }
}

static void pieces_equal_the_whole(void **state)
{
    (void)state;
    struct kernels kn;
    unsigned old = kernels_fp_enter(), flags = 0, have = cpu_detect();
    for (unsigned bit = 1; bit && bit <= have; bit <<= 1) {
        if (!(have & bit)) continue;
        kernels_init(&kn, flags |= bit);
        check_table(&kn);
    }
    if (have & CPU_AVX512) {
        gemm_init_emulated(&kn);
        check_table(&kn);
    }
    kernels_fp_leave(old);
}

static void levels_agree_on(enum weight_type type)
{
    struct kernels kn;
    struct product p = {.type = type, .m = 200, .k = type == WT_BF16 ? 1100 : 1120, .n = 96}, first = p;
    unsigned flags = 0, have = cpu_detect();
    kernels_init_ref(&kn);
    for (unsigned bit = 1; bit && bit <= have; bit <<= 1) {
        if (!(have & bit)) continue;
        kernels_init(&kn, flags |= bit);
        struct product q = p;
        q.kn = &kn;
        state_of_random = 7;
        product_create(&q);
        if (!first.y)
            first = q;
        else {
            assert_memory_equal(q.y, first.y, (size_t)(q.m * q.n) * sizeof *q.y);
            product_free(&q);
        }
    }
    product_free(&first);
}

static void levels_agree(void **state)
{
    (void)state;
    unsigned old = kernels_fp_enter();
    for (enum weight_type type = 0; type < WT_COUNT; type++) levels_agree_on(type);
    kernels_fp_leave(old);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_equal_the_whole),
        cmocka_unit_test(levels_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
