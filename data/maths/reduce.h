/* Rewriting trees before they are compared. */
#ifndef TERSE_DATA_MATHS_REDUCE_H
#define TERSE_DATA_MATHS_REDUCE_H

#include "data/maths/expr.h"

/* True when e or anything below it is of that kind. */
bool expr_has(const struct expr *e, enum expr_kind kind);

/* A copy of e in which every \pm is the sign, every \mp the other. NULL, refused, when the arena is full. */
struct expr *reduce_signs(struct arena *a, const struct expr *e, int sign);

/* Sums, products and multiples of matrices worked out entry by entry; other trees as they are. */
const struct expr *reduce_matrices(struct arena *a, const struct expr *e);

/* The real numbers, or all of them but one, as intervals, the empty set as a set; other trees as they are. */
const struct expr *reduce_sets(struct arena *a, const struct expr *e);

/* +1 or -1 for an infinity, else 0. */
int expr_infinity(const struct expr *e);

/* True for what can stand on the left of "is": x, f(x), AB, |v|, \angle A, (p, q), words. */
bool expr_is_name(const struct expr *e);

/* What a relation says its name is: 5 of "x = 2 + 3 = 5", S of "x \in S". NULL when it says something else.
 */
const struct expr *relation_value(const struct expr *e);

/* The interval an inequality describes: "x > 2", "1 <= f(x) < 3", or the two of "x != 3". NULL when it does
 * not. */
const struct expr *relation_interval(struct arena *a, const struct expr *e);

#endif
