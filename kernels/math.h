/* Our own elementary functions: the same bits everywhere, whatever the C library.
 * The float versions are the specification of the vector ones, operation by operation. */
#ifndef TERSE_KERNELS_MATH_H
#define TERSE_KERNELS_MATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

static inline uint32_t f32_bits(float x)
{
    uint32_t u;
    memcpy(&u, &x, 4);
    return u;
}

static inline float f32_from_bits(uint32_t u)
{
    float x;
    memcpy(&x, &u, 4);
    return x;
}

static inline float bf16_to_f32(uint16_t b)
{
    return f32_from_bits((uint32_t)b << 16);
}

/* IEEE half precision, exactly; subnormals, infinities and NaN included. */
static inline float f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 0x3ff;
    if (exponent == 0) return (sign ? -1 : 1) * ((float)fraction * 0x1p-24f);
    if (exponent == 31) return f32_from_bits(sign | 0x7f800000 | fraction << 13);
    return f32_from_bits(sign | (exponent + 112) << 23 | fraction << 13);
}

/* Round to nearest even; NaN stays NaN. */
static inline uint16_t f32_to_f16(float x)
{
    uint32_t u = f32_bits(x), sign = u >> 16 & 0x8000, e = u >> 23 & 255, f = u & 0x7fffff;
    if (e == 255) return (uint16_t)(sign | 0x7c00 | (f ? 0x200 : 0));
    if (e > 142) return (uint16_t)(sign | 0x7c00);
    if (e < 102) return (uint16_t)sign;
    /* bits to drop, and what is kept: a subnormal's leading one is explicit, a normal's carries into e */
    uint32_t drop = e < 113 ? 126 - e : 13, all = e < 113 ? f | 0x800000 : f | (e - 112) << 23;
    uint32_t kept = all >> drop, rest = all & ((1u << drop) - 1), half = 1u << (drop - 1);
    return (uint16_t)(sign | (kept + (rest > half || (rest == half && (kept & 1)))));
}

/* To an integer, halves to even, within -limit..limit; NaN becomes -limit. */
static inline float round_even(float x, float limit)
{
    x += 0.0f; /* or clang, with Arm's maximum, would let signalling NaNs through */
    x = x > -limit ? x : -limit;
    x = x < limit ? x : limit;
    return (x + 12582912.0f) - 12582912.0f;
}

/* Round to nearest even; NaN stays NaN (quiet). */
static inline uint16_t f32_to_bf16(float x)
{
    uint32_t u = f32_bits(x);
    if ((u & 0x7fffffff) > 0x7f800000) return (uint16_t)((u >> 16) | 0x40);
    return (uint16_t)((u + 0x7fff + ((u >> 16) & 1)) >> 16);
}

/* exp: n = round(x log2 e), r = x - n ln 2 in two parts, degree 7 polynomial (Cephes expf), exponent added.
 * Below EXP_LO the result is 0, above EXP_HI infinity; NaN stays NaN. Error about 1 ulp. */
#define EXP_LO    -87.33654f
#define EXP_HI    88.37626f
#define EXP_LOG2E 1.44269504088896341f
#define EXP_MAGIC 12582912.0f /* 1.5 * 2^23: adding it rounds to an integer */
#define EXP_LN2_H 0.693359375f
#define EXP_LN2_L -2.12194440e-4f
#define EXP_C6    1.9875691500e-4f
#define EXP_C5    1.3981999507e-3f
#define EXP_C4    8.3334519073e-3f
#define EXP_C3    4.1665795894e-2f
#define EXP_C2    1.6666665459e-1f
#define EXP_C1    5.0000001201e-1f

static inline float exp_f32(float x)
{
    if (x < EXP_LO) return 0.0f;
    if (x > EXP_HI) return (float)INFINITY;
    float t = fmaf(x, EXP_LOG2E, EXP_MAGIC), n = t - EXP_MAGIC;
    float r = fmaf(n, -EXP_LN2_H, x);
    r = fmaf(n, -EXP_LN2_L, r);
    float p = fmaf(EXP_C6, r, EXP_C5);
    p = fmaf(p, r, EXP_C4);
    p = fmaf(p, r, EXP_C3);
    p = fmaf(p, r, EXP_C2);
    p = fmaf(p, r, EXP_C1);
    p = fmaf(p, r * r, r) + 1.0f;
    return x == x ? f32_from_bits(f32_bits(p) + (f32_bits(t) << 23)) : x;
}

/* log of a positive, normal float, in doubles: log(m 2^e), m in [1/sqrt 2, sqrt 2),
 * log m = 2 atanh((m - 1) / (m + 1)). Infinity and NaN stay what they are. */
static inline float log_f32(float x)
{
    if (!(x < (float)INFINITY)) return x;
    uint32_t u = f32_bits(x);
    int e = (int)(u >> 23) - 127;
    double m = (double)f32_from_bits((u & 0x7fffff) | 0x3f800000);
    if (m > 1.4142135623730951) m *= 0.5, e++;
    double z = (m - 1) / (m + 1), q = z * z, s = 0;
    for (int k = 21; k >= 1; k -= 2) s = s * q + 1.0 / k;
    return (float)(2 * z * s + e * 0.69314718055994530942);
}

/* Double precision, for tables made once. |x| up to 700. */
static inline double exp_f64(double x)
{
    double n = floor(x * 1.4426950408889634 + 0.5);
    double r = (x - n * 0.693147180369123816490) - n * 1.90821492927058770002e-10, s = 1;
    for (int k = 18; k >= 1; k--) s = 1 + s * r / k;
    return ldexp(s, (int)n);
}

/* |x| up to a few million: pi/2 is taken off in three parts, then the series. */
static inline void sincos_f64(double x, double *sine, double *cosine)
{
    double n = floor(x * 0.63661977236758134308 + 0.5);
    double r =
        ((x - n * 1.57079632673412561417) - n * 6.07710050630396597660e-11) - n * 2.02226624879595063154e-21;
    double q = r * r, s = 1, c = 1;
    for (int k = 19; k >= 3; k -= 2) s = 1 - s * q / (k * (k - 1));
    for (int k = 20; k >= 2; k -= 2) c = 1 - c * q / (k * (k - 1));
    s *= r;
    switch ((int64_t)n & 3) {
    case 0:
        *sine = s, *cosine = c;
        break;
    case 1:
        *sine = c, *cosine = -s;
        break;
    case 2:
        *sine = -s, *cosine = -c;
        break;
    default:
        *sine = -c, *cosine = s;
    }
}

#endif
