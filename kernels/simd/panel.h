/* Panels on v16: everything goes through transposes of 64-byte rows; what does not fill one is staged in a
 * block of zeros. kernels/ref/panel.c says what each slot computes. */
#ifndef TERSE_KERNELS_SIMD_PANEL_H
#define TERSE_KERNELS_SIMD_PANEL_H

#include "kernels/kernels.h"
#include "kernels/simd/math.h"

/* 16 rows of 16 words, on their way into a panel. */
struct block {
    uint32_t word[16][16];
};

enum { WORD = 4, STEP = PANEL * WORD }; /* STEP: bytes from one column of words of a panel to the next */

/* The block becomes lanes `lane`..`lane`+15 of `cols` columns of words of a panel. */
static inline void block_put(const struct block *b, int cols, char *panel, int lane)
{
    if (cols == 16) {
        v16u_transpose((const char *)b, sizeof b->word[0], panel + lane * WORD, STEP);
        return;
    }
    struct block t;
    v16u_transpose((const char *)b, sizeof b->word[0], (char *)&t, sizeof t.word[0]);
    for (int i = 0; i < cols; i++) memcpy(panel + i * STEP + lane * WORD, t.word[i], sizeof t.word[i]);
}

/* Two vectors of floats -> 16 words, each the bf16 values of a pair. */
VEC void row_to_pairs(uint32_t *word, int c, const float *x)
{
    uint16_t *half = (uint16_t *)(void *)word;
    v16_store_bf16_n(half, c < 16 ? c : 16, v16_load_n(x, c < 16 ? c : 16));
    if (c > 16) v16_store_bf16_n(half + 16, c - 16, v16_load_n(x + 16, c - 16));
}

enum source { FROM_F32, FROM_BF16 };

/* c elements of a row from column j -> words of a block's row. */
VEC void row_stage(const enum weight_type to, const enum source from, uint32_t *word, int c, const void *row,
                   int64_t j)
{
    const float *f = (const float *)row + j;
    const uint16_t *h = (const uint16_t *)row + j;
    if (to == WT_F32)
        v16_store_n((float *)(void *)word, c, from == FROM_F32 ? v16_load_n(f, c) : v16_load_bf16_n(h, c));
    else if (from == FROM_F32)
        row_to_pairs(word, c, f);
    else
        memcpy(word, h, (size_t)c * sizeof *h);
}

/* `to` and `from` are constants after inlining. */
VEC void pack(const enum weight_type to, const enum source from, int64_t n, int64_t k, const void *w,
              int64_t ldw, void *panel)
{
    const int per_word = to == WT_F32 ? 1 : 2, wide = 16 * per_word;
    const int64_t row_bytes = ldw * (from == FROM_F32 ? 4 : 2), words = pad_even(k) / per_word;
    for (int64_t j = 0; j < words; j += 16) {
        int cols = words - j < 16 ? (int)(words - j) : 16;
        int64_t left = k - j * per_word;
        for (int lane = 0; lane < PANEL; lane += 16) {
            struct block b;
            if (left < wide || n < lane + 16) memset(&b, 0, sizeof b);
            for (int i = 0; i < 16 && lane + i < n; i++) {
                const char *row = (const char *)w + (lane + i) * row_bytes;
                if (left >= wide)
                    row_stage(to, from, b.word[i], wide, row, j * per_word);
                else
                    row_stage(to, from, b.word[i], (int)left, row, j * per_word);
            }
            block_put(&b, cols, (char *)panel + j * STEP, lane);
        }
    }
}

static void pack_f32(int64_t n, int64_t k, const float *w, int64_t ldw, void *panel)
{
    pack(WT_F32, FROM_F32, n, k, w, ldw, panel);
}

static void pack_bf16(int64_t n, int64_t k, const float *w, int64_t ldw, void *panel)
{
    pack(WT_BF16, FROM_F32, n, k, w, ldw, panel);
}

static void pack_f32_from_bf16(int64_t n, int64_t k, const uint16_t *w, int64_t ldw, void *panel)
{
    pack(WT_F32, FROM_BF16, n, k, w, ldw, panel);
}

static void pack_bf16_from_bf16(int64_t n, int64_t k, const uint16_t *w, int64_t ldw, void *panel)
{
    pack(WT_BF16, FROM_BF16, n, k, w, ldw, panel);
}

/* A chunk of 32 x 32 elements, zero where the source ends, or the source itself where it does not. */
static const char *chunk_stage(const char *src, int64_t lines, int64_t lanes, char *stage, int64_t most)
{
    if (lines >= most && lanes >= PANEL) return src;
    memset(stage, 0, (size_t)(most * STEP));
    for (int64_t i = 0; i < lines && i < most; i++)
        memcpy(stage + i * STEP, src + i * STEP, (size_t)(lanes < PANEL ? lanes : PANEL) * WORD);
    return stage;
}

/* fp32: 32 columns [32 lanes] of a panel -> up to 32 columns [32 lanes]. */
static void transpose_f32(int64_t n0, int64_t n, int64_t k, int64_t k0, const void *w, void *out)
{
    char stage[PANEL * STEP], turned[PANEL * STEP];
    for (int64_t i = 0; i < n; i += PANEL) {
        const char *src = (const char *)w + ((n0 + i) / PANEL * panel_elems(k) + k0 * PANEL) * WORD;
        char *dst = (char *)out + i * STEP;
        int64_t cols = pad_even(n) - i;
        src = chunk_stage(src, k - k0, n - i, stage, PANEL);
        char *to = cols < PANEL ? turned : dst;
        for (int a = 0; a < PANEL; a += 16)
            for (int b = 0; b < PANEL; b += 16)
                v16u_transpose(src + a * STEP + b * WORD, STEP, to + b * STEP + a * WORD, STEP);
        if (cols < PANEL) memcpy(dst, turned, (size_t)(cols * STEP));
    }
}

/* bf16: 16 pairs of columns [32 lanes][2] -> up to 16 pairs of columns [32 lanes][2]. */
static void transpose_bf16(int64_t n0, int64_t n, int64_t k, int64_t k0, const void *w, void *out)
{
    char stage[PANEL / 2 * STEP], turned[PANEL / 2 * STEP];
    for (int64_t i = 0; i < n; i += PANEL) {
        const char *src = (const char *)w + ((n0 + i) / PANEL * panel_elems(k) + k0 * PANEL) * 2;
        char *dst = (char *)out + i / 2 * STEP;
        int64_t pairs = (pad_even(n) - i) / 2;
        src = chunk_stage(src, (pad_even(k) - k0) / 2, n - i, stage, PANEL / 2);
        char *to = pairs < PANEL / 2 ? turned : dst;
        for (int a = 0; a < PANEL / 2; a += 8)
            for (int b = 0; b < PANEL / 2; b += 8)
                v16u_transpose_halves(src + a * STEP + b * 2 * WORD, STEP, to + b * STEP + a * 2 * WORD,
                                      STEP);
        if (pairs < PANEL / 2) memcpy(dst, turned, (size_t)(pairs * STEP));
    }
}

static void panel_init(struct kernels *k)
{
    k->panel_pack[WT_F32] = pack_f32;
    k->panel_pack[WT_BF16] = pack_bf16;
    k->panel_pack_bf16[WT_F32] = pack_f32_from_bf16;
    k->panel_pack_bf16[WT_BF16] = pack_bf16_from_bf16;
    k->panel_transpose[WT_F32] = transpose_f32;
    k->panel_transpose[WT_BF16] = transpose_bf16;
}

#endif
