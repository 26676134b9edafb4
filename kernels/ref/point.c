/* Elementwise functions. */
#include "kernels/math.h"
#include "kernels/ref/ref.h"

static void to_bf16(int64_t n, const float *x, uint16_t *y)
{
    for (int64_t i = 0; i < n; i++) y[i] = f32_to_bf16(x[i]);
}

static void from_bf16(int64_t n, const uint16_t *x, float *y)
{
    for (int64_t i = 0; i < n; i++) y[i] = bf16_to_f32(x[i]);
}

static void round_bf16(int64_t n, float *x)
{
    for (int64_t i = 0; i < n; i++) x[i] = bf16_to_f32(f32_to_bf16(x[i]));
}

static float sigmoid(float x)
{
    return 1.0f / (1.0f + exp_f32(-x));
}

static void silu_mul(int64_t n, const float *g, const float *u, float *h)
{
    for (int64_t i = 0; i < n; i++) h[i] = g[i] * sigmoid(g[i]) * u[i];
}

/* d silu(g) / dg = s + g s (1 - s), s = sigmoid(g). */
static void silu_mul_back(int64_t n, const float *g, const float *u, const float *dh, float *dg, float *du)
{
    for (int64_t i = 0; i < n; i++) {
        float s = sigmoid(g[i]), silu = g[i] * s, d = dh[i];
        du[i] = d * silu;
        dg[i] = d * u[i] * fmaf(silu, 1.0f - s, s);
    }
}

static void add(int64_t n, const float *x, float *y)
{
    for (int64_t i = 0; i < n; i++) y[i] += x[i];
}

static void mul_add(int64_t n, float a, const float *x, float *y)
{
    for (int64_t i = 0; i < n; i++) y[i] = fmaf(a, x[i], y[i]);
}

static void scale(int64_t n, float a, const float *x, float *y)
{
    for (int64_t i = 0; i < n; i++) y[i] = a * x[i];
}

/* The finaliser of MurmurHash3 over a keyed counter. */
static uint32_t hash32(uint64_t key, uint64_t i)
{
    uint32_t h = ((uint32_t)i * 0x9e3779b1u) ^ (uint32_t)key;
    h ^= h >> 16;
    h *= 0x85ebca6bu;
    h ^= h >> 13;
    h += (uint32_t)(key >> 32);
    h *= 0xc2b2ae35u;
    h ^= h >> 16;
    return h;
}

static void dropout(int64_t n, uint64_t key, uint32_t threshold, float inv_keep, const float *x, float *y)
{
    for (int64_t i = 0; i < n; i++) y[i] = hash32(key, (uint64_t)i) >= threshold ? x[i] * inv_keep : 0.0f;
}

static void adamw(int64_t n, const struct adamw_step *s, const float *g, float *w, float *m, float *v)
{
    for (int64_t i = 0; i < n; i++) {
        float d = g[i] * s->grad_scale;
        m[i] = fmaf(s->beta1, m[i], (1.0f - s->beta1) * d);
        v[i] = fmaf(s->beta2, v[i], (1.0f - s->beta2) * (d * d));
        float step = m[i] * s->correct1 / (sqrtf(v[i] * s->correct2) + s->eps);
        w[i] = fmaf(-s->lr, step, w[i] * (1.0f - s->lr * s->decay));
    }
}

void ref_point_init(struct kernels *k)
{
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
