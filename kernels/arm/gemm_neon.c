/* Products on Advanced SIMD: bf16 weights are widened in registers. */
#include "kernels/arm/arm.h"
#include "kernels/arm/tile.h"

GEMM(gemm_f32, F32)
GEMM(gemm_bf16, BF16)

void gemm_init_neon(struct kernels *k)
{
    k->gemm[WT_F32] = gemm_f32;
    k->gemm[WT_BF16] = gemm_bf16;
}
