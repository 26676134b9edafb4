/* Types of weights and how they lie in memory.
 *
 * A panel holds 32 output rows of a weight matrix, interleaved so that one vector lane is one output row. A
 * matrix [N][K] is ceil(N/32) panels of panel_bytes(type, K) bytes, one after the other; rows past N are
 * zero.
 *
 *   WT_F32   [K][32] floats, an odd K padded by zeros to even
 *   WT_BF16  [K/2][32][2]: a k-pair of a lane is one 32-bit operand; an odd K is padded by zeros
 *   WT_Q8_0  K/32 groups of { scale[32] f16; byte [8][32][4] }                          1088 bytes
 *   WT_Q4_0  K/32 groups of { scale[32] f16; word [4][32] }, a word holding 8 nibbles    576 bytes
 *   WT_W4    scale[32] fp32, then K/32 groups of word [4][32] as in WT_Q4_0
 *   WT_I8    byte [ceil(K/4)][32][4], no scales: whoever multiplies knows them (8-bit keys and values)
 *
 * Q8_0, Q4_0 and W4 take K in multiples of 32. A weight is scale * q. A byte is q + 128, a nibble q + 8:
 * stored unsigned, so that zero is 0x80 and 0x8. The four k of a quad of bytes stand in the order 0 2 1 3,
 * the eight k of a word of nibbles, least significant first, in the order 0 4 2 6 1 5 3 7. So both halfwords
 * of a word, at the same shift, hold a k-pair (for the bf16 product), and its nibbles of one parity are a
 * quad (for the 8-bit product). Scales are GGUF's f16, which fp32 holds exactly. */
#ifndef TERSE_KERNELS_WEIGHTS_H
#define TERSE_KERNELS_WEIGHTS_H

#include <stddef.h>
#include <stdint.h>

enum weight_type { WT_F32, WT_BF16, WT_Q8_0, WT_Q4_0, WT_W4, WT_I8, WT_COUNT };

enum { PANEL = 32, GROUP = 32 };

/* Bytes of a group of a panel: scales first. */
enum {
    SCALE_BYTES = 2 * PANEL,
    BYTES_BYTES = GROUP * PANEL,       /* of 8-bit weights */
    NIBBLES_BYTES = GROUP * PANEL / 2, /* of 4-bit weights */
    Q8_GROUP_BYTES = SCALE_BYTES + BYTES_BYTES,
    Q4_GROUP_BYTES = SCALE_BYTES + NIBBLES_BYTES,
    W4_HEAD_BYTES = 4 * PANEL /* a panel's scales */
};

/* Weights with scales: they take bf16 activations, and K in whole groups. */
static inline int weight_quantised(enum weight_type t)
{
    return t == WT_Q8_0 || t == WT_Q4_0 || t == WT_W4;
}

/* The plain type whose activations a weight takes, and in which its transpose comes. */
static inline enum weight_type weight_plain(enum weight_type t)
{
    return t == WT_F32 ? WT_F32 : WT_BF16;
}

static inline int64_t pad_even(int64_t k)
{
    return (k + 1) & ~(int64_t)1;
}
/* Values of a panel of F32 or BF16. */
static inline int64_t panel_elems(int64_t k)
{
    return pad_even(k) * PANEL;
}
static inline int64_t panel_count(int64_t n)
{
    return (n + PANEL - 1) / PANEL;
}

/* Bytes of one value of WT_F32 or WT_BF16. */
static inline size_t value_bytes(enum weight_type t)
{
    return t == WT_F32 ? 4 : 2;
}

/* Bytes of one panel of a matrix with k columns. */
static inline size_t panel_bytes(enum weight_type t, int64_t k)
{
    size_t groups = (size_t)(k / GROUP);
    switch (t) {
    case WT_Q8_0:
        return groups * Q8_GROUP_BYTES;
    case WT_Q4_0:
        return groups * Q4_GROUP_BYTES;
    case WT_W4:
        return W4_HEAD_BYTES + groups * NIBBLES_BYTES;
    case WT_I8:
        return (size_t)((k + 3) / 4 * 4) * PANEL;
    default:
        return (size_t)panel_elems(k) * value_bytes(t);
    }
}
/* Bytes of a matrix [n][k]. */
static inline size_t weight_size(enum weight_type t, int64_t n, int64_t k)
{
    return (size_t)panel_count(n) * panel_bytes(t, k);
}

/* Where the i-th of four k stands in a quad. Its own inverse. */
static inline int64_t quad_place(int64_t i)
{
    return (i >> 1 | i << 1) & 3;
}

/* Index in its panel of column k of row `lane` (0..31), in values: F32, BF16, I8. */
static inline int64_t panel_index(enum weight_type t, int64_t lane, int64_t k)
{
    if (t == WT_F32) return k * PANEL + lane;
    if (t == WT_I8) return (k / 4 * PANEL + lane) * 4 + quad_place(k % 4);
    return (k / 2 * PANEL + lane) * 2 + k % 2;
}

#endif
