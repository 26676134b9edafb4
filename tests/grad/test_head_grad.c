/* The gradient of a head - standardised input with noise, ReLU, dropout, weighted cross-entropy - against
 * finite differences of the same in double. */
#include "infer/rng.h"
#include "tests/support/close.h"
#include "train/head_train.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 30, BATCH = 21, WIDTH = 67, PARAMS_MAX = (WIDTH + 2) * 9 + 1 };

/* The loss of the batch last run, on the trainer's own noisy vectors and masks. */
static double loss_of(const struct head_trainer *t, const struct head_rows *r, const uint32_t *order,
                      const double *theta)
{
    const double *bias = theta + WIDTH * t->units, *out = bias + t->units;
    double sum = 0;
    for (uint32_t i = 0; i < BATCH; i++) {
        double logit = t->c.hidden ? out[t->units] : 0;
        for (uint32_t j = 0; j < t->units; j++) {
            double a = bias[j];
            for (uint32_t k = 0; k < WIDTH; k++) a += (double)t->z[i * WIDTH + k] * theta[k * t->units + j];
            logit += t->c.hidden ? out[j] * fmax(a, 0) * (double)t->mask[i * t->units + j] : a;
        }
        uint8_t label = r->label[order[i]];
        sum += t->c.weight[label] * (log1p(exp(-fabs(logit))) + fmax(logit, 0) - label * logit);
    }
    return sum / BATCH;
}

static void check(uint32_t hidden, double dropout, double noise)
{
    static float x[ROWS * WIDTH];
    uint8_t label[ROWS];
    uint32_t order[BATCH];
    struct head_trainer t;
    struct err e = {0};
    rng_fill_normal(1, 1, 0, x, ROWS * WIDTH);
    for (uint32_t i = 0; i < ROWS; i++) label[i] = i % 3 == 1;
    for (uint32_t i = 0; i < BATCH; i++) order[i] = (i * 7 + 3) % ROWS;
    struct head_rows rows = {x, WIDTH, label, NULL, ROWS, WIDTH};
    struct head_recipe c = head_recipe_defaults;
    c.hidden = hidden, c.dropout = dropout, c.noise = noise, c.batch = BATCH, c.seed = 9;
    c.weight[0] = 0.7, c.weight[1] = 1.9;
    if (head_trainer_create(&t, &c, &rows, NULL, &e)) fail_msg("%s", e.msg);
    for (uint64_t i = 0; i < t.count; i++) t.theta[i] += 0.2f * rng_normal(2, 2, i);

    double loss = head_gradient(&t, &rows, order, BATCH, 4), theta[PARAMS_MAX], slope[PARAMS_MAX];
    for (uint64_t i = 0; i < t.count; i++) theta[i] = (double)t.theta[i];
    assert_close_f64(TOL_LOSS, "loss", loss, loss_of(&t, &rows, order, theta));
    for (uint64_t i = 0; i < t.count; i++) {
        double held = theta[i], high, step = 1e-6;
        theta[i] = held + step, high = loss_of(&t, &rows, order, theta);
        theta[i] = held - step, slope[i] = (high - loss_of(&t, &rows, order, theta)) / (2 * step);
        theta[i] = held;
    }
    assert_close_to(TOL_DERIVATIVE, "gradient", t.grad, slope, t.count);
    head_trainer_free(&t);
}

static void linear(void **state)
{
    (void)state;
    check(0, 0, 0);
    check(0, 0, 0.5);
}

static void hidden(void **state)
{
    (void)state;
    check(8, 0, 0);
    check(8, 0.2, 0.5);
    check(5, 0.7, 0.1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(linear), cmocka_unit_test(hidden)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
