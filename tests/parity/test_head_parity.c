/* A head's loss, gradients and way under AdamW on stored vectors, against torch
 * (scripts/fixtures/head_fixture.py): within 1e-5 of the largest number of each array. */
#include "checkpoints/safetensors.h"
#include "train/head_train.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 40, WIDTH = 70, HIDDEN = 8, STEPS = 5 };

static struct safetensors *file;

static const void *tensor(const char *head, const char *name, uint64_t n)
{
    char full[64];
    snprintf(full, sizeof full, "%s%s", head, name);
    const struct tensor *t = safetensors_find(file, full);
    if (!t || t->bytes != n * 4) fail_msg("no %s of %d numbers in the fixture", full, (int)n);
    return t->data;
}

static void same(const char *head, const char *what, const float *got, uint64_t n)
{
    const float *want = tensor(head, what, n);
    float top = 0, off = 0;
    for (uint64_t i = 0; i < n; i++) {
        top = fmaxf(top, fabsf(want[i]));
        off = !(fabsf(got[i] - want[i]) <= off) ? fabsf(got[i] - want[i]) : off;
    }
    if (!(off <= 1e-5f * top))
        fail_msg("%s%s: off by %g, the largest is %g", head, what, (double)off, (double)top);
}

static void against_torch(const char *head, uint32_t hidden)
{
    const float *weight = tensor("", "weight", 2);
    const int32_t *labels = tensor("", "label", ROWS);
    struct head_recipe c = {.hidden = hidden,
                            .weight = {(double)weight[0], (double)weight[1]},
                            .learning_rate = 1e-2,
                            .weight_decay = 0.1,
                            .batch = ROWS,
                            .epochs = 1};
    uint8_t label[ROWS];
    uint32_t order[ROWS];
    float losses[STEPS];
    struct head_trainer t;
    struct err e = {0};
    for (uint32_t i = 0; i < ROWS; i++) label[i] = (uint8_t)labels[i], order[i] = i;
    struct head_rows rows = {tensor("", "x", ROWS * WIDTH), WIDTH, label, NULL, ROWS, WIDTH};
    if (head_trainer_create(&t, &c, &rows, NULL, &e)) fail_msg("%s", e.msg);
    memcpy(t.theta, tensor(head, ".start", t.count), t.count * sizeof *t.theta);
    for (int s = 0; s < STEPS; s++) {
        losses[s] = (float)head_gradient(&t, &rows, order, ROWS, 0);
        if (s == 0) {
            same(head, ".logits", t.logit, ROWS);
            same(head, ".grad", t.grad, t.count);
        }
        assert_int_equal(head_step(&t, &e), 0);
    }
    same(head, ".loss", losses, STEPS);
    same(head, ".end", t.theta, t.count);
    head_trainer_free(&t);
}

static void linear(void **state)
{
    (void)state;
    against_torch("linear", 0);
}

static void hidden(void **state)
{
    (void)state;
    against_torch("hidden", HIDDEN);
}

static int setup(void **state)
{
    (void)state;
    return safetensors_open(&file, "tests/fixtures/head/head.safetensors", NULL);
}

static int teardown(void **state)
{
    (void)state;
    safetensors_close(file);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(linear), cmocka_unit_test(hidden)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
