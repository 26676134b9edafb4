#include "infer/tensor.h"

static const struct {
    const char *name;
    unsigned bits;
} dtypes[DTYPE_COUNT] = {
#define X(name, bits) {#name, bits},
    DTYPE_LIST(X)
#undef X
};

const char *dtype_name(enum dtype t)
{
    return (unsigned)t < DTYPE_COUNT ? dtypes[t].name : "?";
}

unsigned dtype_bits(enum dtype t)
{
    return (unsigned)t < DTYPE_COUNT ? dtypes[t].bits : 0;
}
