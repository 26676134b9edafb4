#include "infer/rng.h"
#include "kernels/math.h"

#include <string.h>

static inline void philox(uint64_t seed, uint64_t stream, uint64_t counter, uint32_t out[4])
{
    uint32_t x0 = (uint32_t)counter, x1 = (uint32_t)(counter >> 32);
    uint32_t x2 = (uint32_t)stream, x3 = (uint32_t)(stream >> 32);
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t p = (uint64_t)0xD2511F53 * x0, q = (uint64_t)0xCD9E8D57 * x2;
        x0 = (uint32_t)(q >> 32) ^ x1 ^ k0;
        x2 = (uint32_t)(p >> 32) ^ x3 ^ k1;
        x1 = (uint32_t)q;
        x3 = (uint32_t)p;
        k0 += 0x9E3779B9;
        k1 += 0xBB67AE85;
    }
    out[0] = x0, out[1] = x1, out[2] = x2, out[3] = x3;
}

void rng_block(uint64_t seed, uint64_t stream, uint64_t counter, uint32_t out[4])
{
    philox(seed, stream, counter, out);
}

uint32_t rng_u32(uint64_t seed, uint64_t stream, uint64_t counter)
{
    uint32_t w[4];
    philox(seed, stream, counter / 4, w);
    return w[counter % 4];
}

double rng_uniform(uint64_t seed, uint64_t stream, uint64_t counter)
{
    uint32_t w[4];
    philox(seed, stream, counter / 2, w);
    const uint32_t *half = w + 2 * (counter % 2);
    return (double)((uint64_t)half[1] << 21 | half[0] >> 11) * 0x1p-53;
}

/* ---- normals --------------------------------------------------------------------------------------------
 */

/* sqrt(-2 log u), u = (w + 1/2) / 2^32. The logarithm is Cephes' logf: u = m 2^e, m in [sqrt 1/2, sqrt 2). */
static inline float radius(uint32_t w)
{
    uint32_t u = f32_bits(((float)w + 0.5f) * 0x1p-32f);
    int32_t e = (int32_t)(u - 0x3f3504f3) >> 23;
    float x = f32_from_bits(u - (uint32_t)e * 0x800000u) - 1, z = x * x, n = (float)e;
    float y = 7.0376836292e-2f;
    y = y * x - 1.1514610310e-1f;
    y = y * x + 1.1676998740e-1f;
    y = y * x - 1.2420140846e-1f;
    y = y * x + 1.4249322787e-1f;
    y = y * x - 1.6668057665e-1f;
    y = y * x + 2.0000714765e-1f;
    y = y * x - 2.4999993993e-1f;
    y = y * x + 3.3333331174e-1f;
    y = y * x * z - 2.12194440e-4f * n - 0.5f * z;
    return sqrtf(-2 * (x + y + 0.693359375f * n));
}

/* Cosine and sine of 2 pi w / 2^32: the two top bits, rounded, are the quadrant; the rest lies within pi/4.
 */
static inline void direction(uint32_t w, float *cosine, float *sine)
{
    uint32_t turned = w + 0x20000000u, quadrant = turned >> 30;
    float r = (float)((int32_t)(turned & 0x3fffffff) - 0x20000000) * 1.46291807926715968e-9f; /* pi / 2^31 */
    float z = r * r;
    float s = ((-1.9515295891e-4f * z + 8.3321608736e-3f) * z - 1.6666654611e-1f) * z * r + r;
    float c = ((2.443315711809948e-5f * z - 1.388731625493765e-3f) * z + 4.166664568298827e-2f) * z * z;
    c = c - 0.5f * z + 1;
    uint32_t swap = -(quadrant & 1), cs = f32_bits(c), sn = f32_bits(s);
    uint32_t to_cos = (cs & ~swap) | (sn & swap), to_sin = (sn & ~swap) | (cs & swap);
    *cosine = f32_from_bits(to_cos ^ ((quadrant ^ quadrant >> 1) & 1) << 31);
    *sine = f32_from_bits(to_sin ^ quadrant >> 1 << 31);
}

float rng_normal(uint64_t seed, uint64_t stream, uint64_t counter)
{
    uint32_t w[4];
    float c, s;
    philox(seed, stream, counter / 4, w);
    const uint32_t *half = w + (counter & 2);
    direction(half[1], &c, &s);
    return radius(half[0]) * (counter & 1 ? s : c);
}

enum { BATCH = 64 }; /* blocks: what the compiler turns into vector loops */

static void normal_batch(uint64_t seed, uint64_t stream, uint64_t block, float out[4 * BATCH])
{
    uint32_t size[2 * BATCH], angle[2 * BATCH];
    float r[2 * BATCH], c[2 * BATCH], s[2 * BATCH];
    for (int i = 0; i < BATCH; i++) {
        uint32_t w[4];
        philox(seed, stream, block + (uint64_t)i, w);
        size[2 * i] = w[0], angle[2 * i] = w[1];
        size[2 * i + 1] = w[2], angle[2 * i + 1] = w[3];
    }
    for (int i = 0; i < 2 * BATCH; i++) r[i] = radius(size[i]);
    for (int i = 0; i < 2 * BATCH; i++) direction(angle[i], &c[i], &s[i]);
    for (int i = 0; i < 2 * BATCH; i++) out[2 * i] = r[i] * c[i], out[2 * i + 1] = r[i] * s[i];
}

void rng_fill_normal(uint64_t seed, uint64_t stream, uint64_t first, float *out, size_t n)
{
    size_t i = 0;
    for (; i < n && (first + i) % 4; i++) out[i] = rng_normal(seed, stream, first + i);
    for (; n - i >= 4 * BATCH; i += 4 * BATCH) normal_batch(seed, stream, (first + i) / 4, out + i);
    for (; i < n; i++) out[i] = rng_normal(seed, stream, first + i);
}
