/* kernels/math.h on v16, operation by operation, and the loop over a vector with its tail. */
#ifndef TERSE_KERNELS_SIMD_MATH_H
#define TERSE_KERNELS_SIMD_MATH_H

#include "kernels/math.h"

/* Does `body` for i = 0, 16, 32 ... < n with c = 16 lanes, a constant, and for the rest with fewer. */
#define EACH16(n, i, c, body)                                                                                \
    do {                                                                                                     \
        int64_t i = 0;                                                                                       \
        for (; i + 16 <= (n); i += 16) {                                                                     \
            enum { c = 16 };                                                                                 \
            body;                                                                                            \
        }                                                                                                    \
        if (i < (n)) {                                                                                       \
            int c = (int)((n)-i);                                                                            \
            body;                                                                                            \
        }                                                                                                    \
    } while (0)

/* f32_to_bf16; the result is a float again, its low half zero. */
VEC v16 v16_round_bf16(v16 x)
{
    v16u u = v16_bits(x), odd = v16u_and(v16u_shr(u, 16), v16u_all(1));
    v16u near = v16u_add(u, v16u_add(odd, v16u_all(0x7fff))), quiet = v16u_or(u, v16u_all(0x00400000));
    v16 y = v16_select(v16_nan(x), v16_from_bits(quiet), v16_from_bits(near));
    return v16_from_bits(v16u_and(v16_bits(y), v16u_all(0xffff0000)));
}

VEC void v16_store_bf16_n(uint16_t *p, int n, v16 x)
{
    v16u_store_half_n(p, n, v16u_shr(v16_bits(v16_round_bf16(x)), 16));
}

VEC v16 v16_load_bf16_n(const uint16_t *p, int n)
{
    return v16_from_bits(v16u_shl(v16u_load_half_n(p, n), 16));
}

VEC v16 v16_exp(v16 x)
{
    v16 t = v16_fma(x, v16_all(EXP_LOG2E), v16_all(EXP_MAGIC)), n = v16_sub(t, v16_all(EXP_MAGIC));
    v16 r = v16_fma(n, v16_all(-EXP_LN2_H), x);
    r = v16_fma(n, v16_all(-EXP_LN2_L), r);
    v16 p = v16_fma(v16_all(EXP_C6), r, v16_all(EXP_C5));
    p = v16_fma(p, r, v16_all(EXP_C4));
    p = v16_fma(p, r, v16_all(EXP_C3));
    p = v16_fma(p, r, v16_all(EXP_C2));
    p = v16_fma(p, r, v16_all(EXP_C1));
    p = v16_add(v16_fma(p, v16_mul(r, r), r), v16_all(1.0f));
    p = v16_from_bits(v16u_add(v16_bits(p), v16u_shl(v16_bits(t), 23)));
    p = v16_select(v16_less(x, v16_all(EXP_LO)), v16_zero(), p);
    p = v16_select(v16_less(v16_all(EXP_HI), x), v16_all((float)INFINITY), p);
    return v16_select(v16_nan(x), x, p);
}

VEC v16 v16_sigmoid(v16 x)
{
    v16 one = v16_all(1.0f);
    return v16_div(one, v16_add(one, v16_exp(v16_neg(x))));
}

#endif
