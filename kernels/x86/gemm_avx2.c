/* Products on AVX2: 16 registers hold 6 x 2 sums, 2 of weights, an activation and the mask of odd weights. */
#include "kernels/x86/vec_avx2.h"
#include "kernels/x86/x86.h"

#define TILES(X)  X(1, 2) X(2, 2) X(3, 1) X(4, 1) X(5, 1) X(6, 1)
#define TILE_ROWS 6
#include "kernels/simd/gemm.h"

GEMM(gemm_f32, F32)
GEMM(gemm_bf16, BF16)

#define QUANT_TILES(X) X(1, 2) X(2, 2) X(3, 1) X(4, 1) X(5, 1) X(6, 1)
#define QUANT_ROWS     6
#define TWO_TILES(X)   X(1, 4)
#define TWO_ROWS       1
#define QUANT_DOT      0
#include "kernels/simd/gemm_quant.h"

#define ACT8_TILES(X) X(1, 2) X(2, 1) X(3, 1) X(4, 1)
#define ACT8_ROWS     4
#include "kernels/simd/gemm_act8.h"

void gemm_init_avx2(struct kernels *k)
{
    k->gemm[WT_F32] = gemm_f32;
    k->gemm[WT_BF16] = gemm_bf16;
    gemm_quant_init(k);
    gemm_act8_init(k);
}
