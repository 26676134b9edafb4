/* Products with 8-bit activations on AVX-512-VNNI: a quad of each lane is one instruction. */
#include "kernels/x86/vec_avx512.h"
#include "kernels/x86/x86.h"

#define ACT8_TILES(X)                                                                                        \
    X(1, 2) X(2, 2) X(3, 2) X(4, 2) X(5, 2) X(6, 2) X(7, 2) X(8, 2) X(9, 2) X(10, 2) X(11, 2) X(12, 2)
#define ACT8_ROWS 12
#include "kernels/simd/gemm_act8.h"

void gemm_init_avx512vnni(struct kernels *k)
{
    gemm_act8_init(k);
}
