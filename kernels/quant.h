/* GGUF's blocks of quantised weights: 32 consecutive values of a row and one scale. */
#ifndef TERSE_KERNELS_QUANT_H
#define TERSE_KERNELS_QUANT_H

#include "kernels/weights.h"

/* Q8_0: scale f16; 32 int8. Q4_0: scale f16; 16 bytes, low nibbles the values 0..15, high ones 16..31, each
 * q + 8. Little-endian; blocks of a row follow one another. */
enum { Q8_0_BLOCK = 34, Q4_0_BLOCK = 18 };

/* 32 floats -> a block, to the bit as ggml's reference quantisers (ggml-quants.c) do it: Q8_0 with scale
 * largest |x| / 127, rounding halves away from zero; Q4_0 with scale (x of largest |x|, the first of equals)
 * / -8, rounding by adding 8.5 and cutting. The scale is rounded to f16 only after it was used; beyond f16 it
 * is f16's greatest. */
void block_put_q8_0(const float *x, void *block);
void block_put_q4_0(const float *x, void *block);

/* A block -> 32 floats, exactly. */
void block_get_q8_0(const void *block, float *x);
void block_get_q4_0(const void *block, float *x);

/* WT_W4 as Q4_0 blocks: the scale of a row of k values, (x of largest |x|, the first of equals) / -8 rounded
 * to f16, then 32 of its values as a block with this scale. */
float row_scale_w4(int64_t k, const float *x);
void block_put_w4(const float *x, float scale, void *block);

#endif
