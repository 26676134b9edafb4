#include "kernels/quant.h"
#include "kernels/math.h"

static float largest(int64_t n, const float *x)
{
    float top = 0, signed_top = 0;
    for (int64_t i = 0; i < n; i++)
        if (fabsf(x[i]) > top) top = fabsf(x[i]), signed_top = x[i];
    return signed_top;
}

static float scale_bound(float scale)
{
    return fminf(65504, fmaxf(-65504, scale));
}

static void scale_put(void *block, float scale)
{
    uint16_t h = f32_to_f16(scale_bound(scale));
    memcpy(block, &h, sizeof h);
}

static float scale_get(const void *block)
{
    uint16_t h;
    memcpy(&h, block, sizeof h);
    return f16_to_f32(h);
}

void block_put_q8_0(const float *x, void *block)
{
    float d = fabsf(largest(GROUP, x)) / 127.0f, inverse = d != 0 ? 1.0f / d : 0;
    int8_t *q = (int8_t *)block + 2;
    scale_put(block, d);
    for (int i = 0; i < GROUP; i++) q[i] = (int8_t)fmaxf(-127, fminf(127, roundf(x[i] * inverse)));
}

/* x / scale + 8 to nearest, in 0..15. */
static unsigned nibble(float x, float inverse)
{
    return (unsigned)fmaxf(0, fminf(15, x * inverse + 8.5f));
}

void block_put_w4(const float *x, float scale, void *block)
{
    float inverse = scale != 0 ? 1.0f / scale : 0;
    uint8_t *q = (uint8_t *)block + 2;
    scale_put(block, scale);
    for (int i = 0; i < GROUP / 2; i++)
        q[i] = (uint8_t)(nibble(x[i], inverse) | nibble(x[i + GROUP / 2], inverse) << 4);
}

void block_put_q4_0(const float *x, void *block)
{
    block_put_w4(x, largest(GROUP, x) / -8.0f, block);
}

void block_get_q8_0(const void *block, float *x)
{
    const int8_t *q = (const int8_t *)block + 2;
    float d = scale_get(block);
    for (int i = 0; i < GROUP; i++) x[i] = d * (float)q[i];
}

void block_get_q4_0(const void *block, float *x)
{
    const uint8_t *q = (const uint8_t *)block + 2;
    float d = scale_get(block);
    for (int i = 0; i < GROUP / 2; i++) {
        x[i] = d * (float)((q[i] & 15) - 8);
        x[i + GROUP / 2] = d * (float)((q[i] >> 4) - 8);
    }
}

float row_scale_w4(int64_t k, const float *x)
{
    return f16_to_f32(f32_to_f16(scale_bound(largest(k, x) / -8.0f)));
}
