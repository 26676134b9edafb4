/* The product: the specification of every gemm slot. */
#include "kernels/math.h"
#include "kernels/ref/ref.h"

static void act_pack_f32(int64_t rows, int64_t k, const float *x, int64_t ldx, void *act, int64_t ldo)
{
    float *o = act;
    for (int64_t i = 0; i < rows; i++) {
        memmove(o + i * ldo, x + i * ldx, (size_t)k * sizeof *o);
        if (k & 1) o[i * ldo + k] = 0;
    }
}

static void act_pack_bf16(int64_t rows, int64_t k, const float *x, int64_t ldx, void *act, int64_t ldo)
{
    float *o = act;
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < k; j++) o[i * ldo + j] = bf16_to_f32(f32_to_bf16(x[i * ldx + j]));
        if (k & 1) o[i * ldo + k] = 0;
    }
}

/* The chain of one output. w: element 0 of its lane in its panel. */
static float chain_f32(int64_t k, const float *x, const float *w, float acc)
{
    for (int64_t j = 0; j < pad_even(k); j += 2, w += 2 * PANEL) {
        acc = fmaf(x[j + 1], w[PANEL], acc);
        acc = fmaf(x[j], w[0], acc);
    }
    return acc;
}

static float chain_bf16(int64_t k, const float *x, const uint16_t *w, float acc)
{
    for (int64_t j = 0; j < pad_even(k); j += 2, w += 2 * PANEL) {
        acc = fmaf(x[j + 1], bf16_to_f32(w[1]), acc);
        acc = fmaf(x[j], bf16_to_f32(w[0]), acc);
    }
    return acc;
}

static int64_t lane_of(enum weight_type t, int64_t n, int64_t k)
{
    return n / PANEL * panel_elems(k) + panel_index(t, n % PANEL, 0);
}

static void gemm_f32(int64_t m, int64_t k, int64_t cols, const void *x, int64_t ldx, const void *w, float *y,
                     int64_t ldy, int accumulate)
{
    for (int64_t i = 0; i < m; i++)
        for (int64_t n = 0; n < cols; n++) {
            float *o = y + i * ldy + n;
            *o = chain_f32(k, (const float *)x + i * ldx, (const float *)w + lane_of(WT_F32, n, k),
                           accumulate ? *o : 0);
        }
}

static void gemm_bf16(int64_t m, int64_t k, int64_t cols, const void *x, int64_t ldx, const void *w, float *y,
                      int64_t ldy, int accumulate)
{
    for (int64_t i = 0; i < m; i++)
        for (int64_t n = 0; n < cols; n++) {
            float *o = y + i * ldy + n;
            *o = chain_bf16(k, (const float *)x + i * ldx, (const uint16_t *)w + lane_of(WT_BF16, n, k),
                            accumulate ? *o : 0);
        }
}

void ref_gemm_init(struct kernels *k)
{
    k->act_bytes[WT_F32] = sizeof(float);
    k->act_bytes[WT_BF16] = sizeof(float);
    k->act_pack[WT_F32] = act_pack_f32;
    k->act_pack[WT_BF16] = act_pack_bf16;
    k->gemm[WT_F32] = gemm_f32;
    k->gemm[WT_BF16] = gemm_bf16;
}
