/* Near-duplicates: texts that share most of their phrases. */
#ifndef TERSE_DATA_NEAR_H
#define TERSE_DATA_NEAR_H

#include "infer/err.h"

#include <stddef.h>
#include <stdint.h>

enum { NEAR_HASHES = 128, NEAR_WORDS = 3 };

/* A text's sketch: for each of NEAR_HASHES hash functions the least value over its phrases of NEAR_WORDS
 * words, letters and digits alone counting, capitals not (MinHash, Broder 1997). The share of values that two
 * sketches have in common estimates the share of phrases that the texts have in common (Jaccard), give or
 * take 0.04. */
struct near_sketch {
    uint32_t least[NEAR_HASHES];
};
void near_sketch(struct near_sketch *out, const char *text, size_t len);
double near_alike(const struct near_sketch *a, const struct near_sketch *b);

/* Makes one group of those that have a sketch in common to `alike` in (0, 1]: group [n] names each text's
 * group by a number of the caller's and is changed to that of the first text it goes with, directly or by way
 * of others. Pairs are looked for in bands of four values (LSH), so at 0.8 one in 5,000 is missed, at 0.6 one
 * in 90; time grows with n, not with its square. *joined: texts whose group changed. Errors: NOMEM. */
int near_groups(const struct near_sketch *sketch, uint64_t *group, size_t n, double alike, size_t *joined,
                struct err *e);

#endif
