/* Elementwise slots on v16; kernels/ref/point.c says what each computes, in which order of operations. */
#ifndef TERSE_KERNELS_SIMD_POINT_H
#define TERSE_KERNELS_SIMD_POINT_H

#include "kernels/kernels.h"
#include "kernels/simd/math.h"

static void to_bf16(int64_t n, const float *x, uint16_t *y)
{
    EACH16(n, i, c, v16_store_bf16_n(y + i, c, v16_load_n(x + i, c)));
}

static void from_bf16(int64_t n, const uint16_t *x, float *y)
{
    EACH16(n, i, c, v16_store_n(y + i, c, v16_load_bf16_n(x + i, c)));
}

static void round_bf16(int64_t n, float *x)
{
    EACH16(n, i, c, v16_store_n(x + i, c, v16_round_bf16(v16_load_n(x + i, c))));
}

static void act_pack_f32(int64_t rows, int64_t k, const float *x, int64_t ldx, void *act, int64_t ldo)
{
    for (int64_t r = 0; r < rows; r++) {
        float *o = (float *)act + r * ldo;
        memmove(o, x + r * ldx, (size_t)k * sizeof *o);
        if (k & 1) o[k] = 0;
    }
}

/* For products without a bf16 dot: the bf16 value as fp32. In place too: nothing is written before it is
 * read. */
static void act_pack_bf16_as_f32(int64_t rows, int64_t k, const float *x, int64_t ldx, void *act, int64_t ldo)
{
    for (int64_t r = 0; r < rows; r++) {
        const float *xr = x + r * ldx;
        float *o = (float *)act + r * ldo;
        EACH16(k, i, c, v16_store_n(o + i, c, v16_round_bf16(v16_load_n(xr + i, c))));
        if (k & 1) o[k] = 0;
    }
}

VEC void silu_mul_at(int c, const float *g, const float *u, float *h)
{
    v16 x = v16_load_n(g, c);
    v16_store_n(h, c, v16_mul(v16_mul(x, v16_sigmoid(x)), v16_load_n(u, c)));
}

static void silu_mul(int64_t n, const float *g, const float *u, float *h)
{
    EACH16(n, i, c, silu_mul_at(c, g + i, u + i, h + i));
}

VEC void silu_mul_back_at(int c, const float *g, const float *u, const float *dh, float *dg, float *du)
{
    v16 x = v16_load_n(g, c), d = v16_load_n(dh, c), s = v16_sigmoid(x), silu = v16_mul(x, s);
    v16 slope = v16_fma(silu, v16_sub(v16_all(1.0f), s), s);
    v16 dgate = v16_mul(v16_mul(d, v16_load_n(u, c)), slope);
    v16_store_n(du, c, v16_mul(d, silu));
    v16_store_n(dg, c, dgate);
}

static void silu_mul_back(int64_t n, const float *g, const float *u, const float *dh, float *dg, float *du)
{
    EACH16(n, i, c, silu_mul_back_at(c, g + i, u + i, dh + i, dg + i, du + i));
}

static void add(int64_t n, const float *x, float *y)
{
    EACH16(n, i, c, v16_store_n(y + i, c, v16_add(v16_load_n(y + i, c), v16_load_n(x + i, c))));
}

static void mul_add(int64_t n, float a, const float *x, float *y)
{
    v16 va = v16_all(a);
    EACH16(n, i, c, v16_store_n(y + i, c, v16_fma(va, v16_load_n(x + i, c), v16_load_n(y + i, c))));
}

static void scale(int64_t n, float a, const float *x, float *y)
{
    v16 va = v16_all(a);
    EACH16(n, i, c, v16_store_n(y + i, c, v16_mul(va, v16_load_n(x + i, c))));
}

VEC v16u hash32(uint64_t key, int64_t i)
{
    v16u h = v16u_add(v16u_all((uint32_t)i), v16u_iota());
    h = v16u_xor(v16u_mul(h, v16u_all(0x9e3779b1u)), v16u_all((uint32_t)key));
    h = v16u_xor(h, v16u_shr(h, 16));
    h = v16u_mul(h, v16u_all(0x85ebca6bu));
    h = v16u_xor(h, v16u_shr(h, 13));
    h = v16u_add(h, v16u_all((uint32_t)(key >> 32)));
    h = v16u_mul(h, v16u_all(0xc2b2ae35u));
    return v16u_xor(h, v16u_shr(h, 16));
}

static void dropout(int64_t n, uint64_t key, uint32_t threshold, float inv_keep, const float *x, float *y)
{
    v16 gain = v16_all(inv_keep);
    v16u least = v16u_all(threshold);
    EACH16(n, i, c,
           v16_store_n(y + i, c,
                       v16_select(v16u_less(hash32(key, i), least), v16_zero(),
                                  v16_mul(v16_load_n(x + i, c), gain))));
}

VEC void adamw_at(int c, const struct adamw_step *s, const float *g, float *w, float *m, float *v)
{
    v16 d = v16_mul(v16_load_n(g, c), v16_all(s->grad_scale));
    v16 m1 = v16_fma(v16_all(s->beta1), v16_load_n(m, c), v16_mul(v16_all(1.0f - s->beta1), d));
    v16 v1 = v16_fma(v16_all(s->beta2), v16_load_n(v, c), v16_mul(v16_all(1.0f - s->beta2), v16_mul(d, d)));
    v16 root = v16_add(v16_sqrt(v16_mul(v1, v16_all(s->correct2))), v16_all(s->eps));
    v16 step = v16_div(v16_mul(m1, v16_all(s->correct1)), root);
    v16 kept = v16_mul(v16_load_n(w, c), v16_all(1.0f - s->lr * s->decay));
    v16_store_n(m, c, m1);
    v16_store_n(v, c, v1);
    v16_store_n(w, c, v16_fma(v16_all(-s->lr), step, kept));
}

static void adamw(int64_t n, const struct adamw_step *s, const float *g, float *w, float *m, float *v)
{
    struct adamw_step t = *s; /* a copy, which the stores below cannot change */
    EACH16(n, i, c, adamw_at(c, &t, g + i, w + i, m + i, v + i));
}

static void point_init(struct kernels *k)
{
    k->act_bytes[WT_F32] = k->act_bytes[WT_BF16] = sizeof(float);
    k->act_pack[WT_F32] = act_pack_f32;
    k->act_pack[WT_BF16] = act_pack_bf16_as_f32;
    k->to_bf16 = to_bf16;
    k->from_bf16 = from_bf16;
    k->round_bf16 = round_bf16;
    k->silu_mul = silu_mul;
    k->silu_mul_back = silu_mul_back;
    k->add = add;
    k->mul_add = mul_add;
    k->scale = scale;
    k->dropout = dropout;
    k->adamw = adamw;
}

#endif
