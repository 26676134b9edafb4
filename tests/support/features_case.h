/* A set of feature shards with known content, for tests. */
#ifndef TERSE_TESTS_SUPPORT_FEATURES_CASE_H
#define TERSE_TESTS_SUPPORT_FEATURES_CASE_H

#include "data/features.h"

enum { FEATURES_CASE_DEPTHS = 3 };

/* Depths 0, 4 and the final one, of this width; the texts are of no meaning. Static until the next call. */
const struct features_origin *features_case_origin(uint32_t width);
/* Row `i` of every set, four chains a problem, and its states x [3][width]. */
struct feature features_case_row(uint64_t i, uint32_t width, float *x);
/* Writes `rows` rows as the set DIR; returns the first error. */
int features_case_write(const char *dir, uint64_t rows, uint32_t width, struct err *e);

#endif
