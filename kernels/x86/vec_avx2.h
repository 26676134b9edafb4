/* v16 on AVX2 and FMA: 16 lanes of 32 bits in two ymm. See vec_avx512.h, the same list of operations. */
#ifndef TERSE_KERNELS_X86_VEC_AVX2_H
#define TERSE_KERNELS_X86_VEC_AVX2_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define VEC static inline __attribute__((always_inline))

typedef struct {
    __m256 lo, hi;
} v16; /* floats */
typedef struct {
    __m256i lo, hi;
} v16u;           /* 32-bit words */
typedef v16 v16m; /* a condition a lane: all bits or none */
typedef struct {
    __m256d q[4];
} v16d; /* doubles */

#define V16_1(op, a)       ((v16){op((a).lo), op((a).hi)})
#define V16_2(op, a, b)    ((v16){op((a).lo, (b).lo), op((a).hi, (b).hi)})
#define V16_3(op, a, b, c) ((v16){op((a).lo, (b).lo, (c).lo), op((a).hi, (b).hi, (c).hi)})
#define V16U_2(op, a, b)   ((v16u){op((a).lo, (b).lo), op((a).hi, (b).hi)})
#define V16_CMP(a, b, how) ((v16m){_mm256_cmp_ps((a).lo, (b).lo, how), _mm256_cmp_ps((a).hi, (b).hi, how)})

/* ---- memory; n: lanes 0..n-1 are touched (n <= 16), the others load as zero ---- */
VEC v16u v16u_load(const void *p)
{
    return (v16u){_mm256_loadu_si256((const __m256i *)p), _mm256_loadu_si256((const __m256i *)p + 1)};
}
VEC void v16u_store(void *p, v16u x)
{
    _mm256_storeu_si256((__m256i *)p, x.lo);
    _mm256_storeu_si256((__m256i *)p + 1, x.hi);
}
/* All bits in lanes 0..n-1. */
VEC v16u v16_first(int n)
{
    static const int32_t window[32] = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
    return v16u_load(window + 16 - n);
}
VEC v16 v16_load(const float *p)
{
    return (v16){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
}
VEC void v16_store(float *p, v16 x)
{
    _mm256_storeu_ps(p, x.lo);
    _mm256_storeu_ps(p + 8, x.hi);
}
VEC v16 v16_load_n(const float *p, int n)
{
    if (n == 16) return v16_load(p);
    v16u m = v16_first(n);
    return (v16){_mm256_maskload_ps(p, m.lo), _mm256_maskload_ps(p + 8, m.hi)};
}
VEC void v16_store_n(float *p, int n, v16 x)
{
    if (n == 16) {
        v16_store(p, x);
        return;
    }
    v16u m = v16_first(n);
    _mm256_maskstore_ps(p, m.lo, x.lo);
    _mm256_maskstore_ps(p + 8, m.hi, x.hi);
}
/* 16 halfwords, zero-extended; and back, from the low halves (the high ones are zero) */
VEC v16u v16u_load_half_n(const uint16_t *p, int n)
{
    uint16_t h[16] = {0};
    if (n < 16) memcpy(h, p, (size_t)n * sizeof *h);
    const __m128i *q = (const __m128i *)(n < 16 ? h : p);
    return (v16u){_mm256_cvtepu16_epi32(_mm_loadu_si128(q)), _mm256_cvtepu16_epi32(_mm_loadu_si128(q + 1))};
}
VEC void v16u_store_half_n(uint16_t *p, int n, v16u x)
{
    uint16_t h[16];
    __m256i y = _mm256_permute4x64_epi64(_mm256_packus_epi32(x.lo, x.hi), 0xd8);
    _mm256_storeu_si256((__m256i *)(n < 16 ? h : p), y);
    if (n < 16) memcpy(p, h, (size_t)n * sizeof *h);
}

/* ---- floats ---- */
VEC v16 v16_zero(void)
{
    return (v16){_mm256_setzero_ps(), _mm256_setzero_ps()};
}
VEC v16 v16_all(float x)
{
    return (v16){_mm256_set1_ps(x), _mm256_set1_ps(x)};
}
VEC v16 v16_add(v16 a, v16 b)
{
    return V16_2(_mm256_add_ps, a, b);
}
VEC v16 v16_sub(v16 a, v16 b)
{
    return V16_2(_mm256_sub_ps, a, b);
}
VEC v16 v16_mul(v16 a, v16 b)
{
    return V16_2(_mm256_mul_ps, a, b);
}
VEC v16 v16_div(v16 a, v16 b)
{
    return V16_2(_mm256_div_ps, a, b);
}
VEC v16 v16_sqrt(v16 a)
{
    return V16_1(_mm256_sqrt_ps, a);
}
VEC v16 v16_fma(v16 a, v16 b, v16 c)
{
    return V16_3(_mm256_fmadd_ps, a, b, c);
}
VEC void v16_fma_into(v16 *c, v16 a, v16 b)
{
    __asm__("vfmadd231ps %2, %1, %0" : "+x"(c->lo) : "x"(a.lo), "x"(b.lo));
    __asm__("vfmadd231ps %2, %1, %0" : "+x"(c->hi) : "x"(a.hi), "x"(b.hi));
}
VEC v16 v16_larger(v16 a, v16 b)
{
    return V16_2(_mm256_max_ps, a, b);
} /* a > b ? a : b */
VEC v16 v16_neg(v16 a)
{
    return V16_2(_mm256_xor_ps, a, v16_all(-0.0f));
}

/* ---- words ---- */
VEC v16u v16_bits(v16 a)
{
    return (v16u){_mm256_castps_si256(a.lo), _mm256_castps_si256(a.hi)};
}
VEC v16 v16_from_bits(v16u a)
{
    return (v16){_mm256_castsi256_ps(a.lo), _mm256_castsi256_ps(a.hi)};
}
VEC v16u v16u_all(uint32_t x)
{
    return (v16u){_mm256_set1_epi32((int)x), _mm256_set1_epi32((int)x)};
}
VEC v16u v16u_all_at(const void *p)
{
    uint32_t x;
    memcpy(&x, p, sizeof x);
    return v16u_all(x);
}
VEC v16u v16u_add(v16u a, v16u b)
{
    return V16U_2(_mm256_add_epi32, a, b);
}
VEC v16u v16u_mul(v16u a, v16u b)
{
    return V16U_2(_mm256_mullo_epi32, a, b);
}
VEC v16u v16u_and(v16u a, v16u b)
{
    return V16U_2(_mm256_and_si256, a, b);
}
VEC v16u v16u_or(v16u a, v16u b)
{
    return V16U_2(_mm256_or_si256, a, b);
}
VEC v16u v16u_xor(v16u a, v16u b)
{
    return V16U_2(_mm256_xor_si256, a, b);
}
#define v16u_shl(a, n) ((v16u){_mm256_slli_epi32((a).lo, n), _mm256_slli_epi32((a).hi, n)})
#define v16u_shr(a, n) ((v16u){_mm256_srli_epi32((a).lo, n), _mm256_srli_epi32((a).hi, n)})
VEC v16u v16u_iota(void)
{
    return (v16u){_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_setr_epi32(8, 9, 10, 11, 12, 13, 14, 15)};
}

/* ---- conditions ---- */
VEC v16m v16_less(v16 a, v16 b)
{
    return V16_CMP(a, b, _CMP_LT_OQ);
}
VEC v16m v16_nan(v16 a)
{
    return V16_CMP(a, a, _CMP_UNORD_Q);
}
VEC v16m v16u_less(v16u a, v16u b) /* unsigned, by a signed comparison */
{
    v16u top = v16u_all(0x80000000u), x = v16u_xor(a, top), y = v16u_xor(b, top);
    return v16_from_bits(V16U_2(_mm256_cmpgt_epi32, y, x));
}
VEC v16m v16m_first(int n)
{
    return v16_from_bits(v16_first(n));
}
VEC v16 v16_select(v16m m, v16 yes, v16 no)
{
    return V16_3(_mm256_blendv_ps, no, yes, m);
}

/* *c = c + a[odd] b[odd], then + a[even] b[even], of pairs of bf16. */
VEC void v16_dot_into(v16 *c, v16u a, v16u b)
{
    v16u odd = v16u_all(0xffff0000);
    v16_fma_into(c, v16_from_bits(v16u_and(a, odd)), v16_from_bits(v16u_and(b, odd)));
    v16_fma_into(c, v16_from_bits(v16u_shl(a, 16)), v16_from_bits(v16u_shl(b, 16)));
}

/* ---- quantised weights (kernels/weights.h); i is a constant ---- */

/* 16 f16 values, exactly */
VEC v16 v16_load_f16(const void *p)
{
    const __m128i *q = (const __m128i *)p;
    return (v16){_mm256_cvtph_ps(_mm_loadu_si128(q)), _mm256_cvtph_ps(_mm_loadu_si128(q + 1))};
}
/* Bits `at`.. of each word, less `zero`: `mask` puts them below the exponent of a float whose last place they
 * are counted in. */
VEC v16 v16_field(v16u w, uint32_t mask, int at, float zero)
{
    float one = (float)(1 << (23 - at));
    uint32_t exponent = (uint32_t)(127 + 23 - at) << 23;
    v16 biased = v16_from_bits(v16u_or(v16u_and(w, v16u_all(mask << at)), v16u_all(exponent)));
    return v16_sub(biased, v16_all(one + zero));
}
/* nibble i of each word, less 8 */
VEC v16 v16_nibble(v16u w, int i)
{
    return v16_field(i < 4 ? w : v16u_shr(w, 16), 15, i % 4 * 4, 8);
}
/* byte i of each word, less 128 */
VEC v16 v16_byte(v16u w, int i)
{
    return v16_field(i < 2 ? w : v16u_shr(w, 16), 255, i % 2 * 8, 128);
}
/* nibbles i of both halves of each word, less 8, as a pair of bf16; i < 4 */
VEC v16u v16u_nibble_pair(v16u w, int i)
{
    v16u even = v16_bits(v16_nibble(w, i)), odd = v16_bits(v16_nibble(w, i + 4));
    return v16u_or(odd, v16u_shr(even, 16));
}

/* signed words as floats */
VEC v16 v16_from_ints(v16u x)
{
    return (v16){_mm256_cvtepi32_ps(x.lo), _mm256_cvtepi32_ps(x.hi)};
}
/* sum + a[0] b[0] + ... + a[3] b[3], bytes of each word, those of a unsigned and those of b signed: by
 * halfwords, since multiplying bytes saturates. */
VEC __m256i dot4_half(__m256i sum, __m256i a, __m256i b)
{
    __m256i a02 = _mm256_and_si256(a, _mm256_set1_epi32(0x00ff00ff)), a13 = _mm256_srli_epi16(a, 8);
    __m256i b02 = _mm256_srai_epi16(_mm256_slli_epi16(b, 8), 8), b13 = _mm256_srai_epi16(b, 8);
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(a02, b02));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(a13, b13));
}
VEC void v16u_dot4_into(v16u *c, v16u a, v16u b)
{
    *c = (v16u){dot4_half(c->lo, a.lo, b.lo), dot4_half(c->hi, a.hi, b.hi)};
}

/* ---- doubles ---- */
VEC v16d v16d_zero(void)
{
    __m256d z = _mm256_setzero_pd();
    return (v16d){{z, z, z, z}};
}
/* a + x^2, the square exact */
VEC v16d v16d_add_square(v16d a, v16 x)
{
    const __m128 part[4] = {_mm256_castps256_ps128(x.lo), _mm256_extractf128_ps(x.lo, 1),
                            _mm256_castps256_ps128(x.hi), _mm256_extractf128_ps(x.hi, 1)};
    for (int i = 0; i < 4; i++) {
        __m256d d = _mm256_cvtps_pd(part[i]);
        a.q[i] = _mm256_fmadd_pd(d, d, a.q[i]);
    }
    return a;
}
VEC void v16d_store(double *p, v16d a)
{
    for (int i = 0; i < 4; i++) _mm256_storeu_pd(p + 4 * i, a.q[i]);
}

/* ---- transposes from memory to memory; strides in bytes ---- */
static inline void transpose_8x8(const char *src, ptrdiff_t src_step, char *dst, ptrdiff_t dst_step)
{
    __m256 a[8], b[8];
    for (int i = 0; i < 8; i++) a[i] = _mm256_loadu_ps((const float *)(src + i * src_step));
    for (int i = 0; i < 8; i += 2) {
        b[i] = _mm256_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm256_unpackhi_ps(a[i], a[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) { /* now a[i + j] holds columns j and 4 + j of rows i..i+3 */
        a[i] = _mm256_shuffle_ps(b[i], b[i + 2], 0x44);
        a[i + 1] = _mm256_shuffle_ps(b[i], b[i + 2], 0xee);
        a[i + 2] = _mm256_shuffle_ps(b[i + 1], b[i + 3], 0x44);
        a[i + 3] = _mm256_shuffle_ps(b[i + 1], b[i + 3], 0xee);
    }
    for (int j = 0; j < 4; j++) {
        _mm256_storeu_ps((float *)(dst + j * dst_step), _mm256_permute2f128_ps(a[j], a[j + 4], 0x20));
        _mm256_storeu_ps((float *)(dst + (j + 4) * dst_step), _mm256_permute2f128_ps(a[j], a[j + 4], 0x31));
    }
}

/* 16 x 16 words. */
static inline void v16u_transpose(const char *src, ptrdiff_t src_step, char *dst, ptrdiff_t dst_step)
{
    for (int i = 0; i < 16; i += 8)
        for (int j = 0; j < 16; j += 8)
            transpose_8x8(src + i * src_step + j * 4, src_step, dst + j * dst_step + i * 4, dst_step);
}

static inline void transpose_4x4_halves(const char *src, ptrdiff_t src_step, char *dst, ptrdiff_t dst_step)
{
    __m256i a[4],
        swap =
            _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15));
    for (int i = 0; i < 4; i++)
        a[i] = _mm256_shuffle_epi8(_mm256_loadu_si256((const __m256i *)(src + i * src_step)), swap);
    for (int j = 0; j < 2; j++) {
        __m256i p = j ? _mm256_unpackhi_epi64(a[0], a[1]) : _mm256_unpacklo_epi64(a[0], a[1]);
        __m256i q = j ? _mm256_unpackhi_epi64(a[2], a[3]) : _mm256_unpacklo_epi64(a[2], a[3]);
        _mm256_storeu_si256((__m256i *)(dst + j * dst_step), _mm256_permute2x128_si256(p, q, 0x20));
        _mm256_storeu_si256((__m256i *)(dst + (j + 2) * dst_step), _mm256_permute2x128_si256(p, q, 0x31));
    }
}

/* 8 x 8 blocks of 2 x 2 halfwords; a block is 8 bytes, (a0 a1 b0 b1) and becomes (a0 b0 a1 b1). */
static inline void v16u_transpose_halves(const char *src, ptrdiff_t src_step, char *dst, ptrdiff_t dst_step)
{
    for (int i = 0; i < 8; i += 4)
        for (int j = 0; j < 8; j += 4)
            transpose_4x4_halves(src + i * src_step + j * 8, src_step, dst + j * dst_step + i * 8, dst_step);
}

#endif
