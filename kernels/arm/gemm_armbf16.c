/* bf16 products with BFMLALT and BFMLALB: weights and activations are multiplied as they lie. */
#include "kernels/arm/arm.h"
#include "kernels/arm/vec_neon.h"

#define TILES(X)  X(1, 2) X(2, 2) X(3, 1) X(4, 1) X(5, 1) X(6, 1)
#define TILE_ROWS 6
#include "kernels/simd/gemm.h"
#include "kernels/simd/pairs.h"

GEMM(gemm_dot, DOT)

void gemm_init_armbf16(struct kernels *k)
{
    k->act_bytes[WT_BF16] = sizeof(uint16_t);
    k->act_pack[WT_BF16] = act_pack_pairs;
    k->gemm[WT_BF16] = gemm_dot;
}
