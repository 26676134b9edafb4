/* What the tiles of all products share. */
#ifndef TERSE_KERNELS_SIMD_TILES_H
#define TERSE_KERNELS_SIMD_TILES_H

#include "kernels/kernels.h"

#include <string.h>

#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif

/* What is multiplied: fp32 panels, bf16 panels by bf16 values held in fp32, bf16 panels by pairs of bf16. Of
 * gemm_quant.h: bytes and nibbles by values held in fp32, and by pairs of bf16. */
enum operand { OP_F32, OP_BF16, OP_DOT, OP_BYTE, OP_NIBBLE, OP_BYTE_DOT, OP_NIBBLE_DOT };

enum {
    LINE = 64,      /* of cache, bytes */
    AHEAD = 4096,   /* fetch quantised weights so many bytes before they are wanted ... */
    AHEAD_ROWS = 4, /* ... with so many rows: with fewer, memory sees them coming */
};

/* Rows are addressed from one base pointer per three: base, base + ldx and base + 2 ldx are addressing modes.
 */
VEC const char *row_of(const char *const *base, int64_t ldx, int r)
{
    return base[r / 3] + r % 3 * ldx;
}

VEC void bases_init(const int rows, const char **base, const char *x, int64_t ldx)
{
    UNROLL for (int r = 0; r < rows; r += 3) base[r / 3] = x + r * ldx;
}
VEC void bases_move(const int rows, const char **base, int64_t bytes)
{
    UNROLL for (int i = 0; i < (rows + 2) / 3; i++)
    {
        base[i] += bytes;
        __asm__("" : "+r"(base[i])); /* keeps the compiler from making a pointer of each row */
    }
}

/* Rows go into tiles of sizes as equal as can be, so that no row costs a tile of its own: 16 = 8 + 8. */
VEC int64_t share(int64_t left, int64_t most)
{
    return left / ((left + most - 1) / most);
}

/* The first `lanes` of some rows: a tile writes whole panels, so where fewer are wanted it writes elsewhere.
 */
static inline void lanes_copy(int64_t rows, int64_t lanes, const float *from, int64_t ld, float *to,
                              int64_t ldto)
{
    for (int64_t r = 0; r < rows; r++) memcpy(to + r * ldto, from + r * ld, (size_t)lanes * sizeof *to);
}

/* W4's second half: the chains' sums by the rows' scales. */
static inline void sums_scale(int64_t m, int64_t cols, const char *scale, int64_t panel, const float *sum,
                              int64_t ld, float *y, int64_t ldy, int accumulate)
{
    for (int64_t n = 0; n < cols; n += 16) {
        int c = cols - n < 16 ? (int)(cols - n) : 16;
        v16 by = v16_load((const float *)(const void *)(scale + n / PANEL * panel) + n % PANEL);
        for (int64_t i = 0; i < m; i++) {
            v16 s = v16_load_n(sum + i * ld + n, c);
            float *o = y + i * ldy + n;
            v16_store_n(o, c, accumulate ? v16_fma(s, by, v16_load_n(o, c)) : v16_mul(s, by));
        }
    }
}

#endif
