/* Functions of a whole row: norms and softmax. Sums go through 16 lanes (kernels.h). */
#include "kernels/math.h"
#include "kernels/ref/ref.h"

enum { LANES = 16 };

static float lanes_sum(const float *lane)
{
    float s[LANES];
    memcpy(s, lane, sizeof s);
    for (int half = LANES / 2; half; half /= 2)
        for (int i = 0; i < half; i++) s[i] += s[i + half];
    return s[0];
}

static float rmsnorm(int64_t d, float eps, const float *x, const float *w, float *y)
{
    float lane[LANES] = {0};
    for (int64_t i = 0; i < d; i++) lane[i % LANES] = fmaf(x[i], x[i], lane[i % LANES]);
    float r = 1.0f / sqrtf(lanes_sum(lane) / (float)d + eps);
    for (int64_t i = 0; i < d; i++) y[i] = x[i] * r * w[i];
    return r;
}

/* y_i = x_i r w_i, r = (mean x^2 + eps)^(-1/2):  dx_i = r (w_i dy_i - x_i r^2 / d * sum_j w_j dy_j x_j). */
static void rmsnorm_back(int64_t d, const float *x, const float *w, float r, const float *dy, float *dx,
                         float *dw)
{
    float lane[LANES] = {0};
    for (int64_t i = 0; i < d; i++) lane[i % LANES] = fmaf(dy[i] * w[i], x[i], lane[i % LANES]);
    float c = lanes_sum(lane) * r * r * r / (float)d;
    for (int64_t i = 0; i < d; i++) dx[i] = dx[i] + fmaf(-c, x[i], dy[i] * w[i] * r);
    for (int64_t i = 0; dw && i < d; i++) dw[i] = fmaf(dy[i], x[i] * r, dw[i]);
}

static void rope(int64_t k, const float *cos, const float *sin, float *x)
{
    int64_t half = k / 2;
    for (int64_t i = 0; i < half; i++) {
        float a = x[i], b = x[i + half];
        x[i] = fmaf(a, cos[i], -(b * sin[i]));
        x[i + half] = fmaf(b, cos[i], a * sin[i]);
    }
}

static float larger(float x, float m)
{
    return x > m ? x : m;
}

static float max_of(int64_t n, const float *x)
{
    float lane[LANES];
    for (int i = 0; i < LANES; i++) lane[i] = -(float)INFINITY;
    for (int64_t i = 0; i < n; i++) lane[i % LANES] = larger(x[i], lane[i % LANES]);
    for (int half = LANES / 2; half; half /= 2)
        for (int i = 0; i < half; i++) lane[i] = larger(lane[i + half], lane[i]);
    return lane[0];
}

/* x * 0 is 0 only for what is finite. */
static float largest(int64_t n, const float *x)
{
    float zero = 0;
    for (int64_t i = 0; i < n; i++) zero += x[i] * 0;
    return zero == 0 ? max_of(n, x) : NAN;
}

static float softmax_block(int64_t n, int64_t width, float scale, int round, const float *s, float *p,
                           float *m, float *l)
{
    float top = max_of(n, s) * scale;
    top = larger(top, *m);
    float lane[LANES] = {0}, fade = exp_f32(*m - top);
    for (int64_t i = 0; i < n; i++) {
        float e = exp_f32(fmaf(s[i], scale, -top));
        p[i] = round ? bf16_to_f32(f32_to_bf16(e)) : e;
        lane[i % LANES] += p[i];
    }
    for (int64_t i = n; i < width; i++) p[i] = 0;
    *l = fmaf(*l, fade, lanes_sum(lane));
    *m = top;
    return fade;
}

static float logsumexp(int64_t n, const float *x)
{
    float lane[LANES] = {0}, m = max_of(n, x);
    for (int64_t i = 0; i < n; i++) lane[i % LANES] += exp_f32(x[i] - m);
    return m + log_f32(lanes_sum(lane));
}

static void softmax_scaled(int64_t n, float lse, float scale, float *x)
{
    for (int64_t i = 0; i < n; i++) x[i] = exp_f32(x[i] - lse) * scale;
}

static double sum_squares(int64_t n, const float *x)
{
    double s[LANES] = {0};
    for (int64_t i = 0; i < n; i++) s[i % LANES] += (double)x[i] * x[i];
    for (int half = LANES / 2; half; half /= 2)
        for (int i = 0; i < half; i++) s[i] += s[i + half];
    return s[0];
}

void ref_row_init(struct kernels *k)
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
