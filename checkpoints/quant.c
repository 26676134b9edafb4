#include "checkpoints/quant.h"
#include "kernels/math.h"
#include "kernels/quant.h"

#include <string.h>

/* ---- one scale for n values ---------------------------------------------------------------------------- */

/* Integers of a type: x is near scale * q, lo <= q <= hi. */
struct grid {
    int lo, hi;
};
static const struct grid q4 = {-8, 7}, q8 = {-127, 127};

static float to_grid(float x, float inverse, struct grid g)
{
    float q = x * inverse;
    q = q < (float)g.lo ? (float)g.lo : q > (float)g.hi ? (float)g.hi : q;
    return round_even(q, 128);
}

static float as_f16(float x)
{
    return f16_to_f32(f32_to_f16(fmaxf(-65504, fminf(65504, x))));
}

enum { LANES = 8 };

static double sum_lanes(const float *s)
{
    double sum = 0;
    for (int l = 0; l < LANES; l++) sum += (double)s[l];
    return sum;
}

/* Sum of squared errors under a scale; n is a multiple of LANES. Eight sums side by side, for the compiler.
 */
static double squared_error(const float *x, uint64_t n, float scale, struct grid g)
{
    float s[LANES] = {0}, inverse = scale != 0 ? 1 / scale : 0;
    for (uint64_t i = 0; i < n; i += LANES)
        for (int l = 0; l < LANES; l++) {
            float d = x[i + (uint64_t)l] - scale * to_grid(x[i + (uint64_t)l], inverse, g);
            s[l] += d * d;
        }
    return sum_lanes(s);
}

/* The scale that fits best the integers that `scale` gives: sum(x q) / sum(q q). */
static float refit(const float *x, uint64_t n, float scale, struct grid g)
{
    float xq[LANES] = {0}, qq[LANES] = {0}, inverse = scale != 0 ? 1 / scale : 0;
    for (uint64_t i = 0; i < n; i += LANES)
        for (int l = 0; l < LANES; l++) {
            float q = to_grid(x[i + (uint64_t)l], inverse, g);
            xq[l] += x[i + (uint64_t)l] * q;
            qq[l] += q * q;
        }
    double below = sum_lanes(qq);
    return below > 0 ? (float)(sum_lanes(xq) / below) : scale;
}

struct best {
    float scale;
    double error;
};

static void try_scale(struct best *b, const float *x, uint64_t n, float scale, struct grid g)
{
    float s = as_f16(scale);
    double error = squared_error(x, n, s, g);
    if (error < b->error) *b = (struct best){s, error};
}

/* Scales from `from` to `to` times that which puts the largest |x| at the end of the grid. With a grid that
 * is not symmetric a negative scale is another choice. */
static float search(const float *x, uint64_t n, struct grid g, float from, float to, int steps)
{
    enum { REFITS = 3 };
    float top = 0;
    for (uint64_t i = 0; i < n; i++) top = fmaxf(top, fabsf(x[i]));
    if (top == 0) return 0;
    struct best b = {0, INFINITY};
    for (int i = 0; i <= steps; i++) {
        float s = top / (float)-g.lo * (from + (to - from) * (float)i / (float)steps);
        try_scale(&b, x, n, s, g);
        if (g.lo != -g.hi) try_scale(&b, x, n, -s, g);
    }
    for (int i = 0; i < REFITS; i++) try_scale(&b, x, n, refit(x, n, b.scale, g), g);
    return b.scale;
}

/* ---- blocks -------------------------------------------------------------------------------------------- */

static double block_error(const float *x, const float *y)
{
    double sum = 0;
    for (int i = 0; i < GROUP; i++) sum += (double)(x[i] - y[i]) * (double)(x[i] - y[i]);
    return sum;
}

static void put_q8(const float *x, float scale, void *block)
{
    float inverse = scale != 0 ? 1 / scale : 0;
    uint16_t half = f32_to_f16(scale);
    int8_t *q = (int8_t *)block + 2;
    memcpy(block, &half, sizeof half);
    for (int i = 0; i < GROUP; i++) q[i] = (int8_t)to_grid(x[i], inverse, q8);
}

static void l2_q8_0(const float *x, void *block)
{
    char other[Q8_0_BLOCK];
    float y[GROUP], z[GROUP];
    block_put_q8_0(x, block);
    put_q8(x, search(x, GROUP, q8, 0.97f, 1.01f, 16), other);
    block_get_q8_0(block, y);
    block_get_q8_0(other, z);
    if (block_error(x, z) < block_error(x, y)) memcpy(block, other, sizeof other);
}

static void l2_q4_0(const float *x, void *block)
{
    char other[Q4_0_BLOCK];
    float y[GROUP], z[GROUP];
    block_put_q4_0(x, block);
    block_put_w4(x, search(x, GROUP, q4, 0.7f, 1.2f, 20), other);
    block_get_q4_0(block, y);
    block_get_q4_0(other, z);
    if (block_error(x, z) < block_error(x, y)) memcpy(block, other, sizeof other);
}

/* A row has many values for its one scale: what is farthest out is worth clipping. */
static float scale_w4(enum quant_method method, const float *x, uint64_t k)
{
    float rtn = row_scale_w4((int64_t)k, x);
    if (method == QUANT_RTN) return rtn;
    float found = search(x, k, q4, 0.3f, 1.2f, 36);
    return squared_error(x, k, found, q4) < squared_error(x, k, rtn, q4) ? found : rtn;
}

static void row_blocks(enum dtype to, enum quant_method method, const float *x, uint64_t k, char *out)
{
    float scale = to == DTYPE_W4 ? scale_w4(method, x, k) : 0;
    for (uint64_t i = 0; i < k; i += GROUP, out += dtype_block_bytes(to)) {
        if (to == DTYPE_W4)
            block_put_w4(x + i, scale, out);
        else if (to == DTYPE_Q8_0)
            method == QUANT_L2 ? l2_q8_0(x + i, out) : block_put_q8_0(x + i, out);
        else
            method == QUANT_L2 ? l2_q4_0(x + i, out) : block_put_q4_0(x + i, out);
    }
}

void quant_row(enum dtype to, enum quant_method method, const float *x, uint64_t k, void *out)
{
    if (dtype_quantised(to)) {
        row_blocks(to, method, x, k, out);
    } else if (to == DTYPE_F32) {
        memcpy(out, x, k * sizeof *x);
    } else {
        for (uint64_t i = 0; i < k; i++) {
            uint16_t half = to == DTYPE_BF16 ? f32_to_bf16(x[i]) : f32_to_f16(x[i]);
            memcpy((char *)out + 2 * i, &half, sizeof half);
        }
    }
}

/* ---- errors -------------------------------------------------------------------------------------------- */

void quant_error_row(struct quant_error *q, const float *before, const float *after, uint64_t k)
{
    for (uint64_t i = 0; i < k; i++) {
        double x = (double)before[i], d = (double)after[i] - x;
        q->error2 += d * d;
        q->value2 += x * x;
        if (fabs(d) > q->worst) q->worst = fabs(d);
    }
}

void quant_error_add(struct quant_error *q, const struct quant_error *other)
{
    q->error2 += other->error2;
    q->value2 += other->value2;
    if (other->worst > q->worst) q->worst = other->worst;
}

double quant_error_relative(const struct quant_error *q)
{
    return q->value2 > 0 ? sqrt(q->error2 / q->value2) : 0;
}
