/* Matrix products on v16, written once. The including file brings the vectors and says which tiles fit its
 * registers:
 *
 *     #define TILES(X) X(1, 2) X(2, 2) ...     rows 1, 2, 3 ... TILE_ROWS, each with its vectors: 1 or 2
 *     #define TILE_ROWS 13
 *
 * A tile is rows x (16 vectors) outputs whose accumulators stay in registers while it runs over k. It is one
 * inlined body with constant rows and vectors, every loop over them unrolled: a loop left standing would put
 * the accumulators in memory. */
#ifndef TERSE_KERNELS_SIMD_GEMM_H
#define TERSE_KERNELS_SIMD_GEMM_H

#include "kernels/kernels.h"
#include "kernels/simd/tiles.h"

#include <string.h>

/* Bytes of a k-pair in one row of activations and in a panel. */
VEC int64_t pair_of_x(const enum operand op)
{
    return op == OP_DOT ? 4 : 8;
}
VEC int64_t pair_of_w(const enum operand op)
{
    return op == OP_F32 ? 8 * PANEL : 4 * PANEL;
}

/* Vector v of a pair's odd or even elements. */
VEC v16 weights_of(const enum operand op, const char *w, int odd, int v)
{
    if (op == OP_F32) return v16_load((const float *)w + PANEL * odd + 16 * v);
    v16u pair = v16u_load(w + 64 * v);
    return v16_from_bits(odd ? v16u_and(pair, v16u_all(0xffff0000)) : v16u_shl(pair, 16));
}

/* One k-pair by two FMAs: the odd elements of all outputs, then the even ones. */
VEC void pair_fma(const int rows, const int vecs, const enum operand op, v16 (*acc)[2],
                  const char *const *base, int64_t ldx, const char *w)
{
    UNROLL for (int odd = 1; odd >= 0; odd--)
    {
        v16 b[2];
        UNROLL for (int v = 0; v < vecs; v++) b[v] = weights_of(op, w, odd, v);
        UNROLL for (int r = 0; r < rows; r++)
        {
            v16 a = v16_all(((const float *)row_of(base, ldx, r))[odd]);
            UNROLL for (int v = 0; v < vecs; v++) v16_fma_into(&acc[r][v], a, b[v]);
        }
    }
}

VEC void pair_dot(const int rows, const int vecs, v16 (*acc)[2], const char *const *base, int64_t ldx,
                  const char *w)
{
    v16u b[2];
    UNROLL for (int v = 0; v < vecs; v++) b[v] = v16u_load(w + 64 * v);
    UNROLL for (int r = 0; r < rows; r++)
    {
        v16u a = v16u_all_at(row_of(base, ldx, r));
        UNROLL for (int v = 0; v < vecs; v++) v16_dot_into(&acc[r][v], a, b[v]);
    }
}

/* x [rows][ldx bytes], w: a panel from its first or second vector on, y [rows][ldy]. ahead: lines that will
 * be wanted soon, one is fetched a pair. */
VEC void tile(const int rows, const int vecs, const enum operand op, int64_t pairs, const char *x,
              int64_t ldx, const char *w, const char *ahead, float *y, int64_t ldy, int accumulate)
{
    v16 acc[TILE_ROWS][2];
    const char *base[(TILE_ROWS + 2) / 3];
    UNROLL for (int r = 0; r < rows; r++)
    {
        if (r % 3 == 0) base[r / 3] = x + r * ldx;
        UNROLL for (int v = 0; v < vecs; v++) acc[r][v] =
            accumulate ? v16_load(y + r * ldy + 16 * v) : v16_zero();
    }
    for (int64_t j = 0; j < pairs; j++, w += pair_of_w(op), ahead += LINE) {
        __builtin_prefetch(ahead, 0, 2);
        if (op == OP_DOT)
            pair_dot(rows, vecs, acc, base, ldx, w);
        else
            pair_fma(rows, vecs, op, acc, base, ldx, w);
        UNROLL for (int i = 0; i < (rows + 2) / 3; i++)
        {
            base[i] += pair_of_x(op);
            __asm__("" : "+r"(base[i])); /* keeps the compiler from making a pointer of each row */
        }
    }
    UNROLL for (int r = 0; r < rows; r++) UNROLL for (int v = 0; v < vecs; v++)
        v16_store(y + r * ldy + 16 * v, acc[r][v]);
}

/* The tiles as functions: all 32 outputs of a panel for a number of rows. */
typedef void tile_fn(int64_t pairs, const char *x, int64_t ldx, const char *w, const char *ahead, float *y,
                     int64_t ldy, int accumulate);

#define TILE_OF(op, rows, vecs)                                                                              \
    static void tile_##op##_##rows(int64_t pairs, const char *x, int64_t ldx, const char *w,                 \
                                   const char *ahead, float *y, int64_t ldy, int accumulate)                 \
    {                                                                                                        \
        for (int v = 0; v < 2; v += vecs)                                                                    \
            tile(rows, vecs, op, pairs, x, ldx, w + 64 * v, ahead, y + 16 * v, ldy, accumulate);             \
    }

struct family {
    enum operand op;
    tile_fn *const *tile; /* [TILE_ROWS] */
};

/* A tile writes whole panels; where fewer lanes are wanted it writes here, and the lanes are copied. */
static void part_multiply(tile_fn *f, int64_t rows, int64_t pairs, const char *x, int64_t ldx, const char *w,
                          float *y, int64_t ldy, int64_t lanes, int accumulate)
{
    float part[TILE_ROWS][PANEL] = {{0}};
    if (accumulate) lanes_copy(rows, lanes, y, ldy, part[0], PANEL);
    f(pairs, x, ldx, w, w, part[0], PANEL, accumulate);
    lanes_copy(rows, lanes, part[0], PANEL, y, ldy);
}

/* Meanwhile each tile fetches a part of the panel that follows (`ahead`) into the second-level cache: memory
 * is then busy all the time and not only while the first tile meets a new panel. */
static void panel_multiply(struct family f, int64_t m, int64_t pairs, const char *x, int64_t ldx,
                           const char *w, const char *ahead, float *y, int64_t ldy, int64_t lanes,
                           int accumulate)
{
    int64_t parts = pair_of_w(f.op) / LINE, part = 0;
    for (int64_t row = 0, rows; row < m; row += rows, part = (part + 1) % parts) {
        rows = share(m - row, TILE_ROWS);
        const char *xr = x + row * ldx, *fetch = ahead + part * pairs * LINE;
        if (lanes < PANEL)
            part_multiply(f.tile[rows - 1], rows, pairs, xr, ldx, w, y + row * ldy, ldy, lanes, accumulate);
        else
            f.tile[rows - 1](pairs, xr, ldx, w, fetch, y + row * ldy, ldy, accumulate);
    }
}

/* Activations are taken in blocks that stay in the second-level cache while all panels pass by. Chains
 * continue in y from block to block of k. */
enum { BLOCK_ROWS = 12 * TILE_ROWS, BLOCK_BYTES = 768 << 10 };

static void product(struct family f, int64_t m, int64_t k, int64_t cols, const void *x, int64_t ldx,
                    const void *w, float *y, int64_t ldy, int accumulate)
{
    int64_t pairs = pad_even(k) / 2, pair_x = pair_of_x(f.op), pair_w = pair_of_w(f.op);
    ldx *= pair_x / 2;
    for (int64_t row = 0, rows; row < m; row += rows) {
        rows = share(m - row, BLOCK_ROWS);
        int64_t most = BLOCK_BYTES / (pair_x * rows + 2 * pair_w);
        for (int64_t j = 0, some; j < pairs; j += some) {
            some = share(pairs - j, most);
            const char *xb = (const char *)x + row * ldx + j * pair_x, *wb = (const char *)w + j * pair_w;
            for (int64_t n = 0; n < cols; n += PANEL, wb += pairs * pair_w)
                panel_multiply(f, rows, some, xb, ldx, wb, n + PANEL < cols ? wb + pairs * pair_w : wb,
                               y + row * ldy + n, ldy, cols - n < PANEL ? cols - n : PANEL, accumulate || j);
        }
    }
}

#define TILE_F32(rows, vecs)  TILE_OF(OP_F32, rows, vecs)
#define TILE_BF16(rows, vecs) TILE_OF(OP_BF16, rows, vecs)
#define TILE_DOT(rows, vecs)  TILE_OF(OP_DOT, rows, vecs)
#define NAME_F32(rows, vecs)  tile_OP_F32_##rows,
#define NAME_BF16(rows, vecs) tile_OP_BF16_##rows,
#define NAME_DOT(rows, vecs)  tile_OP_DOT_##rows,

/* GEMM(gemm_f32, F32) makes a gemm slot. */
#define GEMM(name, OP)                                                                                       \
    TILES(TILE_##OP)                                                                                         \
    static void name(int64_t m, int64_t k, int64_t cols, const void *x, int64_t ldx, const void *w,          \
                     float *y, int64_t ldy, int accumulate)                                                  \
    {                                                                                                        \
        static tile_fn *const tiles[] = {TILES(NAME_##OP)};                                                  \
        product((struct family){OP_##OP, tiles}, m, k, cols, x, ldx, w, y, ldy, accumulate);                 \
    }

#endif
