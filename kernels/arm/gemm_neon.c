/* Products on Advanced SIMD: 32 registers hold 6 x 4 sums. */
#include "kernels/arm/arm.h"
#include "kernels/arm/vec_neon.h"

#define TILES(X)  X(1, 2) X(2, 2) X(3, 1) X(4, 1) X(5, 1) X(6, 1)
#define TILE_ROWS 6
#include "kernels/simd/gemm.h"

GEMM(gemm_f32, F32)
GEMM(gemm_bf16, BF16)

void gemm_init_neon(struct kernels *k)
{
    k->gemm[WT_F32] = gemm_f32;
    k->gemm[WT_BF16] = gemm_bf16;
}
