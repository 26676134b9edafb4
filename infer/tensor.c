#include "infer/tensor.h"

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
