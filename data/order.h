/* Orders that are functions of a key: no table, any place at once. */
#ifndef TERSE_DATA_ORDER_H
#define TERSE_DATA_ORDER_H

#include <stdint.h>

/* 64 bits that look random, a bijection of x for every key: the finaliser of MurmurHash3 (Appleby), on a sum
 * with the golden ratio; one step of SplitMix64 (Steele 2014). */
uint64_t order_mix(uint64_t key, uint64_t x);

/* Place of `i` in a keyed permutation of [0, n), i < n: a Feistel network on the next even power of two,
 * walked until it falls inside [0, n) (Black and Rogaway 2002); at most four times as many steps as places on
 * average. */
uint64_t order_permute(uint64_t key, uint64_t i, uint64_t n);

#endif
