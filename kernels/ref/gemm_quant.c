/* Products with quantised weights: the specification of their gemm slots. */
#include "kernels/math.h"
#include "kernels/ref/ref.h"

enum { ROWS = 16 }; /* taken together, so that weights are decoded once for all of them */

/* The chain over k columns; x and q have one more if k is odd. */
static float chain(int64_t k, const float *x, const float *q, float acc)
{
    for (int64_t j = 0; j < pad_even(k); j += 2) {
        acc = fmaf(x[j + 1], q[j + 1], acc);
        acc = fmaf(x[j], q[j], acc);
    }
    return acc;
}

/* Output n of m <= ROWS rows: y[i * ldy]. */
static inline void output(enum weight_type t, int64_t m, int64_t k, const float *x, int64_t ldx,
                          const void *w, int64_t n, float *y, int64_t ldy, int accumulate)
{
    float acc[ROWS];
    int grouped = t == WT_Q8_0 || t == WT_Q4_0;
    for (int64_t i = 0; i < m; i++) acc[i] = accumulate && t != WT_W4 ? y[i * ldy] : 0;
    for (int64_t g = 0; g < k; g += GROUP) {
        float q[GROUP], scale = ref_scale(t, w, k, n, g);
        int64_t some = k - g < GROUP ? k - g : GROUP;
        for (int64_t j = 0; j < pad_even(some); j++) q[j] = (float)ref_quant(t, w, k, n, g + j);
        for (int64_t i = 0; i < m; i++) {
            float sum = chain(some, x + i * ldx + g, q, grouped ? 0 : acc[i]);
            acc[i] = grouped ? fmaf(sum, scale, acc[i]) : sum;
        }
    }
    for (int64_t i = 0; i < m; i++) {
        float scale = ref_scale(t, w, k, n, 0), *o = y + i * ldy;
        *o = t != WT_W4 ? acc[i] : accumulate ? fmaf(acc[i], scale, *o) : acc[i] * scale;
    }
}

static inline void product(enum weight_type t, int64_t m, int64_t k, int64_t cols, const float *x,
                           int64_t ldx, const void *w, float *y, int64_t ldy, int accumulate)
{
    for (int64_t i = 0; i < m; i += ROWS)
        for (int64_t n = 0; n < cols; n++)
            output(t, m - i < ROWS ? m - i : ROWS, k, x + i * ldx, ldx, w, n, y + i * ldy + n, ldy,
                   accumulate);
}

#define GEMM(name, type)                                                                                     \
    static void name(int64_t m, int64_t k, int64_t cols, const void *x, int64_t ldx, const void *w,          \
                     float *y, int64_t ldy, int accumulate)                                                  \
    {                                                                                                        \
        product(type, m, k, cols, x, ldx, w, y, ldy, accumulate);                                            \
    }
GEMM(gemm_q8_0, WT_Q8_0)
GEMM(gemm_q4_0, WT_Q4_0)
GEMM(gemm_w4, WT_W4)
GEMM(gemm_i8, WT_I8)

void ref_gemm_quant_init(struct kernels *k)
{
    for (enum weight_type t = WT_Q8_0; t < WT_COUNT; t++) {
        k->act_bytes[t] = k->act_bytes[WT_BF16];
        k->act_pack[t] = k->act_pack[WT_BF16];
    }
    k->gemm[WT_Q8_0] = gemm_q8_0;
    k->gemm[WT_Q4_0] = gemm_q4_0;
    k->gemm[WT_W4] = gemm_w4;
    k->gemm[WT_I8] = gemm_i8;
}
