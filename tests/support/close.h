/* Tolerances of the parity tests, in one table, and the comparison they are used with. */
#ifndef TERSE_TESTS_CLOSE_H
#define TERSE_TESTS_CLOSE_H

#include <stdint.h>

/* Each is relative to the largest magnitude of the wanted array. Beyond `warn` a line is printed, beyond
 * `fail` the test fails. */
enum tolerance { TOL_LOGITS, TOL_LOSS, TOL_GRADIENT, TOL_STEPS, TOL_WEIGHTS };

/* Fails the running test, naming `what` and the worst element. */
void assert_close(enum tolerance tol, const char *what, const float *got, const float *want, uint64_t n);
void assert_close_f64(enum tolerance tol, const char *what, double got, double want);

#endif
