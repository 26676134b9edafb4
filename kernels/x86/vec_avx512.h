/* v16 on AVX-512: 16 lanes of 32 bits in one zmm. The abstraction that simd/ is written on; vec_avx2.h is the
 * same list of operations. Every arithmetic operation is the IEEE one, rounded once. */
#ifndef TERSE_KERNELS_X86_VEC_AVX512_H
#define TERSE_KERNELS_X86_VEC_AVX512_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define VEC static inline __attribute__((always_inline))

typedef __m512 v16;     /* floats */
typedef __m512i v16u;   /* 32-bit words */
typedef __mmask16 v16m; /* a condition a lane */
typedef struct {
    __m512d lo, hi;
} v16d; /* doubles */

/* ---- memory; n: lanes 0..n-1 are touched (n <= 16), the others load as zero ---- */
VEC __mmask16 v16_first(int n)
{
    return (__mmask16)((1u << n) - 1);
}
VEC v16 v16_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
VEC void v16_store(float *p, v16 x)
{
    _mm512_storeu_ps(p, x);
}
VEC v16 v16_load_n(const float *p, int n)
{
    return n == 16 ? v16_load(p) : _mm512_maskz_loadu_ps(v16_first(n), p);
}
VEC void v16_store_n(float *p, int n, v16 x)
{
    if (n == 16)
        v16_store(p, x);
    else
        _mm512_mask_storeu_ps(p, v16_first(n), x);
}
VEC v16u v16u_load(const void *p)
{
    return _mm512_loadu_si512(p);
}
VEC void v16u_store(void *p, v16u x)
{
    _mm512_storeu_si512(p, x);
}
/* 16 halfwords, zero-extended; and back, from the low halves */
VEC v16u v16u_load_half_n(const uint16_t *p, int n)
{
    if (n == 16) return _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
    return _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(v16_first(n), p));
}
VEC void v16u_store_half_n(uint16_t *p, int n, v16u x)
{
    if (n == 16)
        _mm256_storeu_si256((__m256i *)p, _mm512_cvtepi32_epi16(x));
    else
        _mm512_mask_cvtepi32_storeu_epi16(p, v16_first(n), x);
}

/* ---- floats ---- */
VEC v16 v16_zero(void)
{
    return _mm512_setzero_ps();
}
VEC v16 v16_all(float x)
{
    return _mm512_set1_ps(x);
}
VEC v16 v16_add(v16 a, v16 b)
{
    return _mm512_add_ps(a, b);
}
VEC v16 v16_sub(v16 a, v16 b)
{
    return _mm512_sub_ps(a, b);
}
VEC v16 v16_mul(v16 a, v16 b)
{
    return _mm512_mul_ps(a, b);
}
VEC v16 v16_div(v16 a, v16 b)
{
    return _mm512_div_ps(a, b);
}
VEC v16 v16_sqrt(v16 a)
{
    return _mm512_sqrt_ps(a);
}
VEC v16 v16_fma(v16 a, v16 b, v16 c)
{
    return _mm512_fmadd_ps(a, b, c);
}
/* *c += a b. Written out because compilers like to keep the sum in a factor's register and then run out of
 * them. */
VEC void v16_fma_into(v16 *c, v16 a, v16 b)
{
    __asm__("vfmadd231ps %2, %1, %0" : "+v"(*c) : "v"(a), "v"(b));
}
/* *c = c + a[odd] b[odd], then + a[even] b[even], of pairs of bf16. */
VEC void v16_dot_into(v16 *c, v16u a, v16u b)
{
#if defined(__AVX512BF16__)
    __asm__("vdpbf16ps %2, %1, %0" : "+v"(*c) : "v"(a), "v"(b));
#else
    v16u high = _mm512_set1_epi32((int)0xffff0000);
    v16_fma_into(c, _mm512_castsi512_ps(_mm512_and_si512(a, high)),
                 _mm512_castsi512_ps(_mm512_and_si512(b, high)));
    v16_fma_into(c, _mm512_castsi512_ps(_mm512_slli_epi32(a, 16)),
                 _mm512_castsi512_ps(_mm512_slli_epi32(b, 16)));
#endif
}
VEC v16 v16_larger(v16 a, v16 b)
{
    return _mm512_max_ps(a, b);
} /* a > b ? a : b */
VEC v16 v16_neg(v16 a)
{
    return _mm512_xor_ps(a, _mm512_set1_ps(-0.0f));
}

/* ---- conditions ---- */
VEC v16m v16_less(v16 a, v16 b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}
VEC v16m v16_nan(v16 a)
{
    return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q);
}
VEC v16m v16u_less(v16u a, v16u b)
{
    return _mm512_cmplt_epu32_mask(a, b);
}
VEC v16m v16m_first(int n)
{
    return v16_first(n);
}
VEC v16 v16_select(v16m m, v16 yes, v16 no)
{
    return _mm512_mask_blend_ps(m, no, yes);
}

/* ---- words ---- */
VEC v16u v16_bits(v16 a)
{
    return _mm512_castps_si512(a);
}
VEC v16 v16_from_bits(v16u a)
{
    return _mm512_castsi512_ps(a);
}
VEC v16u v16u_all(uint32_t x)
{
    return _mm512_set1_epi32((int)x);
}
VEC v16u v16u_all_at(const void *p)
{
    uint32_t x;
    memcpy(&x, p, sizeof x);
    return v16u_all(x);
}
VEC v16u v16u_add(v16u a, v16u b)
{
    return _mm512_add_epi32(a, b);
}
VEC v16u v16u_mul(v16u a, v16u b)
{
    return _mm512_mullo_epi32(a, b);
}
VEC v16u v16u_and(v16u a, v16u b)
{
    return _mm512_and_si512(a, b);
}
VEC v16u v16u_or(v16u a, v16u b)
{
    return _mm512_or_si512(a, b);
}
VEC v16u v16u_xor(v16u a, v16u b)
{
    return _mm512_xor_si512(a, b);
}
#define v16u_shl(a, n) _mm512_slli_epi32(a, n)
#define v16u_shr(a, n) _mm512_srli_epi32(a, n)
VEC v16u v16u_iota(void)
{
    return _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

/* ---- quantised weights (kernels/weights.h); i is a constant ---- */

/* 16 f16 values, exactly */
VEC v16 v16_load_f16(const void *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}
/* nibble i of each word, less 8: looked up, the index's high bits do not count */
VEC v16 v16_nibble(v16u w, int i)
{
    v16 table = _mm512_setr_ps(-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7);
    return _mm512_permutexvar_ps(i ? _mm512_srli_epi32(w, (unsigned)(4 * i)) : w, table);
}
/* byte i of each word, less 128: put below the exponent of a float whose last place it is counted in */
VEC v16 v16_byte(v16u w, int i)
{
    v16u half = i < 2 ? w : v16u_shr(w, 16);
    v16u mask = v16u_all(i % 2 ? 0xff00 : 0xff), exponent = v16u_all(i % 2 ? 0x47000000 : 0x4b000000);
    v16 biased = v16_from_bits(_mm512_ternarylogic_epi32(half, mask, exponent, 0xea));
    return v16_sub(biased, v16_all(i % 2 ? 0x1p15f + 128 : 0x1p23f + 128));
}
/* nibbles i of both halves of each word, less 8, as a pair of bf16; i < 4 */
VEC v16u v16u_nibble_pair(v16u w, int i)
{
    v16u table = _mm512_broadcast_i64x4(_mm256_setr_epi16(
        (short)0xc100, (short)0xc0e0, (short)0xc0c0, (short)0xc0a0, (short)0xc080, (short)0xc040,
        (short)0xc000, (short)0xbf80, 0, 0x3f80, 0x4000, 0x4040, 0x4080, 0x40a0, 0x40c0, 0x40e0));
    return _mm512_permutexvar_epi16(i ? _mm512_srli_epi16(w, (unsigned)(4 * i)) : w, table);
}

/* Across the lanes: the largest, none being a NaN; the sum; the low bytes, in a word's order (words.h). */
#define V16_ACROSS
VEC float v16_most(v16 x)
{
    return _mm512_reduce_max_ps(x);
}
VEC uint32_t v16u_sum(v16u x)
{
    return (uint32_t)_mm512_reduce_add_epi32(x);
}
VEC void v16u_store_bytes(void *p, v16u x)
{
    const __m128i order = _mm_setr_epi8(0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15);
    _mm_storeu_si128((__m128i *)p, _mm_shuffle_epi8(_mm512_cvtepi32_epi8(x), order));
}

/* signed words as floats */
VEC v16 v16_from_ints(v16u x)
{
    return _mm512_cvtepi32_ps(x);
}
/* *c += a[0] b[0] + ... + a[3] b[3], bytes of each word, those of a unsigned and those of b signed */
#if defined(__AVX512VNNI__)
VEC void v16u_dot4_into(v16u *c, v16u a, v16u b)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(*c) : "v"(a), "v"(b));
}
#endif

/* ---- doubles ---- */
VEC v16d v16d_zero(void)
{
    return (v16d){_mm512_setzero_pd(), _mm512_setzero_pd()};
}
/* a + x^2, the square exact */
VEC v16d v16d_add_square(v16d a, v16 x)
{
    __m512d lo = _mm512_cvtps_pd(_mm512_castps512_ps256(x)),
            hi = _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1));
    return (v16d){_mm512_fmadd_pd(lo, lo, a.lo), _mm512_fmadd_pd(hi, hi, a.hi)};
}
VEC void v16d_store(double *p, v16d a)
{
    _mm512_storeu_pd(p, a.lo);
    _mm512_storeu_pd(p + 8, a.hi);
}

/* ---- transposes from memory to memory; strides in bytes ---- */

/* 16 x 16 words. */
VEC void v16u_transpose(const char *src, ptrdiff_t src_step, char *dst, ptrdiff_t dst_step)
{
    __m512i a[16], b[16];
    for (int i = 0; i < 16; i++) a[i] = v16u_load(src + i * src_step);
    for (int i = 0; i < 16; i += 2) {
        b[i] = _mm512_unpacklo_epi32(a[i], a[i + 1]);
        b[i + 1] = _mm512_unpackhi_epi32(a[i], a[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) { /* now a[i + j] holds column 4q + j of rows i..i+3 in quarter q */
        a[i] = _mm512_unpacklo_epi64(b[i], b[i + 2]);
        a[i + 1] = _mm512_unpackhi_epi64(b[i], b[i + 2]);
        a[i + 2] = _mm512_unpacklo_epi64(b[i + 1], b[i + 3]);
        a[i + 3] = _mm512_unpackhi_epi64(b[i + 1], b[i + 3]);
    }
    for (int j = 0; j < 4; j++) { /* 4 x 4 quarters */
        __m512i p = _mm512_shuffle_i32x4(a[j], a[j + 4], 0x88),
                q = _mm512_shuffle_i32x4(a[j + 8], a[j + 12], 0x88);
        __m512i r = _mm512_shuffle_i32x4(a[j], a[j + 4], 0xdd),
                s = _mm512_shuffle_i32x4(a[j + 8], a[j + 12], 0xdd);
        v16u_store(dst + j * dst_step, _mm512_shuffle_i32x4(p, q, 0x88));
        v16u_store(dst + (j + 4) * dst_step, _mm512_shuffle_i32x4(r, s, 0x88));
        v16u_store(dst + (j + 8) * dst_step, _mm512_shuffle_i32x4(p, q, 0xdd));
        v16u_store(dst + (j + 12) * dst_step, _mm512_shuffle_i32x4(r, s, 0xdd));
    }
}

/* 8 x 8 blocks of 2 x 2 halfwords; a block is 8 bytes, (a0 a1 b0 b1) and becomes (a0 b0 a1 b1). */
VEC void v16u_transpose_halves(const char *src, ptrdiff_t src_step, char *dst, ptrdiff_t dst_step)
{
    __m512i swap =
        _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15));
    __m512i a[8];
    for (int i = 0; i < 8; i++) a[i] = _mm512_shuffle_epi8(v16u_load(src + i * src_step), swap);
    for (int j = 0; j < 2; j++) { /* odd columns from the high halves */
        __m512i b[4];
        for (int i = 0; i < 4; i++)
            b[i] = j ? _mm512_unpackhi_epi64(a[2 * i], a[2 * i + 1])
                     : _mm512_unpacklo_epi64(a[2 * i], a[2 * i + 1]);
        __m512i p = _mm512_shuffle_i32x4(b[0], b[1], 0x88), q = _mm512_shuffle_i32x4(b[2], b[3], 0x88);
        __m512i r = _mm512_shuffle_i32x4(b[0], b[1], 0xdd), s = _mm512_shuffle_i32x4(b[2], b[3], 0xdd);
        v16u_store(dst + j * dst_step, _mm512_shuffle_i32x4(p, q, 0x88));
        v16u_store(dst + (j + 2) * dst_step, _mm512_shuffle_i32x4(r, s, 0x88));
        v16u_store(dst + (j + 4) * dst_step, _mm512_shuffle_i32x4(p, q, 0xdd));
        v16u_store(dst + (j + 6) * dst_step, _mm512_shuffle_i32x4(r, s, 0xdd));
    }
}

#endif
