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

/* Quads whose words are in registers at once. */
VEC int block_quads(const int rows, const int quads)
{
    const int most = rows < 4 ? 4 : 2;
    return quads < most ? quads : most;
}

/* ---- a line of words: 2 or 4 pairs of k, or a plain pair ---- */

/* The k-th floats of a quad. */
VEC float32x4_t floats4(const enum operand op, const char *w, int k)
{
    if (op == OP_F32) return vld1q_f32((const float *)(const void *)w + PANEL * k);
    if (op == OP_BYTE) return byte4(word4_load(w), byte_place(k));
    uint32x4_t pair = nibble_pair4(word4_load(w), nibble_place(k & ~1));
    return k % 2 ? odd4(pair) : even4(pair);
}

/* A block of quads, one pair, some rows at a time as in tile.h. b: [odd][quad]. */
VEC void block_fma4(const int rows, const int quads, float32x4_t (*acc)[QUADS], const char **x, int pair,
                    float32x4_t (*b)[QUADS])
{
    const int most = rows < 4 ? rows : FMA_ROWS;
    UNROLL for (int some = 0; some < rows; some += most)
    {
        const int end = some + most < rows ? some + most : rows;
        float32x2_t a[QUANT_ROWS];
        UNROLL for (int r = some; r < end; r++) a[r] = pair_f32(x[r] + 8 * pair);
        UNROLL for (int odd = 1; odd >= 0; odd--) UNROLL for (int r = some; r < end; r++)
            UNROLL for (int q = 0; q < quads; q++) acc[r][q] = fma4(acc[r][q], b[odd][q], a[r], odd);
    }
}

/* A line of nibbles for a few rows: two pairs at once. */
VEC void nibbles_fma4(const int rows, const int quads, float32x4_t (*acc)[QUADS], const char **x,
                      const char *w)
{
    UNROLL for (int half = 0; half < 2; half++)
    {
        float32x4_t b[2][2][QUADS], k[4];
        UNROLL for (int q = 0; q < quads; q++)
        {
            nibble_floats(word4_load(w + 16 * q), half, k);
            UNROLL for (int i = 0; i < 4; i++) b[i / 2][i % 2][q] = k[nibble_place(i) / 2];
        }
        UNROLL for (int i = 0; i < 2; i++) block_fma4(rows, quads, acc, x, 2 * half + i, b[i]);
    }
}

VEC void line_fma4(const int rows, const int quads, const enum operand op, float32x4_t (*acc)[QUADS],
                   const char **x, const char *w, const int pairs)
{
    const int few = op == OP_NIBBLE && rows < 4, block = few ? (rows < 3 ? 2 : 1) : block_quads(rows, quads);
    UNROLL for (int first = 0; first < quads; first += block)
    {
        float32x4_t sum[QUANT_ROWS][QUADS], b[2][QUADS];
        UNROLL for (int r = 0; r < rows; r++) UNROLL for (int q = 0; q < block; q++) sum[r][q] =
            acc[r][first + q];
        if (few) nibbles_fma4(rows, block, sum, x, w + 16 * first);
        UNROLL for (int i = 0; i < pairs && !few; i++)
        {
            UNROLL for (int odd = 1; odd >= 0; odd--) UNROLL for (int q = 0; q < block; q++) b[odd][q] =
                floats4(op, w + 16 * (first + q), 2 * i + odd);
            block_fma4(rows, block, sum, x, i, b);
        }
        UNROLL for (int r = 0; r < rows; r++) UNROLL for (int q = 0; q < block; q++) acc[r][first + q] =
            sum[r][q];
    }
}

#if defined(__ARM_FEATURE_BF16_VECTOR_ARITHMETIC)
/* The i-th pairs of a quad. */
VEC bfloat16x8_t pairs4(const enum operand op, const char *w, int i)
{
    uint32x4_t word = word4_load(w);
    if (op == OP_NIBBLE_DOT) word = nibble_pair4(word, nibble_place(2 * i));
    if (op == OP_BYTE_DOT) word = pair4(byte4(word, byte_place(2 * i)), byte4(word, byte_place(2 * i + 1)));
    return vreinterpretq_bf16_u32(word);
}

VEC void line_dot4(const int rows, const int quads, const enum operand op, float32x4_t (*acc)[QUADS],
                   const char **x, const char *w, const int pairs)
{
    const int block = rows == 1 ? quads : block_quads(rows, quads), most = rows < 4 ? rows : DOT_ROWS;
    UNROLL for (int first = 0; first < quads; first += block) UNROLL for (int i = 0; i < pairs; i++)
    {
        bfloat16x8_t b[QUADS];
        UNROLL for (int q = 0; q < block; q++) b[q] = pairs4(op, w + 16 * (first + q), i);
        UNROLL for (int some = 0; some < rows; some += most)
        {
            const int end = some + most < rows ? some + most : rows;
            bfloat16x8_t a[QUANT_ROWS];
            UNROLL for (int r = some; r < end; r++) a[r] = pair_bf16(x[r] + 4 * i);
            UNROLL for (int odd = 1; odd >= 0; odd--) UNROLL for (int r = some; r < end; r++)
                UNROLL for (int q = 0; q < block; q++) acc[r][first + q] =
                    dot4_lane(acc[r][first + q], b[q], a[r], odd);
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
