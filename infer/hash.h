/* A seeded hash of short byte strings, for tables whose keys come from files. */
#ifndef TERSE_INFER_HASH_H
#define TERSE_INFER_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>

/* Different in every process, so that a file cannot be made to collide. Nothing but speed depends on it. */
static inline uint64_t hash_seed(void)
{
    uint64_t seed = 0x9e3779b97f4a7c15u;
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) < 0) seed ^= (uintptr_t)&seed;
    return seed | 1;
}

/* The two halves of the 128-bit product, folded. */
static inline uint64_t hash_mix(uint64_t a, uint64_t b)
{
    __extension__ unsigned __int128 m = (unsigned __int128)a * b;
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static inline uint64_t hash_load(const char *s, size_t n)
{
    uint64_t word = 0;
    uint32_t low, high;
    if (n >= 8) {
        memcpy(&word, s, 8);
    } else if (n >= 4) {
        memcpy(&low, s, 4);
        memcpy(&high, s + n - 4, 4);
        word = (uint64_t)high << 32 | low;
    } else if (n) {
        word = (uint64_t)(unsigned char)s[0] << 16 | (uint64_t)(unsigned char)s[n / 2] << 8 |
               (unsigned char)s[n - 1];
    }
    return word;
}

static inline uint64_t hash_bytes(const char *s, size_t n, uint64_t seed)
{
    uint64_t h = seed ^ n * 0xa0761d6478bd642fu;
    while (n > 8) {
        h = hash_mix(h ^ hash_load(s, 8), seed ^ 0xe7037ed1a0b428dbu);
        s += 8;
        n -= 8;
    }
    return hash_mix(h ^ hash_load(s, n), seed ^ 0x8ebc6af09c88c6e3u);
}

#endif
