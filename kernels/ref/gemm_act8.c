/* Products with 8-bit activations: the specification of act8_pack and gemm_act8. */
#include "kernels/math.h"
#include "kernels/ref/ref.h"

struct group {
    float scale;
    int8_t q[GROUP];
};

static void group_pack(const float *x, struct group *out)
{
    float top = 0;
    for (int i = 0; i < GROUP; i++) top = fabsf(x[i]) > top ? fabsf(x[i]) : top;
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

static inline float dot(enum weight_type t, const struct group *x, const void *w, int64_t k, int64_t n,
                        int64_t g)
{
    int32_t sum = 0;
    for (int64_t j = 0; j < GROUP; j++) sum += x->q[j] * ref_quant(t, w, k, n, g * GROUP + j);
    return (float)sum;
}

static inline float output(enum weight_type t, int64_t k, const struct group *x, const void *w, int64_t n,
                           float y, int accumulate)
{
    float acc = 0;
    if (!accumulate) y = 0;
    for (int64_t g = 0; g < k / GROUP; g++) {
        float sum = dot(t, x + g, w, k, n, g);
        if (t == WT_W4)
            acc = fmaf(sum, x[g].scale, acc);
        else
            y = fmaf(sum, x[g].scale * ref_scale(t, w, k, n, g * GROUP), y);
    }
    if (t != WT_W4) return y;
    return accumulate ? fmaf(acc, ref_scale(t, w, k, n, 0), y) : acc * ref_scale(t, w, k, n, 0);
}

static inline void product(enum weight_type t, int64_t m, int64_t k, int64_t cols, const void *x,
                           const void *w, float *y, int64_t ldy, int accumulate)
{
    for (int64_t i = 0; i < m; i++)
        for (int64_t n = 0; n < cols; n++) {
            float *o = y + i * ldy + n;
            *o = output(t, k, (const struct group *)x + i * (k / GROUP), w, n, *o, accumulate);
        }
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
