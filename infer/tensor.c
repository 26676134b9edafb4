#include "infer/tensor.h"

#include "infer/map.h"
#include "kernels/math.h"
#include "kernels/quant.h"

#include <assert.h>
#include <string.h>

static const struct {
    const char *name;
    unsigned bits, block, block_bytes;
} dtypes[DTYPE_END] = {
#define X(name, bits) [DTYPE_##name] = {#name, bits, 1, (bits) / 8},
    DTYPE_LIST(X)
#undef X
#define X(name, elems, bytes) [DTYPE_##name] = {#name, 0, elems, bytes},
        DTYPE_BLOCK_LIST(X)
#undef X
};

const char *dtype_name(enum dtype t)
{
    return (unsigned)t < DTYPE_END ? dtypes[t].name : "?";
}

unsigned dtype_bits(enum dtype t)
{
    return (unsigned)t < DTYPE_END ? dtypes[t].bits : 0;
}

unsigned dtype_block(enum dtype t)
{
    return (unsigned)t < DTYPE_END ? dtypes[t].block : 1;
}

unsigned dtype_block_bytes(enum dtype t)
{
    return (unsigned)t < DTYPE_END ? dtypes[t].block_bytes : 0;
}

void tensor_release(const struct tensor *t)
{
    if (t->mapped) map_release(t->data, t->bytes);
}

static void halves(enum dtype t, const char *from, uint64_t n, float *out)
{
    for (uint64_t k = 0; k < n; k++) {
        uint16_t half;
        memcpy(&half, from + 2 * k, sizeof half);
        out[k] = t == DTYPE_BF16 ? bf16_to_f32(half) : f16_to_f32(half);
    }
}

void tensor_row(const struct tensor *t, uint64_t i, uint64_t cols, float *out)
{
    uint64_t blocks = cols / dtype_block(t->dtype);
    const char *row = (const char *)t->data + i * blocks * dtype_block_bytes(t->dtype);
    assert(dtype_quantised(t->dtype) || t->dtype == DTYPE_F32 || dtype_bits(t->dtype) == 16);
    if (t->dtype == DTYPE_F32)
        memcpy(out, row, cols * sizeof *out);
    else if (!dtype_quantised(t->dtype))
        halves(t->dtype, row, cols, out);
    for (uint64_t b = 0; dtype_quantised(t->dtype) && b < blocks; b++) {
        const char *block = row + b * dtype_block_bytes(t->dtype);
        if (t->dtype == DTYPE_Q8_0)
            block_get_q8_0(block, out + b * GROUP);
        else
            block_get_q4_0(block, out + b * GROUP);
    }
}
