/* Random numbers without state: each is a pure function of (seed, stream, counter), so any of them can be
 * made again, in any order, on any thread.
 *
 * Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011): the key
 * is the seed, the 128-bit counter is (counter, stream). The functions below read the same blocks, so one
 * stream must serve one purpose, and one function. No C library function is used: the same bits on every
 * machine. */
#ifndef TERSE_INFER_RNG_H
#define TERSE_INFER_RNG_H

#include <stddef.h>
#include <stdint.h>

/* The 128 random bits of one block. */
void rng_block(uint64_t seed, uint64_t stream, uint64_t counter, uint32_t out[4]);

/* 32 random bits: word counter % 4 of block counter / 4. */
uint32_t rng_u32(uint64_t seed, uint64_t stream, uint64_t counter);

/* Uniform in [0, 1), a multiple of 2^-53: half counter % 2 of block counter / 2. */
double rng_uniform(uint64_t seed, uint64_t stream, uint64_t counter);

/* Standard normal by Box and Muller (1958) in fp32, |x| < 6.8: block counter / 4 makes four. */
float rng_normal(uint64_t seed, uint64_t stream, uint64_t counter);

/* out[i] = rng_normal(seed, stream, first + i) for i < n, bit for bit, but many at a time. */
void rng_fill_normal(uint64_t seed, uint64_t stream, uint64_t first, float *out, size_t n);

#endif
