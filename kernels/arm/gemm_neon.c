/* Products on Advanced SIMD: bf16 and quantised weights are widened in registers. */
#include "kernels/arm/arm.h"
#include "kernels/arm/tile_quant.h"

GEMM(gemm_f32, F32)
GEMM(gemm_bf16, BF16)

#define QUANT_DOT 0
#include "kernels/simd/gemm_quant.h"

#define ACT8_TILES(X) X(1, 2) X(2, 1) X(3, 1) X(4, 1)
#define ACT8_ROWS     4
#include "kernels/simd/gemm_act8.h"

void gemm_init_neon(struct kernels *k)
{
    k->gemm[WT_F32] = gemm_f32;
    k->gemm[WT_BF16] = gemm_bf16;
    gemm_quant_init(k);
    gemm_act8_init(k);
}
