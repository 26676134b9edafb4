/* Slots of a whole row on v16; kernels/ref/row.c says what each computes. The 16 lanes of the specification
 * are the lanes of a vector. In a tail, lanes past the end keep their sum. */
#ifndef TERSE_KERNELS_SIMD_ROW_H
#define TERSE_KERNELS_SIMD_ROW_H

#include "kernels/kernels.h"
#include "kernels/simd/math.h"

VEC v16 first(int c, v16 yes, v16 no)
{
    return c == 16 ? yes : v16_select(v16m_first(c), yes, no);
}

static inline float lanes_sum(v16 lanes)
{
    float s[16];
    v16_store(s, lanes);
    for (int half = 8; half; half /= 2)
        for (int i = 0; i < half; i++) s[i] += s[i + half];
    return s[0];
}

static inline float lanes_max(v16 lanes)
{
    float s[16];
    v16_store(s, lanes);
    for (int half = 8; half; half /= 2)
        for (int i = 0; i < half; i++) s[i] = s[i + half] > s[i] ? s[i + half] : s[i];
    return s[0];
}

static float rmsnorm(int64_t d, float eps, const float *x, const float *w, float *y)
{
    v16 sum = v16_zero();
    EACH16(d, i, c, {
        v16 a = v16_load_n(x + i, c);
        sum = first(c, v16_fma(a, a, sum), sum);
    });
    float r = 1.0f / sqrtf(lanes_sum(sum) / (float)d + eps);
    v16 vr = v16_all(r);
    EACH16(d, i, c, v16_store_n(y + i, c, v16_mul(v16_mul(v16_load_n(x + i, c), vr), v16_load_n(w + i, c))));
    return r;
}

static void rmsnorm_back(int64_t d, const float *x, const float *w, float r, const float *dy, float *dx,
                         float *dw)
{
    v16 sum = v16_zero(), vr = v16_all(r);
    EACH16(d, i, c, {
        v16 g = v16_mul(v16_load_n(dy + i, c), v16_load_n(w + i, c));
        sum = first(c, v16_fma(g, v16_load_n(x + i, c), sum), sum);
    });
    v16 minus_c = v16_all(-(lanes_sum(sum) * r * r * r / (float)d));
    EACH16(d, i, c, {
        v16 g = v16_mul(v16_mul(v16_load_n(dy + i, c), v16_load_n(w + i, c)), vr);
        v16_store_n(dx + i, c, v16_add(v16_load_n(dx + i, c), v16_fma(minus_c, v16_load_n(x + i, c), g)));
    });
    if (!dw) return;
    EACH16(d, i, c,
           v16_store_n(
               dw + i, c,
               v16_fma(v16_load_n(dy + i, c), v16_mul(v16_load_n(x + i, c), vr), v16_load_n(dw + i, c))));
}

VEC void rope_at(int n, const float *cos, const float *sin, float *x, float *y)
{
    v16 a = v16_load_n(x, n), b = v16_load_n(y, n), c = v16_load_n(cos, n), s = v16_load_n(sin, n);
    v16_store_n(x, n, v16_fma(a, c, v16_neg(v16_mul(b, s))));
    v16_store_n(y, n, v16_fma(b, c, v16_mul(a, s)));
}

static void rope(int64_t k, const float *cos, const float *sin, float *x)
{
    EACH16(k / 2, i, c, rope_at(c, cos + i, sin + i, x + i, x + k / 2 + i));
}

static inline float max_of(int64_t n, const float *x)
{
    v16 m = v16_all(-(float)INFINITY);
    EACH16(n, i, c, m = first(c, v16_larger(v16_load_n(x + i, c), m), m));
    return lanes_max(m);
}

static float largest(int64_t n, const float *x)
{
    v16 m = v16_all(-(float)INFINITY), zero = v16_zero();
    EACH16(n, i, c, {
        v16 v = v16_load_n(x + i, c);
        m = first(c, v16_larger(v, m), m);
        zero = v16_fma(v, v16_zero(), zero);
    });
    return lanes_sum(zero) == 0 ? lanes_max(m) : NAN;
}

/* exp(s * scale - top) of c lanes, stored to p, and added to sum. */
VEC v16 softmax_at(int c, v16 scale, v16 minus_top, int round, const float *s, float *p, v16 sum)
{
    v16 e = v16_exp(v16_fma(v16_load_n(s, c), scale, minus_top));
    if (round) e = v16_round_bf16(e);
    e = first(c, e, v16_zero());
    v16_store(p, e);
    return first(c, v16_add(sum, e), sum);
}

static float softmax_block(int64_t n, int64_t width, float scale, int round, const float *s, float *p,
                           float *m, float *l)
{
    float top = max_of(n, s) * scale;
    top = top > *m ? top : *m;
    float fade = exp_f32(*m - top);
    v16 sum = v16_zero(), vscale = v16_all(scale), minus_top = v16_all(-top);
    EACH16(n, i, c, sum = softmax_at(c, vscale, minus_top, round, s + i, p + i, sum));
    for (int64_t i = (n + 15) / 16 * 16; i < width; i += 16) v16_store(p + i, v16_zero());
    *l = fmaf(*l, fade, lanes_sum(sum));
    *m = top;
    return fade;
}

static float logsumexp(int64_t n, const float *x)
{
    float m = max_of(n, x);
    v16 sum = v16_zero(), vm = v16_all(m);
    EACH16(n, i, c, sum = first(c, v16_add(sum, v16_exp(v16_sub(v16_load_n(x + i, c), vm))), sum));
    return m + log_f32(lanes_sum(sum));
}

static void softmax_scaled(int64_t n, float lse, float scale, float *x)
{
    v16 l = v16_all(lse), a = v16_all(scale);
    EACH16(n, i, c, v16_store_n(x + i, c, v16_mul(v16_exp(v16_sub(v16_load_n(x + i, c), l)), a)));
}

static double sum_squares(int64_t n, const float *x)
{
    double s[16];
    v16d sum = v16d_zero();
    EACH16(n, i, c, sum = v16d_add_square(sum, v16_load_n(x + i, c)));
    v16d_store(s, sum);
    for (int half = 8; half; half /= 2)
        for (int i = 0; i < half; i++) s[i] += s[i + half];
    return s[0];
}

static void row_init(struct kernels *k)
{
    k->rmsnorm = rmsnorm;
    k->rmsnorm_back = rmsnorm_back;
    k->rope = rope;
    k->softmax_block = softmax_block;
    k->largest = largest;
    k->logsumexp = logsumexp;
    k->softmax_scaled = softmax_scaled;
    k->sum_squares = sum_squares;
}

#endif
