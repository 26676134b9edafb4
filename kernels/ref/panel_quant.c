/* Panels of quantised weights. Every source is taken group by group as a GGUF block of the panel's type; a
 * block's integers and its scale are then put where kernels/weights.h says. */
#include "kernels/math.h"
#include "kernels/quant.h"
#include "kernels/ref/ref.h"

/* ---- one lane of one group ---- */

static uint32_t quad_swap(uint32_t q)
{
    return (q & 0xff0000ff) | (q >> 8 & 0xff00) | (q << 8 & 0xff0000);
}

static void lane_put_q8_0(const char *block, char *group, int64_t lane)
{
    memcpy(group + 2 * lane, block, 2);
    for (int64_t i = 0; i < GROUP / 4; i++) {
        uint32_t quad = quad_swap(word_at(block + 2 + 4 * i)) ^ 0x80808080;
        memcpy(group + SCALE_BYTES + (i * PANEL + lane) * 4, &quad, sizeof quad);
    }
}

/* The nibbles of a Q4_0 block; word i has the k from 8 i on. */
static void lane_put_nibbles(const char *block, char *words, int64_t lane)
{
    for (int64_t i = 0; i < GROUP / 8; i++) {
        int shift = i < 2 ? 0 : 4;
        const char *from = block + 2 + i % 2 * 8;
        uint32_t a = word_at(from) >> shift & 0x0f0f0f0f, b = word_at(from + 4) >> shift & 0x0f0f0f0f;
        uint32_t word = quad_swap(a) | quad_swap(b) << 4;
        memcpy(words + (i * PANEL + lane) * 4, &word, sizeof word);
    }
}

static void lane_put_q4_0(const char *block, char *group, int64_t lane)
{
    memcpy(group + 2 * lane, block, 2);
    lane_put_nibbles(block, group + SCALE_BYTES, lane);
}

/* ---- where panels come from ---- */

enum source { FROM_F32, FROM_BF16, FROM_F16, FROM_Q8_0, FROM_Q4_0 };

static const void *block_of(enum source from, const void *row, int64_t k0)
{
    return (const char *)row + k0 / GROUP * (from == FROM_Q8_0 ? Q8_0_BLOCK : Q4_0_BLOCK);
}

/* Columns k0..k0+n-1 of a row as floats. n: 32 where the source has blocks. */
static void row_read(enum source from, const void *row, int64_t k0, int64_t n, float *x)
{
    if (from == FROM_Q8_0)
        block_get_q8_0(block_of(from, row, k0), x);
    else if (from == FROM_Q4_0)
        block_get_q4_0(block_of(from, row, k0), x);
    else if (from == FROM_F32)
        memcpy(x, (const float *)row + k0, (size_t)n * sizeof *x);
    else
        for (int64_t i = 0; i < n; i++) {
            uint16_t h = ((const uint16_t *)row)[k0 + i];
            x[i] = from == FROM_F16 ? f16_to_f32(h) : bf16_to_f32(h);
        }
}

static void pack_q8_0(enum source from, int64_t k, const void *row, char *panel, int64_t lane)
{
    for (int64_t j = 0; j < k; j += GROUP, panel += Q8_GROUP_BYTES) {
        float x[GROUP];
        char made[Q8_0_BLOCK];
        const char *block = made;
        if (from == FROM_Q8_0)
            block = block_of(from, row, j);
        else
            row_read(from, row, j, GROUP, x), block_put_q8_0(x, made);
        lane_put_q8_0(block, panel, lane);
    }
}

static void pack_q4_0(enum source from, int64_t k, const void *row, char *panel, int64_t lane)
{
    for (int64_t j = 0; j < k; j += GROUP, panel += Q4_GROUP_BYTES) {
        float x[GROUP];
        char made[Q4_0_BLOCK];
        const char *block = made;
        if (from == FROM_Q4_0)
            block = block_of(from, row, j);
        else
            row_read(from, row, j, GROUP, x), block_put_q4_0(x, made);
        lane_put_q4_0(block, panel, lane);
    }
}

static float w4_scale(enum source from, int64_t k, const void *row)
{
    float top[GROUP] = {0}, x[GROUP];
    for (int64_t j = 0; j < k; j += GROUP) {
        row_read(from, row, j, GROUP, x);
        for (int i = 0; i < GROUP; i++)
            if (fabsf(x[i]) > fabsf(top[0])) top[0] = x[i];
    }
    return row_scale_w4(GROUP, top);
}

/* Blocks that share a scale are W4 already. */
static int is_w4(enum source from, int64_t k, const void *row)
{
    if (from != FROM_Q4_0) return 0;
    for (int64_t j = GROUP; j < k; j += GROUP)
        if (memcmp(block_of(from, row, j), row, 2)) return 0;
    return 1;
}

static void pack_w4(enum source from, int64_t k, const void *row, char *panel, int64_t lane)
{
    int ready = is_w4(from, k, row);
    float scale = ready ? f16_to_f32((uint16_t)(word_at(row) & 0xffff)) : w4_scale(from, k, row);
    memcpy(panel + 4 * lane, &scale, sizeof scale);
    panel += W4_HEAD_BYTES;
    for (int64_t j = 0; j < k; j += GROUP, panel += NIBBLES_BYTES) {
        float x[GROUP];
        char made[Q4_0_BLOCK];
        const char *block = made;
        if (ready)
            block = block_of(from, row, j);
        else
            row_read(from, row, j, GROUP, x), block_put_w4(x, scale, made);
        lane_put_nibbles(block, panel, lane);
    }
}

static void pack_i8(enum source from, int64_t k, const void *row, char *panel, int64_t lane)
{
    for (int64_t j = 0; j < k; j++) {
        float x;
        row_read(from, row, j, 1, &x);
        panel[panel_index(WT_I8, lane, j)] = (char)((int)round_even(x, 127.0f) + 128);
    }
}

/* Plain panels from blocks or f16. */
static void pack_plain(enum weight_type t, enum source from, int64_t k, const void *row, char *panel,
                       int64_t lane)
{
    for (int64_t j = 0; j < k; j += GROUP) {
        float x[GROUP];
        int64_t some = k - j < GROUP ? k - j : GROUP;
        row_read(from, row, j, some, x);
        for (int64_t i = 0; i < some; i++) {
            int64_t at = panel_index(t, lane, j + i);
            if (t == WT_F32)
                ((float *)(void *)panel)[at] = x[i];
            else
                ((uint16_t *)(void *)panel)[at] = f32_to_bf16(x[i]);
        }
    }
}

/* Lanes past n have scale 0 and q 0. */
static void panel_clear(enum weight_type t, int64_t k, char *panel)
{
    memset(panel, t == WT_I8 ? 0x80 : 0, panel_bytes(t, k));
    for (int64_t j = 0; weight_quantised(t) && j < k / GROUP; j++) {
        if (t == WT_Q8_0) memset(panel + j * Q8_GROUP_BYTES + SCALE_BYTES, 0x80, BYTES_BYTES);
        if (t == WT_Q4_0) memset(panel + j * Q4_GROUP_BYTES + SCALE_BYTES, 0x88, NIBBLES_BYTES);
        if (t == WT_W4) memset(panel + W4_HEAD_BYTES + j * NIBBLES_BYTES, 0x88, NIBBLES_BYTES);
    }
}

static void pack(enum weight_type t, enum source from, int64_t n, int64_t k, const void *w, int64_t row_bytes,
                 char *panel)
{
    if (n < PANEL || k % 4) panel_clear(t, k, panel);
    for (int64_t lane = 0; lane < n; lane++) {
        const char *row = (const char *)w + lane * row_bytes;
        if (t == WT_Q8_0)
            pack_q8_0(from, k, row, panel, lane);
        else if (t == WT_Q4_0)
            pack_q4_0(from, k, row, panel, lane);
        else if (t == WT_W4)
            pack_w4(from, k, row, panel, lane);
        else if (t == WT_I8)
            pack_i8(from, k, row, panel, lane);
        else
            pack_plain(t, from, k, row, panel, lane);
    }
}

/* ---- reading back ---- */

static void transpose(enum weight_type t, int64_t n0, int64_t n, int64_t k, int64_t k0, const void *w,
                      uint16_t *o)
{
    memset(o, 0, panel_bytes(WT_BF16, n));
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = k0; j < k0 + PANEL && j < k; j++)
            o[panel_index(WT_BF16, j - k0, i)] =
                f32_to_bf16(ref_scale(t, w, k, n0 + i, j) * (float)ref_quant(t, w, k, n0 + i, j));
}

static void row_get(enum weight_type t, int64_t n, int64_t k, const void *w, float *out)
{
    for (int64_t j = 0; j < k; j++) out[j] = ref_scale(t, w, k, n, j) * (float)ref_quant(t, w, k, n, j);
}

/* ---- slots ---- */

#define PACK(name, type)                                                                                     \
    static void name##_f32(int64_t n, int64_t k, const float *w, int64_t ldw, void *panel)                   \
    {                                                                                                        \
        pack(type, FROM_F32, n, k, w, ldw * 4, panel);                                                       \
    }                                                                                                        \
    static void name##_bf16(int64_t n, int64_t k, const uint16_t *w, int64_t ldw, void *panel)               \
    {                                                                                                        \
        pack(type, FROM_BF16, n, k, w, ldw * 2, panel);                                                      \
    }
#define PACK_F16(name, type)                                                                                 \
    static void name##_f16(int64_t n, int64_t k, const uint16_t *w, int64_t ldw, void *panel)                \
    {                                                                                                        \
        pack(type, FROM_F16, n, k, w, ldw * 2, panel);                                                       \
    }
#define PACK_BLOCKS(name, type)                                                                              \
    PACK_F16(name, type)                                                                                     \
    static void name##_q8_0(int64_t n, int64_t k, const void *w, int64_t ldw, void *panel)                   \
    {                                                                                                        \
        pack(type, FROM_Q8_0, n, k, w, ldw, panel);                                                          \
    }                                                                                                        \
    static void name##_q4_0(int64_t n, int64_t k, const void *w, int64_t ldw, void *panel)                   \
    {                                                                                                        \
        pack(type, FROM_Q4_0, n, k, w, ldw, panel);                                                          \
    }
#define READ(name, type)                                                                                     \
    static void transpose_##name(int64_t n0, int64_t n, int64_t k, int64_t k0, const void *w, void *out)     \
    {                                                                                                        \
        transpose(type, n0, n, k, k0, w, out);                                                               \
    }                                                                                                        \
    static void row_##name(int64_t n, int64_t k, const void *w, float *out)                                  \
    {                                                                                                        \
        row_get(type, n, k, w, out);                                                                         \
    }
PACK_BLOCKS(to_f32, WT_F32)
PACK_BLOCKS(to_bf16, WT_BF16)
PACK(to_q8_0, WT_Q8_0)
PACK_BLOCKS(to_q8_0, WT_Q8_0)
READ(q8_0, WT_Q8_0)
PACK(to_q4_0, WT_Q4_0)
PACK_BLOCKS(to_q4_0, WT_Q4_0)
READ(q4_0, WT_Q4_0)
PACK(to_w4, WT_W4)
PACK_BLOCKS(to_w4, WT_W4)
READ(w4, WT_W4)
PACK(to_i8, WT_I8)
PACK_F16(to_i8, WT_I8)

static void row_i8(int64_t n, int64_t k, const void *w, float *out)
{
    row_get(WT_I8, n, k, w, out);
}

#define SET(t, name)                                                                                         \
    k->panel_pack[t] = to_##name##_f32, k->panel_pack_bf16[t] = to_##name##_bf16,                            \
    k->panel_pack_f16[t] = to_##name##_f16, k->panel_pack_q8_0[t] = to_##name##_q8_0,                        \
    k->panel_pack_q4_0[t] = to_##name##_q4_0, k->panel_transpose[t] = transpose_##name,                      \
    k->panel_row[t] = row_##name

void ref_panel_quant_init(struct kernels *k)
{
    SET(WT_Q8_0, q8_0);
    SET(WT_Q4_0, q4_0);
    SET(WT_W4, w4);
    k->panel_pack_f16[WT_F32] = to_f32_f16;
    k->panel_pack_f16[WT_BF16] = to_bf16_f16;
    k->panel_pack_f16[WT_I8] = to_i8_f16;
    k->panel_pack_q8_0[WT_F32] = to_f32_q8_0;
    k->panel_pack_q4_0[WT_F32] = to_f32_q4_0;
    k->panel_pack_q8_0[WT_BF16] = to_bf16_q8_0;
    k->panel_pack_q4_0[WT_BF16] = to_bf16_q4_0;
    k->panel_pack[WT_I8] = to_i8_f32;
    k->panel_pack_bf16[WT_I8] = to_i8_bf16;
    k->panel_pack_q8_0[WT_I8] = k->panel_pack_q4_0[WT_I8] = NULL;
    k->panel_transpose[WT_I8] = NULL;
    k->panel_row[WT_I8] = row_i8;
}
