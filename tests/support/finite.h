/* Gradients judged by central differences of a function in double. */
#ifndef TERSE_TESTS_FINITE_H
#define TERSE_TESTS_FINITE_H

#include "tests/support/close.h"

/* A scalar function of whatever `x` below is part of. */
typedef double finite_fn(void *ctx);

/* Fails the running test where grad [n] is not the derivative of f by x [n] (put back after each probe). Up
 * to 4 * probes coordinates are all probed; of more, `probes` single coordinates (the largest gradient's
 * among them) and as many random directions over everything and over random windows of n / 16. Errors are
 * relative to the largest gradient, of a direction to the gradient's root mean square, and to no less than
 * 0.05. Returns the worst error. */
double assert_gradient(enum tolerance tol, const char *what, finite_fn *f, void *ctx, double *x, uint64_t n,
                       const float *grad, uint32_t probes);

#endif
