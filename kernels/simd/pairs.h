/* Activations for a bf16 dot instruction. */
#ifndef TERSE_KERNELS_SIMD_PAIRS_H
#define TERSE_KERNELS_SIMD_PAIRS_H

#include "kernels/kernels.h"
#include "kernels/simd/math.h"

/* In place too: a vector is read before its half is written, and rows only move towards the front. */
static void act_pack_pairs(int64_t rows, int64_t k, const float *x, int64_t ldx, void *act, int64_t ldo)
{
    for (int64_t r = 0; r < rows; r++) {
        const float *xr = x + r * ldx;
        uint16_t *o = (uint16_t *)act + r * ldo;
        EACH16(k, i, c, v16_store_bf16_n(o + i, c, v16_load_n(xr + i, c)));
        if (k & 1) o[k] = 0;
    }
}

#endif
