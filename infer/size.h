/* Size arithmetic on numbers that come from files: each helper returns 0, or ERR_OVERFLOW and leaves *out
 * untouched. */
#ifndef TERSE_INFER_SIZE_H
#define TERSE_INFER_SIZE_H

#include "infer/err.h"

#include <stddef.h>
#include <stdint.h>

static inline int ckd_add(uint64_t *out, uint64_t a, uint64_t b)
{
    uint64_t r;
    if (__builtin_add_overflow(a, b, &r)) return ERR_OVERFLOW;
    *out = r;
    return 0;
}

static inline int ckd_mul(uint64_t *out, uint64_t a, uint64_t b)
{
    uint64_t r;
    if (__builtin_mul_overflow(a, b, &r)) return ERR_OVERFLOW;
    *out = r;
    return 0;
}

/* `n` rounded up to a multiple of `to` (a power of two). */
static inline size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) & ~(to - 1);
}

#endif
