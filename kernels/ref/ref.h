/* Slots of the reference table, for kernels/table.c only; and how single values lie in quantised panels. */
#ifndef TERSE_KERNELS_REF_REF_H
#define TERSE_KERNELS_REF_REF_H

#include "kernels/kernels.h"
#include "kernels/math.h"

void ref_gemm_init(struct kernels *k);
void ref_gemm_quant_init(struct kernels *k);
void ref_gemm_act8_init(struct kernels *k);
void ref_panel_init(struct kernels *k);
void ref_panel_quant_init(struct kernels *k);
void ref_row_init(struct kernels *k);
void ref_point_init(struct kernels *k);

static inline uint32_t word_at(const void *p)
{
    uint32_t u;
    memcpy(&u, p, sizeof u);
    return u;
}

/* The scale and the integer q of column k of row n of a matrix with `cols` columns in panels of a quantised
 * type; of WT_I8 the scale is 1. */
static inline float ref_scale(enum weight_type t, const void *w, int64_t cols, int64_t n, int64_t k)
{
    const char *panel = (const char *)w + (size_t)(n / PANEL) * panel_bytes(t, cols);
    if (t == WT_I8) return 1;
    if (t == WT_W4) return f32_from_bits(word_at(panel + n % PANEL * 4));
    panel += k / GROUP * (t == WT_Q8_0 ? Q8_GROUP_BYTES : Q4_GROUP_BYTES);
    return f16_to_f32(((const uint16_t *)(const void *)panel)[n % PANEL]);
}

static inline int ref_quant(enum weight_type t, const void *w, int64_t cols, int64_t n, int64_t k)
{
    const uint8_t *panel = (const uint8_t *)w + (size_t)(n / PANEL) * panel_bytes(t, cols);
    int64_t lane = n % PANEL, g = k / GROUP, i = k % GROUP;
    if (t == WT_I8) return panel[panel_index(t, lane, k)] - 128;
    if (t == WT_Q8_0) return panel[g * Q8_GROUP_BYTES + SCALE_BYTES + panel_index(WT_I8, lane, i)] - 128;
    panel += t == WT_W4 ? W4_HEAD_BYTES + g * NIBBLES_BYTES : g * Q4_GROUP_BYTES + SCALE_BYTES;
    int64_t place = quad_place(i % 4) * 2 + i % 8 / 4;
    return (panel[(i / 8 * PANEL + lane) * 4 + place / 2] >> (place % 2 * 4) & 15) - 8;
}

#endif
