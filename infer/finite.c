#include "infer/finite.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK = 8192 }; /* bytes looked at together, in the first-level cache: the copy makes them aligned */

/* All ones in the exponent. Branch-free inside, so that the compiler makes vector loops of it. */
#define SCANNER(type, mask)                                                                                  \
    static bool bad_##type(const void *data, size_t n)                                                       \
    {                                                                                                        \
        const type *x = data;                                                                                \
        type bad = 0;                                                                                        \
        for (size_t i = 0; i < n; i++) bad |= (x[i] & (mask)) == (mask);                                     \
        return bad != 0;                                                                                     \
    }
SCANNER(uint64_t, 0x7ff0000000000000)
SCANNER(uint32_t, 0x7f800000)
SCANNER(uint16_t, 0x7f80)

static bool bad_f16(const void *data, size_t n)
{
    const uint16_t *x = data;
    uint16_t bad = 0;
    for (size_t i = 0; i < n; i++) bad |= (x[i] & 0x7c00) == 0x7c00;
    return bad != 0;
}

typedef bool scanner(const void *data, size_t n);

static int scanner_of(const struct tensor *t, scanner **scan, struct err *e)
{
    *scan = NULL;
    switch (t->dtype) {
    case DTYPE_F32:
        *scan = bad_uint32_t;
        return 0;
    case DTYPE_BF16:
        *scan = bad_uint16_t;
        return 0;
    case DTYPE_F16:
        *scan = bad_f16;
        return 0;
    case DTYPE_F64:
        *scan = bad_uint64_t;
        return 0;
    case DTYPE_Q8_0:
    case DTYPE_Q4_0:
    case DTYPE_W4: /* see blocks_check */
    case DTYPE_I64:
    case DTYPE_U64:
    case DTYPE_I32:
    case DTYPE_U32:
    case DTYPE_I16:
    case DTYPE_U16:
    case DTYPE_I8:
    case DTYPE_U8:
    case DTYPE_BOOL:
        return 0;
    default:
        return err_set(e, ERR_DTYPE, "tensor %s is %s, which cannot be checked for NaN", t->name,
                       dtype_name(t->dtype));
    }
}

static int report(const struct tensor *t, uint64_t i, struct err *e)
{
    char at[160];
    uint64_t rest = i;
    size_t n = 0;
    uint64_t index[8];
    for (int d = t->rank < 8 ? t->rank : 8; d-- > 0; rest /= t->shape[d]) index[d] = rest % t->shape[d];
    at[0] = 0;
    for (int d = 0; d < t->rank && d < 8; d++)
        n += (size_t)snprintf(at + n, sizeof at - n, d ? ", %llu" : "%llu", (unsigned long long)index[d]);
    return err_set(e, ERR_NONFINITE, "tensor %s: element [%s] is NaN or infinite", t->name, at);
}

/* Of a quantised tensor only the scales can be wrong. */
static int blocks_check(const struct tensor *t, struct err *e)
{
    unsigned size = dtype_block_bytes(t->dtype);
    const char *data = t->data;
    uint16_t d;
    for (uint64_t at = 0; at < t->bytes; at += size) {
        memcpy(&d, data + at, sizeof d);
        if ((d & 0x7c00) == 0x7c00) return report(t, at / size * dtype_block(t->dtype), e);
    }
    return 0;
}

int tensor_check_finite(const struct tensor *t, struct err *e)
{
    _Alignas(64) unsigned char block[BLOCK];
    scanner *scan;
    int rc = scanner_of(t, &scan, e);
    if (dtype_quantised(t->dtype)) return blocks_check(t, e);
    if (rc || !scan) return rc;
    size_t width = dtype_bits(t->dtype) / 8;
    for (uint64_t at = 0; at < t->bytes; at += BLOCK) {
        size_t n = t->bytes - at < BLOCK ? (size_t)(t->bytes - at) : BLOCK;
        memcpy(block, (const char *)t->data + at, n);
        if (!scan(block, n / width)) continue;
        for (size_t i = 0; i < n / width; i++)
            if (scan(block + i * width, 1)) return report(t, at / width + i, e);
    }
    return 0;
}
