/* Heads with random numbers. */
#ifndef TERSE_TESTS_SMALL_HEAD_H
#define TERSE_TESTS_SMALL_HEAD_H

#include "infer/head.h"

/* Layers 1 and final of a model of this width, ema, threshold 0.4, temperature 1.5; digests "aaa...". hidden
 * 0: linear. Fails the test on error. */
struct head *small_head(enum head_task task, uint32_t width, uint32_t hidden, bool standardised,
                        uint64_t seed);

/* Files of a switcher and a verifier for this base, the verifier for this adapter too, reading the last token
 * after its question, with scores that are neither 0 nor 1. */
void small_heads(const char *switcher, const char *verifier, const char *base, const char *adapter);

#endif
