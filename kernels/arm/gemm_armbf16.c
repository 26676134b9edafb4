/* bf16 products with BFMLALT and BFMLALB: weights and activations are multiplied as they lie. */
#include "kernels/arm/arm.h"
#include "kernels/arm/tile.h"
#include "kernels/simd/pairs.h"

GEMM(gemm_dot, DOT)

void gemm_init_armbf16(struct kernels *k)
{
    k->act_bytes[WT_BF16] = sizeof(uint16_t);
    k->act_pack[WT_BF16] = act_pack_pairs;
    k->gemm[WT_BF16] = gemm_dot;
}
