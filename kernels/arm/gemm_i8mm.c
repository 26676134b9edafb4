/* Products with 8-bit activations by SMMLA: rows in pairs, so that one row alone wastes half. */
#include "kernels/arm/arm.h"

#define ACT8_MATRIX 1
#include "kernels/arm/tile_act8.h"

#define ACT8_TILES(X)                                                                                        \
    X(1, 8) X(2, 4) X(3, 2) X(4, 2) X(5, 2) X(6, 2) X(7, 1) X(8, 1) X(9, 1) X(10, 1) X(11, 1) X(12, 1)
#define ACT8_ROWS 12
#include "kernels/simd/gemm_act8.h"

void gemm_init_i8mm(struct kernels *k)
{
    gemm_act8_init(k);
}
