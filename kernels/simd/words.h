/* Words of quantised weights (kernels/weights.h) on v16: a word holds 4 bytes or 8 nibbles of its lane's row.
 */
#ifndef TERSE_KERNELS_SIMD_WORDS_H
#define TERSE_KERNELS_SIMD_WORDS_H

#include "kernels/weights.h"

enum { LINE_WORDS = 4 * PANEL }; /* bytes of a line: a word of each lane */

/* The place of the i-th k in a word; folded to a constant. */
VEC int byte_place(int i)
{
    return (i >> 1 | i << 1) & 3;
}
VEC int nibble_place(int i)
{
    return byte_place(i & 3) * 2 + i / 4;
}

/* The i-th k of words of 8 or 4 bits a value, as integers in fp32. */
VEC v16 word_value(const int bits, v16u word, int i)
{
    return bits == 8 ? v16_byte(word, byte_place(i)) : v16_nibble(word, nibble_place(i));
}

/* The i-th k-pair, as bf16. */
VEC v16u word_pair(const int bits, v16u word, int i)
{
    if (bits == 4) return v16u_nibble_pair(word, nibble_place(2 * i));
    v16u even = v16_bits(word_value(bits, word, 2 * i)), odd = v16_bits(word_value(bits, word, 2 * i + 1));
    return v16u_or(odd, v16u_shr(even, 16));
}

#endif
