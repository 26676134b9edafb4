#include "tests/support/close.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static const struct {
    const char *name;
    double warn, fail;
} tolerances[] = {
    [TOL_LOGITS] = {"logits", 1e-5, 1e-4},
    [TOL_LOSS] = {"loss", 1e-5, 1e-4},
    [TOL_GRADIENT] = {"gradient", 2e-5, 1e-4},
    [TOL_STEPS] = {"loss over the steps", 2e-5, 1e-4},
    [TOL_VALUE] = {"value", 2e-6, 2e-5},
    [TOL_SUM] = {"sum in another order", 1e-5, 1e-4},
    [TOL_SUM_BF16] = {"sum in another order, bf16", 2e-3, 1e-2},
    [TOL_BF16] = {"bf16 gradient", 0.05, 0.1},
    [TOL_ADAMW] = {"way of a weight", 2e-5, 1e-4},
    [TOL_DERIVATIVE] = {"derivative", 2e-5, 1e-4},
    [TOL_WEIGHTS] = {"weights after the steps", 2e-4, 1e-3},
};

void assert_error(enum tolerance tol, const char *what, double error, uint64_t at, double got, double want)
{
    if (error > tolerances[tol].fail || isnan(error))
        fail_msg("%s, %s: off by %.3g of the largest at %llu: got %.9g, want %.9g", tolerances[tol].name,
                 what, error, (unsigned long long)at, got, want);
    if (error > tolerances[tol].warn)
        printf("warn: %s, %s: off by %.3g of the largest\n", tolerances[tol].name, what, error);
}

void assert_close(enum tolerance tol, const char *what, const float *got, const float *want, uint64_t n)
{
    double top = 1e-12, worst = 0;
    uint64_t at = 0;
    for (uint64_t i = 0; i < n; i++) top = fabs((double)want[i]) > top ? fabs((double)want[i]) : top;
    for (uint64_t i = 0; i < n; i++) {
        double d = fabs((double)got[i] - want[i]) / top;
        if (!(d <= worst)) worst = d, at = i;
    }
    assert_error(tol, what, worst, at, (double)got[at], (double)want[at]);
}

void assert_close_to(enum tolerance tol, const char *what, const float *got, const double *want, uint64_t n)
{
    double top = 1e-12, worst = 0;
    uint64_t at = 0;
    for (uint64_t i = 0; i < n; i++) top = fmax(fabs(want[i]), top);
    for (uint64_t i = 0; i < n; i++) {
        double d = fabs((double)got[i] - want[i]) / top;
        if (!(d <= worst)) worst = d, at = i;
    }
    assert_error(tol, what, worst, at, (double)got[at], want[at]);
}

void assert_close_f64(enum tolerance tol, const char *what, double got, double want)
{
    assert_error(tol, what, fabs(got - want) / fmax(fabs(want), 1e-12), 0, got, want);
}
