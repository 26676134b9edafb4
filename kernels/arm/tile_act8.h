/* Tiles for products with 8-bit activations on Advanced SIMD, in place of kernels/simd/gemm_act8.h's own.
 * With dotprod an instruction adds the products of a quad to each of four outputs of a row; with i8mm those
 * of two quads to two outputs of two rows.
 *
 * Sums start at the bits of 1.5 * 2^23 and stay below 2^22, so that they are floats already: one subtraction
 * in place of a conversion, which is slow on many cores. */
#ifndef TERSE_KERNELS_ARM_TILE_ACT8_H
#define TERSE_KERNELS_ARM_TILE_ACT8_H

#include "kernels/arm/vec_neon.h"
#include "kernels/simd/spans.h"

enum { QUADS_OF_PANEL = PANEL / 4, QUADS_MAX = 8, ROWS_MAX = 12, SUM_START = 0x4b400000 };
#if !ACT8_MATRIX
enum { TURN_ROWS = 4 }; /* take turns, as DOT_ROWS of tile.h */
#endif

/* Two quads of four outputs, 8 k, as signed or small bytes: bytes take two lines, nibbles one. */
VEC void octet4(const int bits, const char *w, int8x16_t *b)
{
    uint8x16_t x = vld1q_u8((const uint8_t *)w);
    if (bits == 8) {
        uint8x16_t y = vld1q_u8((const uint8_t *)w + LINE_WORDS), half = vdupq_n_u8(128);
        b[0] = vreinterpretq_s8_u8(veorq_u8(x, half)), b[1] = vreinterpretq_s8_u8(veorq_u8(y, half));
    } else
        b[0] = vreinterpretq_s8_u8(vandq_u8(x, vdupq_n_u8(15))), b[1] = vreinterpretq_s8_u8(vshrq_n_u8(x, 4));
}

/* Where a row's sums start: nibbles are 8 too large. */
VEC int32x4_t start4(const int bits, const char *x)
{
    int32x4_t sum = vdupq_n_s32(SUM_START);
    if (bits == 8) return sum;
    return vaddq_s32(sum, vld1q_dup_s32((const int32_t *)(const void *)(x + offsetof(struct act8, start))));
}

VEC int8x8_t octet_of_x(const char *x, int at)
{
    return vld1_s8((const int8_t *)x + offsetof(struct act8, q) + at);
}

#if ACT8_MATRIX
/* acc[p][2 q] and the next: rows 2 p and 2 p + 1 by outputs 0, 1 and 2, 3 of quad q. */
VEC void group4(const int rows, const int quads, const int bits, float32x4_t (*sum)[QUADS_MAX],
                const char *const *x, const char *w)
{
    const int pairs = (rows + 1) / 2;
    int32x4_t acc[(ROWS_MAX + 1) / 2][2 * QUADS_MAX];
    UNROLL for (int p = 0; p < pairs; p++)
    {
        int64x2_t even = vreinterpretq_s64_s32(start4(bits, x[2 * p])),
                  odd = vreinterpretq_s64_s32(start4(bits, x[2 * p + 1]));
        int32x4_t start = vreinterpretq_s32_s64(vtrn1q_s64(even, odd));
        UNROLL for (int q = 0; q < 2 * quads; q++) acc[p][q] = start;
    }
    for (int at = 0; at < GROUP; at += 8, w += 2 * LINE_WORDS / (8 / bits)) {
        int8x16_t a[(ROWS_MAX + 1) / 2];
        UNROLL for (int p = 0; p < pairs; p++) a[p] =
            vcombine_s8(octet_of_x(x[2 * p], at), octet_of_x(x[2 * p + 1], at));
        UNROLL for (int q = 0; q < quads; q++)
        {
            int8x16_t b[2];
            octet4(bits, w + 16 * q, b);
            int32x4_t lo = vreinterpretq_s32_s8(b[0]), hi = vreinterpretq_s32_s8(b[1]);
            int8x16_t b01 = vreinterpretq_s8_s32(vzip1q_s32(lo, hi)),
                      b23 = vreinterpretq_s8_s32(vzip2q_s32(lo, hi));
            UNROLL for (int p = 0; p < pairs; p++)
            {
                acc[p][2 * q] = vmmlaq_s32(acc[p][2 * q], a[p], b01);
                acc[p][2 * q + 1] = vmmlaq_s32(acc[p][2 * q + 1], a[p], b23);
            }
        }
    }
    UNROLL for (int r = 0; r < rows; r++) UNROLL for (int q = 0; q < quads; q++)
    {
        int64x2_t s = vreinterpretq_s64_s32(acc[r / 2][2 * q]),
                  t = vreinterpretq_s64_s32(acc[r / 2][2 * q + 1]);
        sum[r][q] = vreinterpretq_f32_s64(r % 2 ? vtrn2q_s64(s, t) : vtrn1q_s64(s, t));
    }
}
#else
VEC void group4(const int rows, const int quads, const int bits, float32x4_t (*sum)[QUADS_MAX],
                const char *const *x, const char *w)
{
    int32x4_t acc[ROWS_MAX][QUADS_MAX];
    UNROLL for (int r = 0; r < rows; r++)
    {
        int32x4_t start = start4(bits, x[r]);
        UNROLL for (int q = 0; q < quads; q++) acc[r][q] = start;
    }
    for (int at = 0; at < GROUP; at += 8, w += 2 * LINE_WORDS / (8 / bits)) {
        int8x16_t b[QUADS_MAX][2];
        UNROLL for (int q = 0; q < quads; q++) octet4(bits, w + 16 * q, b[q]);
        UNROLL for (int some = 0; some < rows; some += TURN_ROWS)
        {
            const int end = some + TURN_ROWS < rows ? some + TURN_ROWS : rows;
            int8x8_t a[ROWS_MAX];
            UNROLL for (int r = some; r < end; r++) a[r] = octet_of_x(x[r], at);
            UNROLL for (int r = some; r < end; r++) UNROLL for (int q = 0; q < quads; q++) acc[r][q] =
                vdotq_lane_s32(acc[r][q], b[q][0], a[r], 0);
            UNROLL for (int r = some; r < end; r++) UNROLL for (int q = 0; q < quads; q++) acc[r][q] =
                vdotq_lane_s32(acc[r][q], b[q][1], a[r], 1);
        }
    }
    UNROLL for (int r = 0; r < rows; r++) UNROLL for (int q = 0; q < quads; q++) sum[r][q] =
        vreinterpretq_f32_s32(acc[r][q]);
}
#endif

/* As tile_act8 of kernels/simd/gemm_act8.h, but outputs stay in registers. first: the tile's first quad. */
VEC void act8_tile4(const int rows, const int quads, const int bits, const int scaled,
                    const struct act8_span *s, int first, const char *x, const char *w, float *y)
{
    float32x4_t out[ROWS_MAX][QUADS_MAX];
    const char *row[ROWS_MAX + 1];
    w += s->head, y += 4 * first;
    UNROLL for (int r = 0; r < rows; r++)
    {
        row[r] = x + r * s->ldx;
        UNROLL for (int q = 0; q < quads; q++) out[r][q] =
            s->accumulate ? vld1q_f32(y + r * s->ldy + 4 * q) : vdupq_n_f32(0);
    }
    row[rows] = row[rows - 1];
    for (int64_t g = 0; g < s->groups; g++, w += s->step) {
        float32x4_t sum[ROWS_MAX][QUADS_MAX], by[QUADS_MAX];
        __builtin_prefetch(w + AHEAD);
        group4(rows, quads, bits, sum, row, w + s->words + 16 * first);
        UNROLL for (int q = 0; q < quads && scaled; q++) by[q] = half4_load(w + 8 * (first + q));
        UNROLL for (int r = 0; r < rows; r++)
        {
            float32x4_t scale = vld1q_dup_f32((const float *)(const void *)row[r]);
            UNROLL for (int q = 0; q < quads; q++)
            {
                float32x4_t whole = vsubq_f32(sum[r][q], vdupq_n_f32(12582912.0f));
                out[r][q] = vfmaq_f32(out[r][q], whole, scaled ? vmulq_f32(scale, by[q]) : scale);
            }
        }
        UNROLL for (int r = 0; r <= rows; r++) row[r] += sizeof(struct act8);
    }
    UNROLL for (int r = 0; r < rows; r++) UNROLL for (int q = 0; q < quads; q++)
        vst1q_f32(y + r * s->ldy + 4 * q, out[r][q]);
}

#define ACT8_OF(name, bits, scaled, rows, quads)                                                             \
    static void act8_##name##_##rows(const struct act8_span *s, const char *x, const char *w, float *y)      \
    {                                                                                                        \
        for (int first = 0; first < QUADS_OF_PANEL; first += quads)                                          \
            act8_tile4(rows, quads, bits, scaled, s, first, x, w, y);                                        \
    }

#endif
