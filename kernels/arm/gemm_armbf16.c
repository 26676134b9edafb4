/* Products with BFMLALT and BFMLALB: bf16 weights and activations are multiplied as they lie, quantised
 * weights become bf16 in registers. */
#include "kernels/arm/arm.h"
#include "kernels/arm/tile_quant.h"
#include "kernels/simd/pairs.h"

GEMM(gemm_dot, DOT)

#define QUANT_DOT 1
#include "kernels/simd/gemm_quant.h"

void gemm_init_armbf16(struct kernels *k)
{
    for (enum weight_type t = WT_BF16; t < WT_COUNT; t++) {
        k->act_bytes[t] = sizeof(uint16_t);
        k->act_pack[t] = act_pack_pairs;
    }
    k->gemm[WT_BF16] = gemm_dot;
    gemm_quant_init(k);
}
