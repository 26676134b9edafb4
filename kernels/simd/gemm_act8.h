/* Products with 8-bit activations on v16. Weights stay unsigned, as they are stored, so that
 * each sum starts at minus the offset times the sum of the activations. The including file says which tiles
 * fit its registers: ACT8_TILES(X) X(1, 2) X(2, 2) ..., ACT8_ROWS of them. */
#ifndef TERSE_KERNELS_SIMD_GEMM_ACT8_H
#define TERSE_KERNELS_SIMD_GEMM_ACT8_H

#include "kernels/simd/math.h"
#include "kernels/simd/spans.h"
#include "kernels/simd/tiles.h"
#include "kernels/simd/words.h"

#include <stddef.h>

enum { ACT8_BLOCK = 512 << 10 }; /* bytes of activations that stay in cache while all panels pass by */

VEC v16 v16_abs(v16 x)
{
    return v16_from_bits(v16u_and(v16_bits(x), v16u_all(0x7fffffff)));
}

/* math.h's round_even: an integer added to ROUNDED_ZERO. */
#define ROUNDED_ZERO 0x4b400000u
VEC v16u round_bytes(v16 x)
{
    x = v16_larger(x, v16_all(-127.0f));
    x = v16_neg(v16_larger(v16_neg(x), v16_all(-127.0f)));
    return v16_bits(v16_add(x, v16_all(12582912.0f)));
}

#ifndef V16_ACROSS
VEC float v16_most(v16 x)
{
    float top[16];
    v16_store(top, x);
    for (int half = 8; half; half /= 2)
        for (int i = 0; i < half; i++) top[i] = top[i] > top[i + half] ? top[i] : top[i + half];
    return top[0];
}
VEC uint32_t v16u_sum(v16u x)
{
    uint32_t q[16], sum = 0;
    v16u_store(q, x);
    for (int i = 0; i < 16; i++) sum += q[i];
    return sum;
}
VEC void v16u_store_bytes(void *p, v16u x)
{
    uint32_t q[16], word[4] = {0};
    v16u_store(q, x);
    for (int i = 0; i < 16; i++) word[i / 4] |= (q[i] & 0xff) << 8 * byte_place(i % 4);
    memcpy(p, word, sizeof word);
}
#endif

static void group_pack(const float *x, struct act8 *out)
{
    v16 a = v16_add(v16_load(x), v16_zero()), b = v16_add(v16_load(x + 16), v16_zero()); /* as round_even */
    float top = v16_most(v16_larger(v16_abs(b), v16_larger(v16_abs(a), v16_zero())));
    v16 inverse = v16_all(top > 0 ? 127.0f / top : 0);
    v16u low = round_bytes(v16_mul(a, inverse)), high = round_bytes(v16_mul(b, inverse));
    out->scale = top / 127.0f;
    out->start = (int32_t)(-8 * (v16u_sum(v16u_add(low, high)) - GROUP * ROUNDED_ZERO));
    v16u_store_bytes(out->q, low);
    v16u_store_bytes(out->q + 16, high);
}

static void act8_pack(int64_t rows, int64_t k, const float *x, int64_t ldx, void *act)
{
    struct act8 *o = act;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < k; j += GROUP) group_pack(x + i * ldx + j, o++);
}

/* ---- tiles ---- */

#ifndef ACT8_OF
/* One quad of all rows. */
VEC void quad_dot(const int rows, const int vecs, v16u (*acc)[2], const char *const *base, int64_t ldx,
                  int64_t at, const v16u *b)
{
    UNROLL for (int r = 0; r < rows; r++)
    {
        v16u a = v16u_all_at(row_of(base, ldx, r) + offsetof(struct act8, q) + at);
        UNROLL for (int v = 0; v < vecs; v++) v16u_dot4_into(&acc[r][v], b[v], a);
    }
}

VEC void group_dot(const int rows, const int vecs, const int bits, v16u (*acc)[2], const char *const *base,
                   int64_t ldx, const char *w)
{
    UNROLL for (int r = 0; r < rows; r++)
    {
        v16u start = v16u_all_at(row_of(base, ldx, r) + offsetof(struct act8, start));
        UNROLL for (int v = 0; v < vecs; v++) acc[r][v] = bits == 8 ? v16u_shl(start, 4) : start;
    }
    UNROLL for (int quad = 0; quad < GROUP / 4; quad += 8 / bits)
    {
        v16u b[2], word[2];
        UNROLL for (int v = 0; v < vecs; v++)
        {
            const char *line = w + quad * bits / 8 * LINE_WORDS + 64 * v;
            word[v] = v16u_load(line);
            if (rows >= AHEAD_ROWS) __builtin_prefetch(line + AHEAD);
            b[v] = bits == 8 ? word[v] : v16u_and(word[v], v16u_all(0x0f0f0f0f));
        }
        quad_dot(rows, vecs, acc, base, ldx, 4 * quad, b);
        if (bits == 8) continue;
        UNROLL for (int v = 0; v < vecs; v++) b[v] = v16u_and(v16u_shr(word[v], 4), v16u_all(0x0f0f0f0f));
        quad_dot(rows, vecs, acc, base, ldx, 4 * quad + 4, b);
    }
}

/* Outputs stay in the first-level cache meanwhile, side by side, as those of gemm_quant.h's tile_groups.
 * scaled: groups of weights have scales. */
VEC void tile_act8(const int rows, const int vecs, const int bits, const int scaled,
                   const struct act8_span *s, int first, const char *x, const char *w, float *y)
{
    v16u acc[ACT8_ROWS][2];
    _Alignas(64) float sums[ACT8_ROWS * 16 * 2];
    float *sum = sums;
    const char *base[(ACT8_ROWS + 2) / 3];
    w += s->head, y += 16 * first;
    bases_init(rows, base, x, s->ldx);
    UNROLL for (int r = 0; r < rows; r++) UNROLL for (int v = 0; v < vecs; v++)
        v16_store(sum + 16 * (r * vecs + v), s->accumulate ? v16_load(y + r * s->ldy + 16 * v) : v16_zero());
    for (int64_t g = 0; g < s->groups; g++, w += s->step) {
        __asm__ volatile("" : "+r"(sum) : : "memory"); /* or the compiler would hold them in registers */
        group_dot(rows, vecs, bits, acc, base, s->ldx, w + s->words + 64 * first);
        UNROLL for (int v = 0; v < vecs; v++)
        {
            v16 by = scaled ? v16_load_f16(w + 32 * (first + v)) : v16_zero();
            UNROLL for (int r = 0; r < rows; r++)
            {
                v16 scale = v16_from_bits(v16u_all_at(row_of(base, s->ldx, r)));
                float *o = sum + 16 * (r * vecs + v);
                if (scaled) scale = v16_mul(scale, by);
                v16_store(o, v16_fma(v16_from_ints(acc[r][v]), scale, v16_load(o)));
            }
        }
        bases_move(rows, base, sizeof(struct act8));
    }
    UNROLL for (int r = 0; r < rows; r++) UNROLL for (int v = 0; v < vecs; v++)
        v16_store(y + r * s->ldy + 16 * v, v16_load(sum + 16 * (r * vecs + v)));
}

#define ACT8_OF(name, bits, scaled, rows, vecs)                                                              \
    static void act8_##name##_##rows(const struct act8_span *s, const char *x, const char *w, float *y)      \
    {                                                                                                        \
        for (int first = 0; first < 2; first += vecs)                                                        \
            tile_act8(rows, vecs, bits, scaled, s, first, x, w, y);                                          \
    }
#endif

/* ---- products ---- */

static void act8_part(act8_fn *f, const struct act8_span *s, int64_t rows, const char *x, const char *w,
                      float *y, int64_t lanes)
{
    float part[ACT8_ROWS][PANEL] = {{0}};
    struct act8_span t = *s;
    t.ldy = PANEL;
    if (s->accumulate) lanes_copy(rows, lanes, y, s->ldy, part[0], PANEL);
    f(&t, x, w, part[0]);
    lanes_copy(rows, lanes, part[0], PANEL, y, s->ldy);
}

static void act8_panel(act8_fn *const *tiles, const struct act8_span *s, int64_t m, const char *x,
                       const char *w, float *y, int64_t lanes)
{
    for (int64_t row = 0, rows; row < m; row += rows) {
        rows = share(m - row, ACT8_ROWS);
        if (lanes < PANEL)
            act8_part(tiles[rows - 1], s, rows, x + row * s->ldx, w, y + row * s->ldy, lanes);
        else
            tiles[rows - 1](s, x + row * s->ldx, w, y + row * s->ldy);
    }
}

static void act8_product(act8_fn *const *tiles, const struct act8_span *s, enum weight_type t, int64_t m,
                         int64_t cols, const char *x, const char *w, float *y)
{
    int64_t panel = (int64_t)panel_bytes(t, s->groups * GROUP), most = ACT8_BLOCK / s->ldx + 1;
    for (int64_t row = 0, rows; row < m; row += rows) {
        rows = share(m - row, most);
        for (int64_t n = 0; n < cols; n += PANEL)
            act8_panel(tiles, s, rows, x + row * s->ldx, w + n / PANEL * panel, y + row * s->ldy + n,
                       cols - n < PANEL ? cols - n : PANEL);
    }
}

/* ---- slots ---- */

#define ACT8_Q8(r, v) ACT8_OF(q8_0, 8, 1, r, v)
#define ACT8_Q4(r, v) ACT8_OF(q4_0, 4, 1, r, v)
#define ACT8_W4(r, v) ACT8_OF(w4, 4, 0, r, v)
#define NAME_Q8(r, v) act8_q8_0_##r,
#define NAME_Q4(r, v) act8_q4_0_##r,
#define NAME_W4(r, v) act8_w4_##r,
ACT8_TILES(ACT8_Q8)
ACT8_TILES(ACT8_Q4)
ACT8_TILES(ACT8_W4)

static struct act8_span act8_span_of(int64_t k, int64_t head, int64_t step, int64_t words, int64_t ldy,
                                     int accumulate)
{
    int64_t groups = k / GROUP;
    return (struct act8_span){groups,    groups * (int64_t)sizeof(struct act8), head, step, words, ldy,
                              accumulate};
}

static void gemm_act8_q8_0(int64_t m, int64_t k, int64_t cols, const void *x, const void *w, float *y,
                           int64_t ldy, int accumulate)
{
    static act8_fn *const tiles[] = {ACT8_TILES(NAME_Q8)};
    struct act8_span s = act8_span_of(k, 0, Q8_GROUP_BYTES, SCALE_BYTES, ldy, accumulate);
    act8_product(tiles, &s, WT_Q8_0, m, cols, x, w, y);
}

static void gemm_act8_q4_0(int64_t m, int64_t k, int64_t cols, const void *x, const void *w, float *y,
                           int64_t ldy, int accumulate)
{
    static act8_fn *const tiles[] = {ACT8_TILES(NAME_Q4)};
    struct act8_span s = act8_span_of(k, 0, Q4_GROUP_BYTES, SCALE_BYTES, ldy, accumulate);
    act8_product(tiles, &s, WT_Q4_0, m, cols, x, w, y);
}

/* As w4_product. */
static void gemm_act8_w4(int64_t m, int64_t k, int64_t cols, const void *x, const void *w, float *y,
                         int64_t ldy, int accumulate)
{
    static act8_fn *const tiles[] = {ACT8_TILES(NAME_W4)};
    struct act8_span s = act8_span_of(k, W4_HEAD_BYTES, NIBBLES_BYTES, 0, ldy, 0);
    int64_t panel = (int64_t)panel_bytes(WT_W4, k);
    if (!accumulate) {
        act8_product(tiles, &s, WT_W4, m, cols, x, w, y);
        sums_scale(m, cols, w, panel, y, ldy, y, ldy, 0);
        return;
    }
    s.ldy = PANEL;
    for (int64_t n = 0; n < cols; n += PANEL)
        for (int64_t row = 0, rows; row < m; row += rows) {
            float sum[12 * ACT8_ROWS][PANEL];
            int64_t lanes = cols - n < PANEL ? cols - n : PANEL;
            const char *wn = (const char *)w + n / PANEL * panel;
            rows = share(m - row, 12 * ACT8_ROWS);
            act8_product(tiles, &s, WT_W4, rows, lanes, (const char *)x + row * s.ldx, wn, sum[0]);
            sums_scale(rows, lanes, wn, panel, sum[0], PANEL, y + row * ldy + n, ldy, 1);
        }
}

static void gemm_act8_init(struct kernels *k)
{
    k->act8_bytes = sizeof(struct act8);
    k->act8_pack = act8_pack;
    k->gemm_act8[WT_Q8_0] = gemm_act8_q8_0;
    k->gemm_act8[WT_Q4_0] = gemm_act8_q4_0;
    k->gemm_act8[WT_W4] = gemm_act8_w4;
}

#endif
