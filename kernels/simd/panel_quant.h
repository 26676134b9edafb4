/* Transposes of quantised panels on v16, after panel.h: 32 x 32 weights become bf16 values, rows of k with
 * the panel's rows in pairs, and those words are transposed. kernels/ref/panel_quant.c says what a slot
 * computes. */
#ifndef TERSE_KERNELS_SIMD_PANEL_QUANT_H
#define TERSE_KERNELS_SIMD_PANEL_QUANT_H

#include "kernels/simd/panel.h"
#include "kernels/simd/tiles.h"
#include "kernels/simd/words.h"

/* A group's words and scales -> [32 k][32 rows] bf16. */
VEC void group_values(const int bits, const char *words, const v16 *scale, uint16_t *out)
{
    const int per_word = 32 / bits;
    for (int k = 0; k < GROUP; k += per_word, words += LINE_WORDS)
        for (int v = 0; v < 2; v++) {
            v16u word = v16u_load(words + 64 * v);
            UNROLL for (int i = 0; i < per_word; i++) v16_store_bf16_n(
                out + (k + i) * PANEL + 16 * v, 16, v16_mul(scale[v], word_value(bits, word, i)));
        }
}

/* [32 k][32 rows] -> up to 16 pairs of rows [32 k][2]. */
static void values_turn(uint16_t *value, int64_t rows, char *out)
{
    char turned[PANEL / 2 * STEP], *to = rows < PANEL ? turned : out;
    for (int k = 0; k < GROUP && rows < PANEL; k++)
        memset(value + k * PANEL + rows, 0, (size_t)(PANEL - rows) * sizeof *value);
    for (int k = 0; k < GROUP; k += 16)
        v16u_transpose((const char *)(value + k * PANEL), PANEL * sizeof *value, to + k * WORD, STEP);
    if (rows < PANEL) memcpy(out, turned, (size_t)(pad_even(rows) / 2 * STEP));
}

VEC void transpose_quant(const enum weight_type t, int64_t n0, int64_t n, int64_t k, int64_t k0,
                         const void *w, void *out)
{
    const int64_t group = t == WT_Q8_0 ? Q8_GROUP_BYTES : t == WT_Q4_0 ? Q4_GROUP_BYTES : NIBBLES_BYTES;
    for (int64_t i = 0; i < n; i += PANEL) {
        _Alignas(64) uint16_t value[GROUP * PANEL];
        const char *panel = (const char *)w + (size_t)((n0 + i) / PANEL) * panel_bytes(t, k);
        const char *at = panel + (t == WT_W4 ? W4_HEAD_BYTES : 0) + k0 / GROUP * group;
        const float *whole = (const float *)(const void *)panel;
        v16 scale[2];
        for (int v = 0; v < 2; v++)
            scale[v] = t == WT_W4 ? v16_load(whole + 16 * v) : v16_load_f16(at + 32 * v);
        group_values(t == WT_Q8_0 ? 8 : 4, at + (t == WT_W4 ? 0 : SCALE_BYTES), scale, value);
        values_turn(value, n - i < PANEL ? n - i : PANEL, (char *)out + i / 2 * STEP);
    }
}

static void transpose_q8_0(int64_t n0, int64_t n, int64_t k, int64_t k0, const void *w, void *out)
{
    transpose_quant(WT_Q8_0, n0, n, k, k0, w, out);
}

static void transpose_q4_0(int64_t n0, int64_t n, int64_t k, int64_t k0, const void *w, void *out)
{
    transpose_quant(WT_Q4_0, n0, n, k, k0, w, out);
}

static void transpose_w4(int64_t n0, int64_t n, int64_t k, int64_t k0, const void *w, void *out)
{
    transpose_quant(WT_W4, n0, n, k, k0, w, out);
}

static void panel_quant_init(struct kernels *k)
{
    k->panel_transpose[WT_Q8_0] = transpose_q8_0;
    k->panel_transpose[WT_Q4_0] = transpose_q4_0;
    k->panel_transpose[WT_W4] = transpose_w4;
}

#endif
