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

/* Ascending uint64_t, for qsort. */
int order_ascending(const void *a, const void *b);

/* Which documents are held out: whole questions, by an order of questions that knows neither seed nor files,
 * so that what was held out once stays so. This is a question's key in it; the least ones are held out. */
uint64_t order_question(uint64_t question);
/* How many of n documents `val_size` holds out: below 1 a fraction, else a count. */
uint64_t order_held_out(double val_size, uint64_t n);
/* Sorts keys [n], order_question of each document, and returns the greatest one that is held out when `count`
 * (1 .. n) documents are, or, since questions stay whole, a little more. */
uint64_t order_last_held_out(uint64_t *keys, uint64_t n, uint64_t count);

#endif
