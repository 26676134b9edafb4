/* Products on AVX-512: 32 registers hold 13 x 2 sums, two vectors of weights, their mask and an activation.
 */
#include "kernels/x86/vec_avx512.h"
#include "kernels/x86/x86.h"

#define TILES(X)                                                                                             \
    X(1, 2)                                                                                                  \
    X(2, 2) X(3, 2) X(4, 2) X(5, 2) X(6, 2) X(7, 2) X(8, 2) X(9, 2) X(10, 2) X(11, 2) X(12, 2) X(13, 2)
#define TILE_ROWS 13
#include "kernels/simd/gemm.h"

GEMM(gemm_f32, F32)
GEMM(gemm_bf16, BF16)

/* Unpacking wants two registers more. */
#define QUANT_TILES(X)                                                                                       \
    X(1, 2) X(2, 2) X(3, 2) X(4, 2) X(5, 2) X(6, 2) X(7, 2) X(8, 2) X(9, 2) X(10, 2) X(11, 2) X(12, 2)
#define QUANT_ROWS   12
#define TWO_TILES(X) X(1, 4) X(2, 4) X(3, 4)
#define TWO_ROWS     3
#define QUANT_DOT    0
#include "kernels/simd/gemm_quant.h"

void gemm_init_avx512(struct kernels *k)
{
    k->gemm[WT_F32] = gemm_f32;
    k->gemm[WT_BF16] = gemm_bf16;
    gemm_quant_init(k);
}
