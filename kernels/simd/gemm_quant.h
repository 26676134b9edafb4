/* Products with quantised weights on v16, after gemm.h. A line is 32 words, one a lane: 4 bytes or 8 nibbles
 * of a row each, that is 2 or 4 k-pairs.
 *
 * With few rows a tile unpacks weights into registers as it goes. With many, some groups of a panel are
 * unpacked into scratch first, as an ordinary panel of integers that stays in cache while all row tiles pass
 * by: fp32 values, or pairs of bf16 where there is a bf16 dot. The including file says which tiles fit:
 *
 *     #define QUANT_TILES(X) X(1, 2) ...   rows 1, 2 ... QUANT_ROWS, each with its vectors: 1 or 2
 *     #define QUANT_ROWS 12
 *     #define TWO_TILES(X) X(1, 4) ...     rows 1 ... TWO_ROWS by two panels: a few rows have too few sums to
 *     #define TWO_ROWS 3                   keep a processor busy that takes several cycles a multiply-add
 *     #define QUANT_DOT 0                  1: multiply by the bf16 dot
 *
 * A file whose vectors are too narrow for these tiles brings its own, with SPAN_OF. */
#ifndef TERSE_KERNELS_SIMD_GEMM_QUANT_H
#define TERSE_KERNELS_SIMD_GEMM_QUANT_H

#include "kernels/simd/gemm.h"
#include "kernels/simd/spans.h"

enum {
    VECS_MAX = 4,
    DIRECT_TILES = 2, /* more tiles of rows than this go through scratch */
    SCRATCH_GROUPS = 32,
    SCRATCH_BYTES = SCRATCH_GROUPS * GROUP * PANEL * 4
};

/* By what the words of both kinds are multiplied, and what scratch holds. */
#if QUANT_DOT
#define OP_BYTES   OP_BYTE_DOT
#define OP_NIBBLES OP_NIBBLE_DOT
#define OP_PLAIN   OP_DOT
#else
#define OP_BYTES   OP_BYTE
#define OP_NIBBLES OP_NIBBLE
#define OP_PLAIN   OP_F32
#endif

#ifndef SPAN_OF
/* Where vector v of a line begins, and the like for any bytes a vector: panels are `panel` bytes apart. */
VEC const char *vec_at(const char *p, int64_t panel, int v, int bytes)
{
    return p + v / 2 * panel + v % 2 * bytes;
}

VEC void line_fma(const int rows, const int vecs, const enum operand op, v16 (*acc)[VECS_MAX],
                  const char *const *base, int64_t ldx, const char *w, int64_t panel, const int pairs)
{
    v16u word[VECS_MAX];
    if (op != OP_F32) {
        UNROLL for (int v = 0; v < vecs; v++) word[v] = v16u_load(vec_at(w, panel, v, 64));
    }
    UNROLL for (int i = 0; i < 2 * pairs; i++)
    {
        v16 b[VECS_MAX];
        const int k = i ^ 1; /* the odd one of a pair first */
        UNROLL for (int v = 0; v < vecs; v++) b[v] = op == OP_F32
                                                         ? v16_load((const float *)w + PANEL * k + 16 * v)
                                                         : word_value(op_bits(op), word[v], k);
        UNROLL for (int r = 0; r < rows; r++)
        {
            v16 a = v16_all(((const float *)row_of(base, ldx, r))[k]);
            UNROLL for (int v = 0; v < vecs; v++) v16_fma_into(&acc[r][v], a, b[v]);
        }
    }
}

VEC void line_dot(const int rows, const int vecs, const enum operand op, v16 (*acc)[VECS_MAX],
                  const char *const *base, int64_t ldx, const char *w, int64_t panel, const int pairs)
{
    v16u word[VECS_MAX];
    UNROLL for (int v = 0; v < vecs; v++) word[v] = v16u_load(vec_at(w, panel, v, 64));
    UNROLL for (int i = 0; i < pairs; i++)
    {
        v16u b[VECS_MAX];
        UNROLL for (int v = 0; v < vecs; v++) b[v] =
            op == OP_DOT ? word[v] : word_pair(op_bits(op), word[v], i);
        UNROLL for (int r = 0; r < rows; r++)
        {
            v16u a = v16u_all_at(row_of(base, ldx, r) + 4 * i);
            UNROLL for (int v = 0; v < vecs; v++) v16_dot_into(&acc[r][v], a, b[v]);
        }
    }
}

VEC void line_step(const int rows, const int vecs, const enum operand op, v16 (*acc)[VECS_MAX],
                   const char *const *base, int64_t ldx, const char *w, int64_t panel, const int pairs)
{
    if (rows >= AHEAD_ROWS && line_pairs(op) > 1) {
        UNROLL for (int v = 0; v < vecs; v++) __builtin_prefetch(w + AHEAD + 64 * v);
    }
    if (op_is_dot(op))
        line_dot(rows, vecs, op, acc, base, ldx, w, panel, pairs);
    else
        line_fma(rows, vecs, op, acc, base, ldx, w, panel, pairs);
}

/* ---- tiles ---- */

/* A line of nibbles takes 8 k of each row: the compiler would keep ldx + 4, ldx + 8 ... in registers of their
 * own, and those in halves of vectors, instead of in the addresses where they cost nothing. */
VEC void ldx_hide(const int rows, const enum operand op, int64_t *ldx)
{
    if (rows > 2 && line_pairs(op) > 2) __asm__("" : "+r"(*ldx));
}

VEC void sums_load(const int rows, const int vecs, v16 (*sum)[VECS_MAX], const float *y, int64_t ldy,
                   int from_y)
{
    UNROLL for (int r = 0; r < rows; r++) UNROLL for (int v = 0; v < vecs; v++) sum[r][v] =
        from_y ? v16_load(y + r * ldy + 16 * v) : v16_zero();
}
VEC void sums_store(const int rows, const int vecs, v16 (*sum)[VECS_MAX], float *y, int64_t ldy)
{
    UNROLL for (int r = 0; r < rows; r++) UNROLL for (int v = 0; v < vecs; v++)
        v16_store(y + r * ldy + 16 * v, sum[r][v]);
}

/* Group by group: a chain from zero, which joins its output by the group's scale. Outputs stay in the
 * first-level cache meanwhile, side by side: rows of y may lie a power of two apart. first: the panel's first
 * vector of the tile. */
VEC void tile_groups(const int rows, const int vecs, const enum operand op, const struct span *s, int first,
                     const char *x, const char *w, float *y)
{
    v16 acc[QUANT_ROWS][VECS_MAX];
    _Alignas(64) float sums[QUANT_ROWS * 16 * VECS_MAX];
    float *sum = sums;
    const char *base[(QUANT_ROWS + 2) / 3], *scale = s->scale + 32 * first;
    int64_t ldx = s->ldx;
    w += 64 * first, y += 16 * first;
    bases_init(rows, base, x, s->ldx);
    sums_load(rows, vecs, acc, y, s->ldy, s->accumulate);
    sums_store(rows, vecs, acc, sum, 16 * vecs);
    for (int64_t pair = 0; pair < s->pairs; pair += GROUP / 2, w += s->step, scale += s->scale_step) {
        const char *line = w;
        __asm__ volatile("" : "+r"(sum) : : "memory"); /* or the compiler would hold them in registers */
        sums_load(rows, vecs, acc, sum, 16 * vecs, 0);
        for (int i = 0; i < GROUP / 2; i += line_pairs(op), line += line_bytes(op)) {
            ldx_hide(rows, op, &ldx);
            line_step(rows, vecs, op, acc, base, ldx, line, s->panel, line_pairs(op));
            bases_move(rows, base, line_x_bytes(op));
        }
        UNROLL for (int v = 0; v < vecs; v++)
        {
            v16 by = v16_load_f16(vec_at(scale, s->panel, v, 32));
            UNROLL for (int r = 0; r < rows; r++)
            {
                float *o = sum + 16 * (r * vecs + v);
                v16_store(o, v16_fma(acc[r][v], by, v16_load(o)));
            }
        }
    }
    sums_load(rows, vecs, acc, sum, 16 * vecs, 1);
    sums_store(rows, vecs, acc, y, s->ldy);
}

/* One chain through all of it. Half a line of bytes may be left. */
VEC void tile_chain(const int rows, const int vecs, const enum operand op, const struct span *s, int first,
                    const char *x, const char *w, float *y)
{
    v16 acc[QUANT_ROWS][VECS_MAX];
    const char *base[(QUANT_ROWS + 2) / 3];
    int64_t pair = 0, ldx = s->ldx;
    w += 64 * first, y += 16 * first;
    bases_init(rows, base, x, s->ldx);
    sums_load(rows, vecs, acc, y, s->ldy, s->accumulate);
    for (; pair + line_pairs(op) <= s->pairs; pair += line_pairs(op), w += line_bytes(op)) {
        ldx_hide(rows, op, &ldx);
        line_step(rows, vecs, op, acc, base, ldx, w, s->panel, line_pairs(op));
        bases_move(rows, base, line_x_bytes(op));
    }
    if (line_pairs(op) == 2 && pair < s->pairs) line_step(rows, vecs, op, acc, base, s->ldx, w, s->panel, 1);
    sums_store(rows, vecs, acc, y, s->ldy);
}

#define SPAN_OF(how, KIND, op, rows, vecs)                                                                   \
    static void how##_##KIND##_##rows##x##vecs(const struct span *s, const char *x, const char *w, float *y) \
    {                                                                                                        \
        for (int first = 0; first < 2; first += vecs) tile_##how(rows, vecs, op, s, first, x, w, y);         \
    }
#endif

/* ---- scratch ---- */

/* Lines of words, as many as hold `pairs` -> a plain panel of integers. */
VEC void unpack(const enum operand op, int64_t pairs, const char *w, char *out)
{
    for (int64_t pair = 0; pair < pairs; pair += line_pairs(op), w += LINE_WORDS)
        for (int v = 0; v < 2; v++) {
            v16u word = v16u_load(w + 64 * v);
            __builtin_prefetch(w + AHEAD + 64 * v);
            UNROLL for (int i = 0; i < line_pairs(op); i++)
            {
                char *o = out + (pair + i) * line_bytes(OP_PLAIN) + 64 * v;
                if (op_is_dot(op)) {
                    v16u_store(o, word_pair(op_bits(op), word, i));
                    continue;
                }
                v16_store((float *)(void *)o, word_value(op_bits(op), word, 2 * i));
                v16_store((float *)(void *)(o + LINE_WORDS), word_value(op_bits(op), word, 2 * i + 1));
            }
        }
}

/* ---- products ---- */

/* A type of weights. */
struct quant {
    enum weight_type type;
    enum operand op;                     /* how its words are multiplied directly */
    int64_t head, group;                 /* bytes before a panel's first word, and from group to group */
    int scaled;                          /* groups have scales, which come right before their words */
    span_fn *const *direct, *const *two; /* [QUANT_ROWS] tiles of one panel, [TWO_ROWS] of two */
    span_fn *const *plain;               /* [QUANT_ROWS] tiles that read scratch */
};

/* A tile writes whole panels; where fewer lanes are wanted it writes here, and the lanes are copied. */
static void span_part(span_fn *f, const struct span *s, int64_t rows, const char *x, const char *w, float *y,
                      int64_t lanes)
{
    float part[QUANT_ROWS][PANEL] = {{0}};
    struct span t = *s;
    t.ldy = PANEL;
    if (s->accumulate) lanes_copy(rows, lanes, y, s->ldy, part[0], PANEL);
    f(&t, x, w, part[0]);
    lanes_copy(rows, lanes, part[0], PANEL, y, s->ldy);
}

/* All rows by one panel, or by two where `lanes` is 64. */
static void span_rows(span_fn *const *tiles, const struct span *s, int64_t m, const char *x, const char *w,
                      float *y, int64_t lanes)
{
    for (int64_t row = 0, rows; row < m; row += rows) {
        rows = share(m - row, QUANT_ROWS);
        span_fn *f = tiles[rows - 1];
        if (lanes < PANEL)
            span_part(f, s, rows, x + row * s->ldx, w, y + row * s->ldy, lanes);
        else
            f(s, x + row * s->ldx, w, y + row * s->ldy);
    }
}

/* A block of rows by all panels, over some of k. words: of the first panel. */
static void quant_direct(const struct quant *q, struct span *s, int64_t m, int64_t cols, const char *x,
                         const char *words, float *y)
{
    for (int64_t n = 0, some; n < cols; n += some, words += some / PANEL * s->panel) {
        int two = m <= TWO_ROWS && cols - n >= 2 * PANEL;
        some = two ? 2 * PANEL : PANEL;
        s->scale = q->scaled ? words - SCALE_BYTES : NULL;
        span_rows(two ? q->two : q->direct, s, m, x, words, y + n, cols - n < some ? cols - n : some);
    }
}

static void quant_plain(const struct quant *q, struct span *s, int64_t m, int64_t cols, const char *x,
                        const char *words, float *y)
{
    _Alignas(64) char scratch[SCRATCH_BYTES];
    s->step = GROUP / 2 * line_bytes(OP_PLAIN);
    for (int64_t n = 0; n < cols; n += PANEL, words += s->panel) {
        for (int64_t pair = 0; pair < s->pairs; pair += GROUP / 2) {
            int64_t some = s->pairs - pair < GROUP / 2 ? s->pairs - pair : GROUP / 2;
            const char *from = words + pair / (GROUP / 2) * q->group;
            char *to = scratch + pair * line_bytes(OP_PLAIN);
            if (line_pairs(q->op) == 2)
                unpack(OP_BYTES, some, from, to);
            else
                unpack(OP_NIBBLES, some, from, to);
        }
        s->scale = q->scaled ? words - SCALE_BYTES : NULL;
        span_rows(q->plain, s, m, x, scratch, y + n, cols - n < PANEL ? cols - n : PANEL);
    }
}

static void quant_product(const struct quant *q, int64_t m, int64_t k, int64_t cols, const char *x,
                          int64_t ldx, const char *w, float *y, int64_t ldy, int accumulate)
{
    int64_t pairs = pad_even(k) / 2, pair_x = line_x_bytes(OP_PLAIN);
    for (int64_t row = 0, rows; row < m; row += rows) {
        rows = share(m - row, 12 * QUANT_ROWS);
        int plain = rows > DIRECT_TILES * QUANT_ROWS;
        for (int64_t j = 0, some; j < pairs; j += some) {
            some = !plain || pairs - j < SCRATCH_GROUPS * GROUP / 2 ? pairs - j : SCRATCH_GROUPS * GROUP / 2;
            const char *xb = x + row * ldx * pair_x / 2 + j * pair_x;
            const char *words = w + q->head + j / (GROUP / 2) * q->group;
            struct span s = {.pairs = some, .ldx = ldx * pair_x / 2, .step = q->group};
            s.panel = (int64_t)panel_bytes(q->type, k);
            s.scale_step = q->group, s.ldy = ldy, s.accumulate = accumulate || j;
            (plain ? quant_plain : quant_direct)(q, &s, rows, cols, xb, words, y + row * ldy);
        }
    }
}

/* Where y is added to, chains cannot run in it: some rows and one panel at a time then. */
static void w4_product(const struct quant *q, int64_t m, int64_t k, int64_t cols, const char *x, int64_t ldx,
                       const char *w, float *y, int64_t ldy, int accumulate)
{
    int64_t panel = (int64_t)panel_bytes(WT_W4, k), row_x = ldx * line_x_bytes(OP_PLAIN) / 2;
    if (!accumulate) {
        quant_product(q, m, k, cols, x, ldx, w, y, ldy, 0);
        sums_scale(m, cols, w, panel, y, ldy, y, ldy, 0);
        return;
    }
    for (int64_t n = 0; n < cols; n += PANEL, w += panel)
        for (int64_t row = 0, rows; row < m; row += rows) {
            float sum[12 * QUANT_ROWS][PANEL];
            int64_t lanes = cols - n < PANEL ? cols - n : PANEL;
            rows = share(m - row, 12 * QUANT_ROWS);
            quant_product(q, rows, k, lanes, x + row * row_x, ldx, w, sum[0], PANEL, 0);
            sums_scale(rows, lanes, w, panel, sum[0], PANEL, y + row * ldy + n, ldy, 1);
        }
}

/* ---- slots ---- */

#define GROUPS_BYTE(r, v)   SPAN_OF(groups, BYTE, OP_BYTES, r, v)
#define GROUPS_NIBBLE(r, v) SPAN_OF(groups, NIBBLE, OP_NIBBLES, r, v)
#define GROUPS_PLAIN(r, v)  SPAN_OF(groups, PLAIN, OP_PLAIN, r, v)
#define CHAIN_BYTE(r, v)    SPAN_OF(chain, BYTE, OP_BYTES, r, v)
#define CHAIN_NIBBLE(r, v)  SPAN_OF(chain, NIBBLE, OP_NIBBLES, r, v)
#define CHAIN_PLAIN(r, v)   SPAN_OF(chain, PLAIN, OP_PLAIN, r, v)
QUANT_TILES(GROUPS_BYTE)
QUANT_TILES(GROUPS_NIBBLE)
QUANT_TILES(GROUPS_PLAIN)
QUANT_TILES(CHAIN_BYTE)
QUANT_TILES(CHAIN_NIBBLE)
QUANT_TILES(CHAIN_PLAIN)
TWO_TILES(GROUPS_BYTE)
TWO_TILES(GROUPS_NIBBLE)
TWO_TILES(CHAIN_BYTE)
TWO_TILES(CHAIN_NIBBLE)

#define NAME_GROUPS_BYTE(r, v)   groups_BYTE_##r##x##v,
#define NAME_GROUPS_NIBBLE(r, v) groups_NIBBLE_##r##x##v,
#define NAME_GROUPS_PLAIN(r, v)  groups_PLAIN_##r##x##v,
#define NAME_CHAIN_BYTE(r, v)    chain_BYTE_##r##x##v,
#define NAME_CHAIN_NIBBLE(r, v)  chain_NIBBLE_##r##x##v,
#define NAME_CHAIN_PLAIN(r, v)   chain_PLAIN_##r##x##v,

#define QUANT_GEMM(name, HOW, KIND, product, ...)                                                            \
    static void name(int64_t m, int64_t k, int64_t cols, const void *x, int64_t ldx, const void *w,          \
                     float *y, int64_t ldy, int accumulate)                                                  \
    {                                                                                                        \
        static span_fn *const direct[] = {QUANT_TILES(NAME_##HOW##_##KIND)};                                 \
        static span_fn *const two[] = {TWO_TILES(NAME_##HOW##_##KIND) NULL};                                 \
        static span_fn *const plain[] = {QUANT_TILES(NAME_##HOW##_PLAIN)};                                   \
        static const struct quant q = {__VA_ARGS__, direct, two, plain};                                     \
        product(&q, m, k, cols, x, ldx, w, y, ldy, accumulate);                                              \
    }
QUANT_GEMM(gemm_q8_0, GROUPS, BYTE, quant_product, WT_Q8_0, OP_BYTES, SCALE_BYTES, Q8_GROUP_BYTES, 1)
QUANT_GEMM(gemm_q4_0, GROUPS, NIBBLE, quant_product, WT_Q4_0, OP_NIBBLES, SCALE_BYTES, Q4_GROUP_BYTES, 1)
QUANT_GEMM(gemm_w4, CHAIN, NIBBLE, w4_product, WT_W4, OP_NIBBLES, W4_HEAD_BYTES, NIBBLES_BYTES, 0)
QUANT_GEMM(gemm_i8, CHAIN, BYTE, quant_product, WT_I8, OP_BYTES, 0, BYTES_BYTES, 0)

static void gemm_quant_init(struct kernels *k)
{
    k->gemm[WT_Q8_0] = gemm_q8_0;
    k->gemm[WT_Q4_0] = gemm_q4_0;
    k->gemm[WT_W4] = gemm_w4;
    k->gemm[WT_I8] = gemm_i8;
}

#endif
