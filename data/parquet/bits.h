/* Bits and varints as Parquet packs them: least significant first. */
#ifndef TERSE_DATA_PARQUET_BITS_H
#define TERSE_DATA_PARQUET_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* All values in the file are little-endian, as are all machines terse runs on. */
static inline uint32_t load_u32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}

/* Bits one level or index takes when the largest is `max`. */
static inline unsigned bits_for(uint32_t max)
{
    return max ? 32 - (unsigned)__builtin_clz(max) : 0;
}

/* Bytes that n values of `width` (<= 64) bits take; n < 2^32. */
static inline uint64_t bits_bytes(uint64_t n, unsigned width)
{
    return (n * width + 7) / 8;
}

/* The `width` (0..64) bits at bit `at` of src[bytes]; bits past the end are 0. */
static inline uint64_t bits_at(const uint8_t *src, size_t bytes, uint64_t at, unsigned width)
{
    uint64_t word = 0;
    size_t i = (size_t)(at >> 3);
    unsigned shift = at & 7;
    if (!width || i >= bytes) return 0;
    memcpy(&word, src + i, bytes - i < 8 ? bytes - i : 8);
    word >>= shift;
    if (shift + width > 64 && i + 8 < bytes) word |= (uint64_t)src[i + 8] << (64 - shift);
    return width == 64 ? word : word & ((1ull << width) - 1);
}

/* Reads an unsigned LEB128 at *p and moves *p on; false if it does not end before `end` or fit 64 bits. */
static inline bool bits_varint(const uint8_t **p, const uint8_t *end, uint64_t *out)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 70 && *p < end; shift += 7) {
        uint8_t b = *(*p)++;
        if (shift == 63 && b > 1) return false;
        v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80)) {
            *out = v;
            return true;
        }
    }
    return false;
}

#endif
