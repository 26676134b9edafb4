/* bf16 products on AVX-512-BF16: a k-pair is one instruction, activations are pairs of bf16 too. */
#include "kernels/x86/vec_avx512.h"
#include "kernels/x86/x86.h"

#define TILES(X)                                                                                             \
    X(1, 2)                                                                                                  \
    X(2, 2)                                                                                                  \
    X(3, 2) X(4, 2) X(5, 2) X(6, 2) X(7, 2) X(8, 2) X(9, 2) X(10, 2) X(11, 2) X(12, 2) X(13, 2) X(14, 2)
#define TILE_ROWS 14
#include "kernels/simd/gemm.h"
#include "kernels/simd/pairs.h"

GEMM(gemm_dot, DOT)

#define QUANT_TILES(X)                                                                                       \
    X(1, 2) X(2, 2) X(3, 2) X(4, 2) X(5, 2) X(6, 2) X(7, 2) X(8, 2) X(9, 2) X(10, 2) X(11, 2) X(12, 2)
#define QUANT_ROWS   12
#define TWO_TILES(X) X(1, 4) X(2, 4) X(3, 4)
#define TWO_ROWS     3
#define QUANT_DOT    1
#include "kernels/simd/gemm_quant.h"

void gemm_init_avx512bf16(struct kernels *k)
{
    for (enum weight_type t = WT_BF16; t < WT_COUNT; t++) {
        k->act_bytes[t] = sizeof(uint16_t);
        k->act_pack[t] = act_pack_pairs;
    }
    k->gemm[WT_BF16] = gemm_dot;
    gemm_quant_init(k);
}
