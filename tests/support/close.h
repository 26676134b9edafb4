/* Tolerances of the tests, in one table, and the comparison they are used with. */
#ifndef TERSE_TESTS_CLOSE_H
#define TERSE_TESTS_CLOSE_H

#include <stdint.h>

/* Each is relative to the largest magnitude of the wanted array. Beyond `warn` a line is printed, beyond
 * `fail` the test fails. */
enum tolerance {
    TOL_LOGITS,
    TOL_LOSS,
    TOL_GRADIENT,
    TOL_STEPS,
    TOL_WEIGHTS,    /* against transformers, peft, torch */
    TOL_VALUE,      /* of one fp32 operation, against double */
    TOL_SUM,        /* the same fp32 terms, added in another order */
    TOL_SUM_BF16,   /* and rounded to bf16 on the way */
    TOL_BF16,       /* a gradient of a bf16 model, against the fp32 model's: lengths */
    TOL_ADAMW,      /* how far fp32 AdamW moved a weight, against double */
    TOL_DERIVATIVE, /* fp32, against finite differences in double */
};

/* Fails the running test, naming `what` and the worst element. */
void assert_close(enum tolerance tol, const char *what, const float *got, const float *want, uint64_t n);
void assert_close_to(enum tolerance tol, const char *what, const float *got, const double *want, uint64_t n);
void assert_close_f64(enum tolerance tol, const char *what, double got, double want);

/* The same from a relative error that the caller found. */
void assert_error(enum tolerance tol, const char *what, double error, uint64_t at, double got, double want);

#endif
