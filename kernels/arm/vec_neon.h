/* v16 on Advanced SIMD: 16 lanes of 32 bits in four 128-bit registers. See kernels/x86/vec_avx512.h, the same
 * list of operations. Compiled with BF16 the dot is two instructions, else the same bits by two FMAs. */
#ifndef TERSE_KERNELS_ARM_VEC_NEON_H
#define TERSE_KERNELS_ARM_VEC_NEON_H

#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define VEC static inline __attribute__((always_inline))

typedef struct {
    float32x4_t a, b, c, d;
} v16; /* floats */
typedef struct {
    uint32x4_t a, b, c, d;
} v16u;            /* 32-bit words */
typedef v16u v16m; /* a condition a lane: all bits or none */
typedef struct {
    float64x2_t p[8];
} v16d; /* doubles */

#define V16_1(T, op, x)    ((T){op((x).a), op((x).b), op((x).c), op((x).d)})
#define V16_2(T, op, x, y) ((T){op((x).a, (y).a), op((x).b, (y).b), op((x).c, (y).c), op((x).d, (y).d)})
#define V16_3(T, op, x, y, z)                                                                                \
    ((T){op((x).a, (y).a, (z).a), op((x).b, (y).b, (z).b), op((x).c, (y).c, (z).c), op((x).d, (y).d, (z).d)})

/* ---- memory; n: lanes 0..n-1 are touched (n <= 16), the others load as zero ---- */
VEC v16 v16_load(const float *p)
{
    return (v16){vld1q_f32(p), vld1q_f32(p + 4), vld1q_f32(p + 8), vld1q_f32(p + 12)};
}
VEC void v16_store(float *p, v16 x)
{
    vst1q_f32(p, x.a);
    vst1q_f32(p + 4, x.b);
    vst1q_f32(p + 8, x.c);
    vst1q_f32(p + 12, x.d);
}
VEC v16 v16_load_n(const float *p, int n)
{
    if (n == 16) return v16_load(p);
    float x[16] = {0};
    memcpy(x, p, (size_t)n * sizeof *x);
    return v16_load(x);
}
VEC void v16_store_n(float *p, int n, v16 x)
{
    if (n == 16) {
        v16_store(p, x);
        return;
    }
    float y[16];
    v16_store(y, x);
    memcpy(p, y, (size_t)n * sizeof *y);
}
/* Words may lie anywhere: bytes are loaded, which is the same on a little-endian machine. */
VEC uint32x4_t word4_load(const void *p)
{
    return vreinterpretq_u32_u8(vld1q_u8(p));
}
VEC void word4_store(void *p, uint32x4_t x)
{
    vst1q_u8(p, vreinterpretq_u8_u32(x));
}
VEC v16u v16u_load(const void *p)
{
    const char *c = p;
    return (v16u){word4_load(c), word4_load(c + 16), word4_load(c + 32), word4_load(c + 48)};
}
VEC void v16u_store(void *p, v16u x)
{
    char *c = p;
    word4_store(c, x.a);
    word4_store(c + 16, x.b);
    word4_store(c + 32, x.c);
    word4_store(c + 48, x.d);
}
/* 16 halfwords, zero-extended; and back, from the low halves */
VEC v16u v16u_load_half_n(const uint16_t *p, int n)
{
    uint16_t h[16] = {0};
    if (n < 16) memcpy(h, p, (size_t)n * sizeof *h);
    const uint16_t *q = n < 16 ? h : p;
    uint16x8_t lo = vld1q_u16(q), hi = vld1q_u16(q + 8);
    return (v16u){vmovl_u16(vget_low_u16(lo)), vmovl_high_u16(lo), vmovl_u16(vget_low_u16(hi)),
                  vmovl_high_u16(hi)};
}
VEC void v16u_store_half_n(uint16_t *p, int n, v16u x)
{
    uint16_t h[16], *q = n < 16 ? h : p;
    vst1q_u16(q, vmovn_high_u32(vmovn_u32(x.a), x.b));
    vst1q_u16(q + 8, vmovn_high_u32(vmovn_u32(x.c), x.d));
    if (n < 16) memcpy(p, h, (size_t)n * sizeof *h);
}

/* ---- floats ---- */
VEC v16 v16_all(float x)
{
    float32x4_t y = vdupq_n_f32(x);
    return (v16){y, y, y, y};
}
VEC v16 v16_zero(void)
{
    return v16_all(0);
}
VEC v16 v16_add(v16 x, v16 y)
{
    return V16_2(v16, vaddq_f32, x, y);
}
VEC v16 v16_sub(v16 x, v16 y)
{
    return V16_2(v16, vsubq_f32, x, y);
}
VEC v16 v16_mul(v16 x, v16 y)
{
    return V16_2(v16, vmulq_f32, x, y);
}
VEC v16 v16_div(v16 x, v16 y)
{
    return V16_2(v16, vdivq_f32, x, y);
}
VEC v16 v16_sqrt(v16 x)
{
    return V16_1(v16, vsqrtq_f32, x);
}
VEC v16 v16_fma(v16 x, v16 y, v16 z) /* x y + z */
{
    return V16_3(v16, vfmaq_f32, z, x, y);
}
VEC void v16_fma_into(v16 *z, v16 x, v16 y)
{
    *z = v16_fma(x, y, *z);
}
VEC v16 v16_neg(v16 x)
{
    return V16_1(v16, vnegq_f32, x);
}

/* ---- words ---- */
VEC v16u v16_bits(v16 x)
{
    return V16_1(v16u, vreinterpretq_u32_f32, x);
}
VEC v16 v16_from_bits(v16u x)
{
    return V16_1(v16, vreinterpretq_f32_u32, x);
}
VEC v16u v16u_all(uint32_t x)
{
    uint32x4_t y = vdupq_n_u32(x);
    return (v16u){y, y, y, y};
}
VEC v16u v16u_all_at(const void *p)
{
    uint32_t x;
    memcpy(&x, p, sizeof x);
    return v16u_all(x);
}
VEC v16u v16u_add(v16u x, v16u y)
{
    return V16_2(v16u, vaddq_u32, x, y);
}
VEC v16u v16u_mul(v16u x, v16u y)
{
    return V16_2(v16u, vmulq_u32, x, y);
}
VEC v16u v16u_and(v16u x, v16u y)
{
    return V16_2(v16u, vandq_u32, x, y);
}
VEC v16u v16u_or(v16u x, v16u y)
{
    return V16_2(v16u, vorrq_u32, x, y);
}
VEC v16u v16u_xor(v16u x, v16u y)
{
    return V16_2(v16u, veorq_u32, x, y);
}
#define v16u_shl(x, n)                                                                                       \
    ((v16u){vshlq_n_u32((x).a, n), vshlq_n_u32((x).b, n), vshlq_n_u32((x).c, n), vshlq_n_u32((x).d, n)})
#define v16u_shr(x, n)                                                                                       \
    ((v16u){vshrq_n_u32((x).a, n), vshrq_n_u32((x).b, n), vshrq_n_u32((x).c, n), vshrq_n_u32((x).d, n)})
VEC v16u v16u_iota(void)
{
    static const uint32_t iota[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    return v16u_load(iota);
}

/* ---- conditions ---- */
VEC v16m v16_less(v16 x, v16 y)
{
    return V16_2(v16m, vcltq_f32, x, y);
}
VEC v16m v16_nan(v16 x)
{
    v16u same = V16_2(v16m, vceqq_f32, x, x);
    return V16_1(v16m, vmvnq_u32, same);
}
VEC v16m v16u_less(v16u x, v16u y)
{
    return V16_2(v16m, vcltq_u32, x, y);
}
VEC v16m v16m_first(int n)
{
    return v16u_less(v16u_iota(), v16u_all((uint32_t)n));
}
VEC v16 v16_select(v16m m, v16 yes, v16 no)
{
    return V16_3(v16, vbslq_f32, m, yes, no);
}
VEC v16 v16_larger(v16 x, v16 y) /* x > y ? x : y */
{
    return v16_select(v16_less(y, x), x, y);
}

/* *z = z + x[odd] y[odd], then + x[even] y[even], of pairs of bf16. BFMLALT and BFMLALB are fused and obey
 * the floating-point mode; BFDOT and BFMMLA round otherwise. */
VEC float32x4_t odd4(uint32x4_t x)
{
    return vreinterpretq_f32_u32(vandq_u32(x, vdupq_n_u32(0xffff0000)));
}
VEC float32x4_t even4(uint32x4_t x)
{
    return vreinterpretq_f32_u32(vshlq_n_u32(x, 16));
}
VEC uint32x4_t pair4(float32x4_t even, float32x4_t odd) /* of values that bf16 holds */
{
    return vreinterpretq_u32_u16(vtrn2q_u16(vreinterpretq_u16_f32(even), vreinterpretq_u16_f32(odd)));
}
VEC float32x4_t dot4(float32x4_t z, uint32x4_t x, uint32x4_t y)
{
#if defined(__ARM_FEATURE_BF16_VECTOR_ARITHMETIC)
    bfloat16x8_t p = vreinterpretq_bf16_u32(x), q = vreinterpretq_bf16_u32(y);
    return vbfmlalbq_f32(vbfmlaltq_f32(z, p, q), p, q);
#else
    return vfmaq_f32(vfmaq_f32(z, odd4(x), odd4(y)), even4(x), even4(y));
#endif
}
VEC void v16_dot_into(v16 *z, v16u x, v16u y)
{
    *z = V16_3(v16, dot4, *z, x, y);
}

/* ---- words of quantised weights (kernels/weights.h) ---- */

/* 4 halves as floats */
VEC float32x4_t half4_load(const void *p)
{
    return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p)));
}
VEC v16 v16_load_f16(const void *p)
{
    const char *c = p;
    return (v16){half4_load(c), half4_load(c + 8), half4_load(c + 16), half4_load(c + 24)};
}
/* byte i of each word, less 128: its halfword under the exponent at which the byte's lowest bit is 1 */
VEC float32x4_t byte4(uint32x4_t w, int i)
{
    uint16x8_t h = vreinterpretq_u16_u32(w), mask = vdupq_n_u16(i % 2 ? 0xff00 : 0xff);
    __asm__("" : "+w"(mask)); /* or BIC with a constant, which needs a copy, would take AND's place */
    h = vandq_u16(h, mask);
    uint16x8_t top = vdupq_n_u16(i % 2 ? 0x4700 : 0x4b00);
    float32x4_t zero = vdupq_n_f32((i % 2 ? 32768.0f : 8388608.0f) + 128);
    return vsubq_f32(vreinterpretq_f32_u16(i < 2 ? vtrn1q_u16(h, top) : vtrn2q_u16(h, top)), zero);
}
#define BYTE(x) byte4(x, i)
VEC v16 v16_byte(v16u w, int i)
{
    return V16_1(v16, BYTE, w);
}
/* Both bytes of 0..15, less 8, as bf16. */
static const uint8_t nibble_low[16] = {0x00, 0xe0, 0xc0, 0xa0, 0x80, 0x40, 0x00, 0x80,
                                       0x00, 0x80, 0x00, 0x40, 0x80, 0xa0, 0xc0, 0xe0};
static const uint8_t nibble_high[16] = {0xc1, 0xc0, 0xc0, 0xc0, 0xc0, 0xc0, 0xc0, 0xbf,
                                        0x00, 0x3f, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40};
/* The nibbles of one parity. */
VEC uint8x16_t nibbles16(uint32x4_t w, int odd)
{
    uint8x16_t b = vreinterpretq_u8_u32(w);
    return odd ? vshrq_n_u8(b, 4) : vandq_u8(b, vdupq_n_u8(15));
}
/* nibbles i of both halves of each word, less 8, as a pair of bf16; i < 4 */
VEC uint32x4_t nibble_pair4(uint32x4_t w, int i)
{
    uint8x16_t b = nibbles16(w, i % 2);
    uint8x16_t l = vqtbl1q_u8(vld1q_u8(nibble_low), b), h = vqtbl1q_u8(vld1q_u8(nibble_high), b);
    return vreinterpretq_u32_u8(i < 2 ? vtrn1q_u8(l, h) : vtrn2q_u8(l, h));
}
/* The nibbles of one parity, less 8, as floats: out[i] has those of the words' bytes i. The bf16's bytes are
 * a table too, past whose end there are zeros. Written out because gcc 12 copies pairs of registers. */
VEC void nibble_floats(uint32x4_t w, int odd, float32x4_t *out)
{
#define LANE(i, lane) 32, 32, 4 * lane + i, 16 + 4 * lane + i
#define LANES(i)                                                                                             \
    {                                                                                                        \
        LANE(i, 0), LANE(i, 1), LANE(i, 2), LANE(i, 3)                                                       \
    }
    static const uint8_t order[4][16] = {LANES(0), LANES(1), LANES(2), LANES(3)};
#undef LANES
#undef LANE
    __asm__("tbl v30.16b, {%4.16b}, %6.16b\n\t"
            "tbl v31.16b, {%5.16b}, %6.16b\n\t"
            "tbl %0.16b, {v30.16b, v31.16b}, %7.16b\n\t"
            "tbl %1.16b, {v30.16b, v31.16b}, %8.16b\n\t"
            "tbl %2.16b, {v30.16b, v31.16b}, %9.16b\n\t"
            "tbl %3.16b, {v30.16b, v31.16b}, %10.16b"
            : "=&w"(out[0]), "=&w"(out[1]), "=&w"(out[2]), "=&w"(out[3])
            : "w"(vld1q_u8(nibble_low)), "w"(vld1q_u8(nibble_high)), "w"(nibbles16(w, odd)),
              "w"(vld1q_u8(order[0])), "w"(vld1q_u8(order[1])), "w"(vld1q_u8(order[2])),
              "w"(vld1q_u8(order[3]))
            : "v30", "v31");
}
#define NIBBLE_PAIR(x) nibble_pair4(x, i)
VEC v16u v16u_nibble_pair(v16u w, int i)
{
    return V16_1(v16u, NIBBLE_PAIR, w);
}
/* nibble i of each word, less 8 */
VEC v16 v16_nibble(v16u w, int i)
{
    v16u pair = v16u_nibble_pair(w, i % 4);
    return i < 4 ? V16_1(v16, even4, pair) : V16_1(v16, odd4, pair);
}

/* signed words as floats */
VEC float32x4_t ints4(uint32x4_t x)
{
    return vcvtq_f32_s32(vreinterpretq_s32_u32(x));
}
VEC v16 v16_from_ints(v16u x)
{
    return V16_1(v16, ints4, x);
}
/* *c += a[0] b[0] + ... + a[3] b[3], bytes of each word, those of a unsigned and those of b signed: by
 * halfwords, which hold a product. */
VEC uint32x4_t dot4_bytes(uint32x4_t sum, uint32x4_t a, uint32x4_t b)
{
    int16x8_t x = vreinterpretq_s16_u32(a), y = vreinterpretq_s16_u32(b), low = vdupq_n_s16(255);
    int16x8_t x0 = vandq_s16(x, low), x1 = vreinterpretq_s16_u16(vshrq_n_u16(vreinterpretq_u16_u32(a), 8));
    int16x8_t y0 = vshrq_n_s16(vshlq_n_s16(y, 8), 8), y1 = vshrq_n_s16(y, 8);
    int32x4_t s = vpadalq_s16(vreinterpretq_s32_u32(sum), vmulq_s16(x0, y0));
    return vreinterpretq_u32_s32(vpadalq_s16(s, vmulq_s16(x1, y1)));
}
VEC void v16u_dot4_into(v16u *c, v16u a, v16u b)
{
    *c = V16_3(v16u, dot4_bytes, *c, a, b);
}

/* ---- doubles ---- */
VEC v16d v16d_zero(void)
{
    float64x2_t z = vdupq_n_f64(0);
    return (v16d){{z, z, z, z, z, z, z, z}};
}
/* a + x^2, the square exact */
VEC v16d v16d_add_square(v16d a, v16 x)
{
    const float32x4_t q[4] = {x.a, x.b, x.c, x.d};
    for (int i = 0; i < 4; i++) {
        float64x2_t lo = vcvt_f64_f32(vget_low_f32(q[i])), hi = vcvt_high_f64_f32(q[i]);
        a.p[2 * i] = vfmaq_f64(a.p[2 * i], lo, lo);
        a.p[2 * i + 1] = vfmaq_f64(a.p[2 * i + 1], hi, hi);
    }
    return a;
}
VEC void v16d_store(double *p, v16d a)
{
    for (int i = 0; i < 8; i++) vst1q_f64(p + 2 * i, a.p[i]);
}

/* ---- transposes from memory to memory; strides in bytes ---- */
static inline void transpose_4x4(const char *src, ptrdiff_t src_step, char *dst, ptrdiff_t dst_step)
{
    uint32x4_t a[4];
    for (int i = 0; i < 4; i++) a[i] = word4_load(src + i * src_step);
    for (int j = 0; j < 2; j++) { /* columns j and 2 + j */
        uint32x4_t p = j ? vtrn2q_u32(a[0], a[1]) : vtrn1q_u32(a[0], a[1]);
        uint32x4_t q = j ? vtrn2q_u32(a[2], a[3]) : vtrn1q_u32(a[2], a[3]);
        uint64x2_t r = vreinterpretq_u64_u32(p), s = vreinterpretq_u64_u32(q);
        word4_store(dst + j * dst_step, vreinterpretq_u32_u64(vtrn1q_u64(r, s)));
        word4_store(dst + (j + 2) * dst_step, vreinterpretq_u32_u64(vtrn2q_u64(r, s)));
    }
}

/* 16 x 16 words. */
static inline void v16u_transpose(const char *src, ptrdiff_t src_step, char *dst, ptrdiff_t dst_step)
{
    for (int i = 0; i < 16; i += 4)
        for (int j = 0; j < 16; j += 4)
            transpose_4x4(src + i * src_step + j * 4, src_step, dst + j * dst_step + i * 4, dst_step);
}

/* 2 x 2 blocks of 2 x 2 halfwords: each row of 16 bytes is two blocks' rows (a0 a1 b0 b1 c0 c1 d0 d1). */
static inline void transpose_2x2_halves(const char *src, ptrdiff_t src_step, char *dst, ptrdiff_t dst_step)
{
    static const uint8_t order[16] = {0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15};
    uint8x16_t swap = vld1q_u8(order);
    uint64x2_t r = vreinterpretq_u64_u8(vqtbl1q_u8(vld1q_u8((const uint8_t *)src), swap));
    uint64x2_t s = vreinterpretq_u64_u8(vqtbl1q_u8(vld1q_u8((const uint8_t *)src + src_step), swap));
    word4_store(dst, vreinterpretq_u32_u64(vtrn1q_u64(r, s)));
    word4_store(dst + dst_step, vreinterpretq_u32_u64(vtrn2q_u64(r, s)));
}

/* 8 x 8 blocks of 2 x 2 halfwords; a block is 8 bytes, (a0 a1 b0 b1) and becomes (a0 b0 a1 b1). */
static inline void v16u_transpose_halves(const char *src, ptrdiff_t src_step, char *dst, ptrdiff_t dst_step)
{
    for (int i = 0; i < 8; i += 2)
        for (int j = 0; j < 8; j += 2)
            transpose_2x2_halves(src + i * src_step + j * 8, src_step, dst + j * dst_step + i * 8, dst_step);
}

#endif
