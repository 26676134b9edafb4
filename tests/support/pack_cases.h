/* Bytes as LiveCodeBench packs its private cases: zlib, then base64. */
#ifndef TERSE_TESTS_PACK_CASES_H
#define TERSE_TESTS_PACK_CASES_H

#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>

/* The text, the caller's to free; the last `cut` bytes of the compressed ones are left out. */
static inline char *pack_cases(const void *bytes, size_t n, size_t cut)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uLongf size = compressBound(n);
    unsigned char *z = calloc(1, size + 3);
    char *out = malloc(size * 2 + 8), *to = out;
    if (!z || !out || compress2(z, &size, bytes, n, 1) != Z_OK) abort();
    size -= cut;
    for (size_t i = 0; i < size; i += 3) {
        uint32_t bits = (uint32_t)z[i] << 16;
        if (i + 1 < size) bits |= (uint32_t)z[i + 1] << 8;
        if (i + 2 < size) bits |= z[i + 2];
        for (size_t k = 0; k < 4; k++) *to++ = i + k > size ? '=' : digits[bits >> (18 - 6 * k) & 63];
    }
    *to = 0;
    free(z);
    return out;
}

#endif
