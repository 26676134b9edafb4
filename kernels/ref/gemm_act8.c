/* Products with 8-bit activations: the specification of act8_pack and gemm_act8. */
#include "kernels/math.h"
#include "kernels/ref/ref.h"

enum { ROWS = 16 }; /* taken together, so that weights are decoded once for all of them */

struct group {
    float scale;
    int8_t q[GROUP];
};

static void group_pack(const float *x, struct group *out)
{
    float top = 0;
    for (int i = 0; i < GROUP; i++) {
        float size = fabsf(x[i] + 0.0f); /* as in round_even */
        top = size > top ? size : top;
    }
    out->scale = top / 127.0f;
    float inverse = top > 0 ? 127.0f / top : 0;
    for (int i = 0; i < GROUP; i++) out->q[i] = (int8_t)round_even(x[i] * inverse, 127.0f);
}

static void act8_pack(int64_t rows, int64_t k, const float *x, int64_t ldx, void *act)
{
    struct group *o = act;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < k; j += GROUP) group_pack(x + i * ldx + j, o++);
}

static float dot(const int8_t *x, const int *q)
{
    int32_t sum = 0;
    for (int j = 0; j < GROUP; j++) sum += x[j] * q[j];
    return (float)sum;
}

/* Output n of m <= ROWS rows: y[i * ldy]. */
static inline void output(enum weight_type t, int64_t m, int64_t k, const struct group *x, const void *w,
                          int64_t n, float *y, int64_t ldy, int accumulate)
{
    float acc[ROWS];
    for (int64_t i = 0; i < m; i++) acc[i] = accumulate && t != WT_W4 ? y[i * ldy] : 0;
    for (int64_t g = 0; g < k / GROUP; g++) {
        float scale = ref_scale(t, w, k, n, g * GROUP);
        int q[GROUP];
        for (int64_t j = 0; j < GROUP; j++) q[j] = ref_quant(t, w, k, n, g * GROUP + j);
        for (int64_t i = 0; i < m; i++) {
            const struct group *xi = x + i * (k / GROUP) + g;
            acc[i] = fmaf(dot(xi->q, q), t == WT_W4 ? xi->scale : xi->scale * scale, acc[i]);
        }
    }
    for (int64_t i = 0; i < m; i++) {
        float scale = ref_scale(t, w, k, n, 0), *o = y + i * ldy;
        *o = t != WT_W4 ? acc[i] : accumulate ? fmaf(acc[i], scale, *o) : acc[i] * scale;
    }
}

static inline void product(enum weight_type t, int64_t m, int64_t k, int64_t cols, const struct group *x,
                           const void *w, float *y, int64_t ldy, int accumulate)
{
    for (int64_t i = 0; i < m; i += ROWS)
        for (int64_t n = 0; n < cols; n++)
            output(t, m - i < ROWS ? m - i : ROWS, k, x + i * (k / GROUP), w, n, y + i * ldy + n, ldy,
                   accumulate);
}

#define GEMM(name, type)                                                                                     \
    static void name(int64_t m, int64_t k, int64_t cols, const void *x, const void *w, float *y,             \
                     int64_t ldy, int accumulate)                                                            \
    {                                                                                                        \
        product(type, m, k, cols, x, w, y, ldy, accumulate);                                                 \
    }
GEMM(gemm_q8_0, WT_Q8_0)
GEMM(gemm_q4_0, WT_Q4_0)
GEMM(gemm_w4, WT_W4)

void ref_gemm_act8_init(struct kernels *k)
{
    k->act8_bytes = sizeof(struct group);
    k->act8_pack = act8_pack;
    k->gemm_act8[WT_F32] = k->gemm_act8[WT_BF16] = k->gemm_act8[WT_I8] = NULL;
    k->gemm_act8[WT_Q8_0] = gemm_q8_0;
    k->gemm_act8[WT_Q4_0] = gemm_q4_0;
    k->gemm_act8[WT_W4] = gemm_w4;
}
