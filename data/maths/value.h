/* Whether two expressions have the same value, decided by evaluating them.
 *
 * Where both are rational numbers by arithmetic alone, exactly. Else in complex interval arithmetic
 * (interval.h), symbols standing for fixed pseudo-random rationals: different as soon as the difference of
 * the two excludes zero at one point, for certain; equal when it contains zero at every point while its width
 * is below 2^-128, with precision growing up to 1536 bits. */
#ifndef TERSE_DATA_MATHS_VALUE_H
#define TERSE_DATA_MATHS_VALUE_H

#include "data/maths/expr.h"

enum same { SAME_NO, SAME_YES, SAME_UNKNOWN };

/* What to compare. */
enum value_how {
    VALUE_EQUAL,        /* x = y */
    VALUE_PROPORTIONAL, /* x = c y for one constant c that is not 0: equations x = 0, y = 0 */
    VALUE_POSITIVE,     /* the same with c > 0: inequalities x > 0, y > 0 */
};

/* `digits`: where either of x and y has a decimal point, they need agree only to so many digits after the
 * point (below 1: significant digits); 0: exactly. UNKNOWN when neither can be shown, or when the work ran
 * out (then a->refused). */
enum same value_same(struct arena *a, const struct expr *x, const struct expr *y, enum value_how how,
                     int digits);

/* True when e is a number, exactly `v`. */
bool value_is(struct arena *a, const struct expr *e, long v);

/* Frees what MPFR keeps for this thread. */
void value_thread_end(void);

#endif
