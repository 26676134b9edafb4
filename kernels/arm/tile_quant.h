/* Tiles for products with quantised weights on Advanced SIMD, in place of kernels/simd/gemm_quant.h's own: as
 * in tile.h a tile is 8 outputs wide or more and activations are elements of a register. */
#ifndef TERSE_KERNELS_ARM_TILE_QUANT_H
#define TERSE_KERNELS_ARM_TILE_QUANT_H

#include "kernels/arm/tile.h"
#include "kernels/simd/spans.h"

/* Rows and quads of each tile. */
#define QUANT_TILES(X) X(1, 8) X(2, 4) X(3, 4) X(4, 4) X(5, 2) X(6, 2) X(7, 2) X(8, 2)
#define QUANT_ROWS     8
/* While sums are waited for there is unpacking to do, so that a row need not take two panels at once. */
#define TWO_TILES(X)
#define TWO_ROWS 0

enum { BLOCK_QUADS = 4 }; /* whose words are in registers at once */

/* ---- a line of words: 2 or 4 pairs of k, or a plain pair ---- */

/* The k-th floats of two quads. */
VEC float32x4x2_t floats8(const enum operand op, const char *w, int k)
{
    if (op == OP_F32) {
        const float *p = (const float *)(const void *)w + PANEL * k;
        return (float32x4x2_t){{vld1q_f32(p), vld1q_f32(p + 4)}};
    }
    uint32x4_t lo = word4_load(w), hi = word4_load(w + 16);
    if (op == OP_BYTE) return byte8(lo, hi, byte_place(k));
    lo = nibble_pair4(lo, nibble_place(k & ~1)), hi = nibble_pair4(hi, nibble_place(k & ~1));
    if (k % 2) return (float32x4x2_t){{odd4(lo), odd4(hi)}};
    return (float32x4x2_t){{even4(lo), even4(hi)}};
}

VEC void line_fma4(const int rows, const int quads, const enum operand op, float32x4_t (*acc)[QUADS],
                   const char **x, const char *w, const int pairs)
{
    const int block = quads < BLOCK_QUADS ? quads : BLOCK_QUADS;
    UNROLL for (int first = 0; first < quads; first += block) UNROLL for (int i = 0; i < pairs; i++)
    {
        float32x2_t a[QUANT_ROWS];
        UNROLL for (int r = 0; r < rows; r++) a[r] = pair_f32(x[r] + 8 * i);
        UNROLL for (int odd = 1; odd >= 0; odd--) UNROLL for (int q = first; q < first + block; q += 2)
        {
            float32x4x2_t b = floats8(op, w + 16 * q, 2 * i + odd);
            UNROLL for (int r = 0; r < rows; r++) UNROLL for (int j = 0; j < 2; j++) acc[r][q + j] =
                fma4(acc[r][q + j], b.val[j], a[r], odd);
        }
    }
}

#if defined(__ARM_FEATURE_BF16_VECTOR_ARITHMETIC)
/* The i-th pairs of two quads. */
VEC void pairs8(const enum operand op, const char *w, int i, bfloat16x8_t *b)
{
    uint32x4_t lo = word4_load(w), hi = word4_load(w + 16);
    if (op == OP_NIBBLE_DOT)
        lo = nibble_pair4(lo, nibble_place(2 * i)), hi = nibble_pair4(hi, nibble_place(2 * i));
    if (op == OP_BYTE_DOT) {
        float32x4x2_t even = byte8(lo, hi, byte_place(2 * i)), odd = byte8(lo, hi, byte_place(2 * i + 1));
        lo = pair4(even.val[0], odd.val[0]), hi = pair4(even.val[1], odd.val[1]);
    }
    b[0] = vreinterpretq_bf16_u32(lo), b[1] = vreinterpretq_bf16_u32(hi);
}

VEC void line_dot4(const int rows, const int quads, const enum operand op, float32x4_t (*acc)[QUADS],
                   const char **x, const char *w, const int pairs)
{
    const int block = quads < BLOCK_QUADS ? quads : BLOCK_QUADS;
    UNROLL for (int first = 0; first < quads; first += block) UNROLL for (int i = 0; i < pairs; i++)
    {
        bfloat16x8_t b[BLOCK_QUADS];
        UNROLL for (int q = 0; q < block; q += 2) pairs8(op, w + 16 * (first + q), i, b + q);
        UNROLL for (int r = 0; r < rows; r++)
        {
            bfloat16x8_t a = pair_bf16(x[r] + 4 * i);
            UNROLL for (int odd = 1; odd >= 0; odd--) UNROLL for (int q = 0; q < block; q++)
                acc[r][first + q] = dot4_lane(acc[r][first + q], b[q], a, odd);
        }
    }
}
#else
VEC void line_dot4(const int rows, const int quads, const enum operand op, float32x4_t (*acc)[QUADS],
                   const char **x, const char *w, const int pairs)
{
    (void)rows, (void)quads, (void)op, (void)acc, (void)x, (void)w, (void)pairs;
}
#endif

VEC void line4(const int rows, const int quads, const enum operand op, float32x4_t (*acc)[QUADS],
               const char **x, const char *w, const int pairs)
{
    if (line_pairs(op) > 1) __builtin_prefetch(w + AHEAD);
    if (op_is_dot(op))
        line_dot4(rows, quads, op, acc, x, w, pairs);
    else
        line_fma4(rows, quads, op, acc, x, w, pairs);
    UNROLL for (int r = 0; r < rows; r++) x[r] += line_x_bytes(op);
}

/* ---- tiles ---- */

VEC void sums4(const int rows, const int quads, float32x4_t (*acc)[QUADS], const float *y, int64_t ldy)
{
    UNROLL for (int r = 0; r < rows; r++) UNROLL for (int q = 0; q < quads; q++) acc[r][q] =
        y ? vld1q_f32(y + r * ldy + 4 * q) : vdupq_n_f32(0);
}

/* As tile_groups and tile_chain of kernels/simd/gemm_quant.h; first: the tile's first quad. */
VEC void groups4(const int rows, const int quads, const enum operand op, const struct span *s, int first,
                 const char *x, const char *w, float *y)
{
    float32x4_t acc[QUANT_ROWS][QUADS];
    const char *row[QUANT_ROWS], *scale = s->scale + 8 * first;
    int add = s->accumulate;
    w += 16 * first, y += 4 * first;
    UNROLL for (int r = 0; r < rows; r++) row[r] = x + r * s->ldx;
    for (int64_t pair = 0; pair < s->pairs;
         pair += GROUP / 2, w += s->step, scale += s->scale_step, add = 1) {
        const char *line = w;
        sums4(rows, quads, acc, NULL, 0);
        for (int i = 0; i < GROUP / 2; i += line_pairs(op), line += line_bytes(op))
            line4(rows, quads, op, acc, row, line, line_pairs(op));
        UNROLL for (int q = 0; q < quads; q++)
        {
            float32x4_t by = half4_load(scale + 8 * q);
            UNROLL for (int r = 0; r < rows; r++)
            {
                float *o = y + r * s->ldy + 4 * q;
                vst1q_f32(o, vfmaq_f32(add ? vld1q_f32(o) : vdupq_n_f32(0), acc[r][q], by));
            }
        }
    }
}

VEC void chain4(const int rows, const int quads, const enum operand op, const struct span *s, int first,
                const char *x, const char *w, float *y)
{
    float32x4_t acc[QUANT_ROWS][QUADS];
    const char *row[QUANT_ROWS];
    int64_t pair = 0;
    w += 16 * first, y += 4 * first;
    UNROLL for (int r = 0; r < rows; r++) row[r] = x + r * s->ldx;
    sums4(rows, quads, acc, s->accumulate ? y : NULL, s->ldy);
    for (; pair + line_pairs(op) <= s->pairs; pair += line_pairs(op), w += line_bytes(op))
        line4(rows, quads, op, acc, row, w, line_pairs(op));
    if (line_pairs(op) == 2 && pair < s->pairs) line4(rows, quads, op, acc, row, w, 1);
    UNROLL for (int r = 0; r < rows; r++) UNROLL for (int q = 0; q < quads; q++)
        vst1q_f32(y + r * s->ldy + 4 * q, acc[r][q]);
}

#define SPAN_OF(how, KIND, op, rows, quads)                                                                  \
    static void how##_##KIND##_##rows##x##quads(const struct span *s, const char *x, const char *w,          \
                                                float *y)                                                    \
    {                                                                                                        \
        for (int first = 0; first < QUADS; first += quads) how##4(rows, quads, op, s, first, x, w, y);       \
    }

#endif
