/* Products with quantised weights: the specification of their gemm slots. */
#include "kernels/math.h"
#include "kernels/ref/ref.h"

/* The chain over the integers of columns k0..k0+k-1 of row n. */
static inline float chain(enum weight_type t, const float *x, const void *w, int64_t cols, int64_t n,
                          int64_t k0, int64_t k, float acc)
{
    for (int64_t j = k0; j < k0 + pad_even(k); j += 2) {
        acc = fmaf(x[j + 1], (float)ref_quant(t, w, cols, n, j + 1), acc);
        acc = fmaf(x[j], (float)ref_quant(t, w, cols, n, j), acc);
    }
    return acc;
}

static inline float output(enum weight_type t, int64_t k, const float *x, const void *w, int64_t n, float y,
                           int accumulate)
{
    if (!accumulate) y = 0;
    if (t == WT_I8) return chain(t, x, w, k, n, 0, k, y);
    if (t == WT_W4) {
        float acc = chain(t, x, w, k, n, 0, k, 0), scale = ref_scale(t, w, k, n, 0);
        return accumulate ? fmaf(acc, scale, y) : acc * scale;
    }
    for (int64_t g = 0; g < k; g += GROUP)
        y = fmaf(chain(t, x, w, k, n, g, GROUP, 0), ref_scale(t, w, k, n, g), y);
    return y;
}

static inline void product(enum weight_type t, int64_t m, int64_t k, int64_t cols, const float *x,
                           int64_t ldx, const void *w, float *y, int64_t ldy, int accumulate)
{
    for (int64_t i = 0; i < m; i++)
        for (int64_t n = 0; n < cols; n++) {
            float *o = y + i * ldy + n;
            *o = output(t, k, x + i * ldx, w, n, *o, accumulate);
        }
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
