/* The exact value of an expression that has one. */
#ifndef TERSE_DATA_MATHS_RATIONAL_H
#define TERSE_DATA_MATHS_RATIONAL_H

#include "data/maths/expr.h"

#include <gmp.h>

enum { RATIONAL_BITS = 1 << 15 }; /* of a numerator or a denominator; beyond, there is no exact value */

/* True, and *out set (it must be initialised), when e is a rational number by arithmetic alone: no symbols,
 * roots only of squares (cubes, ...). Otherwise *out is garbage. Counts its steps in the arena. */
bool rational(struct arena *a, const struct expr *e, mpq_t out);

/* True, and *out set, when it is an integer of at most `limit` in size. */
bool rational_small(struct arena *a, const struct expr *e, long limit, long *out);

#endif
