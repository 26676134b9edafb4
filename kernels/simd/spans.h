/* What the tiles of gemm_quant.h and gemm_act8.h are given, for those that are written elsewhere too. */
#ifndef TERSE_KERNELS_SIMD_SPANS_H
#define TERSE_KERNELS_SIMD_SPANS_H

#include "kernels/simd/tiles.h"
#include "kernels/simd/words.h"

/* ---- quantised weights ---- */

VEC int op_is_dot(const enum operand op)
{
    return op == OP_DOT || op == OP_BYTE_DOT || op == OP_NIBBLE_DOT;
}
VEC int op_bits(const enum operand op)
{
    return op == OP_BYTE || op == OP_BYTE_DOT ? 8 : 4;
}
/* k-pairs of a line, and its bytes. */
VEC int line_pairs(const enum operand op)
{
    return op == OP_BYTE || op == OP_BYTE_DOT ? 2 : op == OP_NIBBLE || op == OP_NIBBLE_DOT ? 4 : 1;
}
VEC int line_bytes(const enum operand op)
{
    return op == OP_F32 ? 2 * LINE_WORDS : LINE_WORDS;
}
VEC int64_t line_x_bytes(const enum operand op)
{
    return line_pairs(op) * (op_is_dot(op) ? 4 : 8);
}

/* Some pairs of k. */
struct span {
    int64_t pairs;      /* of k */
    int64_t ldx, panel; /* bytes from row to row, from panel to panel */
    int64_t step;       /* bytes from group to group of weights */
    const char *scale;  /* f16, of the first group; NULL: one chain through all pairs */
    int64_t scale_step; /* bytes from group to group */
    int64_t ldy;
    int accumulate;
};
typedef void span_fn(const struct span *s, const char *x, const char *w, float *y);

/* ---- 8-bit activations ---- */

/* A group of 32 of a row. start: -8 times the sum of q, whose quads are in the order of weights.h. */
struct act8 {
    float scale;
    int32_t start;
    int8_t q[GROUP];
};

/* Some groups of k. */
struct act8_span {
    int64_t groups;
    int64_t ldx;        /* bytes */
    int64_t head, step; /* bytes of a panel before its first group, from group to group */
    int64_t words;      /* bytes from a group to its first word: its scales, if it has any */
    int64_t ldy;
    int accumulate;
};
typedef void act8_fn(const struct act8_span *s, const char *x, const char *w, float *y);

#endif
