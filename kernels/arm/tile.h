/* Tiles for products on Advanced SIMD, in place of kernels/simd/gemm.h's own: one activation is an element of
 * a register, which the multiply-adds pick themselves, and a tile is as few as 8 outputs wide, so that many
 * rows share the unpacking of a weight.
 *
 * A tile is rows x (4 quads) outputs in 24 of the 32 registers at most. Loads: a k-pair of activations a row
 * and `quads` vectors of weights a pair. */
#ifndef TERSE_KERNELS_ARM_TILE_H
#define TERSE_KERNELS_ARM_TILE_H

#include "kernels/arm/vec_neon.h"

#define TILE_ROWS 12
#include "kernels/simd/gemm.h"

/* Rows and quads of each tile. */
#define TILES(X)                                                                                             \
    X(1, 8) X(2, 8) X(3, 8) X(4, 4) X(5, 4) X(6, 4) X(7, 2) X(8, 2) X(9, 2) X(10, 2) X(11, 2) X(12, 2)

enum {
    QUADS = 8,    /* of a panel */
    FMA_ROWS = 2, /* so many rows take turns, so that a small core, which works in order, need not wait for */
    DOT_ROWS = 4, /* the odd half of a sum */
};

/* Weights of one pair, four outputs: as floats, odd or even, or as they lie. */
VEC float32x4_t weights4(const enum operand op, const char *w, int odd, int quad)
{
    if (op == OP_F32) return vld1q_f32((const float *)w + PANEL * odd + 4 * quad);
    uint32x4_t pair = word4_load(w + 16 * quad);
    return odd ? odd4(pair) : even4(pair);
}

/* A pair of a row's activations. Written out because compilers like to load its elements one by one,
 * far ahead of their use, and then run out of registers. */
VEC float32x2_t pair_f32(const char *x)
{
    float32x2_t a;
    __asm__("ldr %d0, %1" : "=w"(a) : "m"(*(const char(*)[8])x));
    return a;
}

/* ... and goes on to the next. */
VEC float32x2_t next_f32(const char **x)
{
    float32x2_t a;
    __asm__("ldr %d0, [%1], #8" : "=w"(a), "+r"(*x) : "m"(*(const char(*)[8]) * x));
    return a;
}

/* z + the odd or even element of the pair a, times b. Written out because compilers like to copy the sum. */
VEC float32x4_t fma4(float32x4_t z, float32x4_t b, float32x2_t a, int odd)
{
    if (odd)
        __asm__("fmla %0.4s, %1.4s, %2.s[1]" : "+w"(z) : "w"(b), "w"(a));
    else
        __asm__("fmla %0.4s, %1.4s, %2.s[0]" : "+w"(z) : "w"(b), "w"(a));
    return z;
}

/* Wide tiles keep a pair of all rows and take weights as they come; narrow ones keep a pair's weights. Some
 * rows at a time there: FMA_ROWS. */
VEC void pair_fma4(const int rows, const int quads, const enum operand op, float32x4_t (*acc)[QUADS],
                   const char **x, const char *w)
{
    float32x2_t a[TILE_ROWS];
    float32x4_t b[2][QUADS];
    if (quads > 2) {
        UNROLL for (int r = 0; r < rows; r++) a[r] = next_f32(&x[r]);
        UNROLL for (int odd = 1; odd >= 0; odd--) UNROLL for (int q = 0; q < quads; q++)
        {
            b[0][q] = weights4(op, w, odd, q);
            UNROLL for (int r = 0; r < rows; r++) acc[r][q] = fma4(acc[r][q], b[0][q], a[r], odd);
        }
        return;
    }
    UNROLL for (int q = 0; q < quads; q++) b[1][q] = weights4(op, w, 1, q), b[0][q] = weights4(op, w, 0, q);
    UNROLL for (int some = 0; some < rows; some += FMA_ROWS)
    {
        const int end = some + FMA_ROWS < rows ? some + FMA_ROWS : rows;
        UNROLL for (int r = some; r < end; r++) a[r] = next_f32(&x[r]);
        UNROLL for (int odd = 1; odd >= 0; odd--) UNROLL for (int r = some; r < end; r++)
            UNROLL for (int q = 0; q < quads; q++) acc[r][q] = fma4(acc[r][q], b[odd][q], a[r], odd);
    }
}

#if defined(__ARM_FEATURE_BF16_VECTOR_ARITHMETIC)
VEC bfloat16x8_t pair_bf16(const char *x)
{
    bfloat16x8_t a;
    __asm__("ldr %s0, %1" : "=x"(a) : "m"(*(const char(*)[4])x));
    return a;
}

VEC bfloat16x8_t next_bf16(const char **x)
{
    bfloat16x8_t a;
    __asm__("ldr %s0, [%1], #4" : "=x"(a), "+r"(*x) : "m"(*(const char(*)[4]) * x));
    return a;
}

/* Written out because gcc 12 puts the pair where the instruction cannot reach it: the upper 16 registers. */
VEC float32x4_t dot4_lane(float32x4_t z, bfloat16x8_t b, bfloat16x8_t a, int odd)
{
    if (odd)
        __asm__("bfmlalt %0.4s, %1.8h, %2.h[1]" : "+w"(z) : "w"(b), "x"(a));
    else
        __asm__("bfmlalb %0.4s, %1.8h, %2.h[0]" : "+w"(z) : "w"(b), "x"(a));
    return z;
}

VEC void pair_dot4(const int rows, const int quads, float32x4_t (*acc)[QUADS], const char **x, const char *w)
{
    bfloat16x8_t a[TILE_ROWS];
    bfloat16x8_t b[QUADS];
    const int block = rows == 1 || quads < 4 ? quads : 4, most = quads > 2 ? rows : DOT_ROWS;
    UNROLL for (int some = 0; some < rows; some += most)
    {
        const int end = some + most < rows ? some + most : rows;
        UNROLL for (int r = some; r < end; r++) a[r] = next_bf16(&x[r]);
        UNROLL for (int q = 0; q < quads; q++)
        {
            if (some == 0) b[q] = vreinterpretq_bf16_u32(word4_load(w + 16 * q));
            if ((q + 1) % block) continue;
            UNROLL for (int odd = 1; odd >= 0; odd--) UNROLL for (int r = some; r < end; r++)
                UNROLL for (int i = q + 1 - block; i <= q; i++) acc[r][i] =
                    dot4_lane(acc[r][i], b[i], a[r], odd);
        }
    }
}
#else
VEC void pair_dot4(const int rows, const int quads, float32x4_t (*acc)[QUADS], const char **x, const char *w)
{
    (void)rows, (void)quads, (void)acc, (void)x, (void)w;
}
#endif

/* As `tile` of kernels/simd/gemm.h; w: a panel from one of its quads on. */
VEC void tile4(const int rows, const int quads, const enum operand op, int64_t pairs, const char *x,
               int64_t ldx, const char *w, const char *ahead, float *y, int64_t ldy, int accumulate)
{
    float32x4_t acc[TILE_ROWS][QUADS];
    const char *row[TILE_ROWS];
    UNROLL for (int r = 0; r < rows; r++)
    {
        row[r] = x + r * ldx;
        UNROLL for (int q = 0; q < quads; q++) acc[r][q] =
            accumulate ? vld1q_f32(y + r * ldy + 4 * q) : vdupq_n_f32(0);
    }
    for (int64_t j = 0; j < pairs; j++, w += pair_of_w(op), ahead += LINE) {
        __builtin_prefetch(ahead, 0, 2);
        if (op == OP_DOT)
            pair_dot4(rows, quads, acc, row, w);
        else
            pair_fma4(rows, quads, op, acc, row, w);
    }
    UNROLL for (int r = 0; r < rows; r++) UNROLL for (int q = 0; q < quads; q++)
        vst1q_f32(y + r * ldy + 4 * q, acc[r][q]);
}

#undef TILE_OF
#define TILE_OF(op, rows, quads)                                                                             \
    static void tile_##op##_##rows(int64_t pairs, const char *x, int64_t ldx, const char *w,                 \
                                   const char *ahead, float *y, int64_t ldy, int accumulate)                 \
    {                                                                                                        \
        for (int q = 0; q < QUADS; q += quads)                                                               \
            tile4(rows, quads, op, pairs, x, ldx, w + 16 * q, ahead, y + 4 * q, ldy, accumulate);            \
    }

#endif
