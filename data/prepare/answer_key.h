/* Final answers as numbers that are equal where the answers are: for counting which one most chains give. */
#ifndef TERSE_DATA_PREPARE_ANSWER_KEY_H
#define TERSE_DATA_PREPARE_ANSWER_KEY_H

#include "infer/answer.h"

#include <stdint.h>

/* 0 for none. Numbers by value: 1/2, 0.5 and \frac{1}{2} are one. Other answers as text without what does not
 * change a formula: spaces (but one between two words), $, \left and \right, \, \; \! \:, \text and its
 * like, \dfrac for \frac, braces around a single character. Equal keys are what the grader calls equal; it
 * sees more that is equal (x + y and y + x), at a thousand times the cost. */
uint64_t answer_key(const struct answer *a);

/* The key of what a chain of thought says its answer is (answer_search, but for a formula or number that
 * merely stands last). */
uint64_t answer_key_of(const char *text, size_t len);

#endif
