#include "data/order.h"

#include <math.h>
#include <stdlib.h>

uint64_t order_mix(uint64_t key, uint64_t x)
{
    x += key + 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

uint64_t order_permute(uint64_t key, uint64_t i, uint64_t n)
{
    int half = 1;
    while ((uint64_t)1 << 2 * half < n) half++;
    const uint64_t mask = ((uint64_t)1 << half) - 1;
    do {
        uint64_t left = i >> half, right = i & mask;
        for (uint64_t round = 0; round < 4; round++) {
            uint64_t next = left ^ (order_mix(order_mix(key, round), right) & mask);
            left = right;
            right = next;
        }
        i = left << half | right;
    } while (i >= n);
    return i;
}

uint64_t order_question(uint64_t question)
{
    return order_mix(0x7e25e, question);
}

uint64_t order_held_out(double val_size, uint64_t n)
{
    double count = val_size < 1 ? ceil(val_size * (double)n) : val_size;
    return count < (double)n ? (uint64_t)count : n;
}

int order_ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

uint64_t order_last_held_out(uint64_t *keys, uint64_t n, uint64_t count)
{
    qsort(keys, n, sizeof *keys, order_ascending);
    return keys[count - 1];
}
