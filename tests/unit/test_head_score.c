/* AUC, calibration, temperature, routing and bootstrap against values computed by hand or another way. */
#include "infer/rng.h"
#include "train/head_score.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { N = 300 };

static struct score_rows rows_of(const float *p, const uint8_t *label, uint32_t n)
{
    struct score_rows s;
    struct err e = {0};
    if (score_rows_create(&s, p, label, n, &e)) fail_msg("%s", e.msg);
    return s;
}

static bool near_to(double a, double b)
{
    return fabs(a - b) < 1e-12;
}

/* The definition: over all pairs. */
static double pairs_auc(const float *p, const uint8_t *label, const uint32_t *times, uint32_t n)
{
    double wins = 0, pairs = 0;
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < n; k++) {
            if (label[i] != 1 || label[k] != 0) continue;
            double w = times ? (double)times[i] * times[k] : 1;
            wins += w * (p[i] > p[k] ? 1 : p[i] == p[k] ? 0.5 : 0), pairs += w;
        }
    return wins / pairs;
}

static void auc(void **state)
{
    (void)state;
    for (uint64_t t = 0; t < 60; t++) {
        float p[N];
        uint8_t label[N];
        uint32_t times[N], n = 2 + rng_u32(1, t, 0) % (N - 2), levels = 1 + (uint32_t)t % 20;
        for (uint32_t i = 0; i < n; i++) {
            p[i] = (float)(rng_u32(2, t, i) % (levels + 1)) / (float)levels;
            label[i] = i < 2 ? (uint8_t)i : (uint8_t)(rng_u32(3, t, i) & 1);
            times[i] = i < 2 ? 1 : rng_u32(4, t, i) % 4;
        }
        struct score_rows s = rows_of(p, label, n);
        assert_true(near_to(score_auc(&s, NULL), pairs_auc(p, label, NULL, n)));
        assert_true(near_to(score_auc(&s, times), pairs_auc(p, label, times, n)));
        score_rows_free(&s);
    }
    static const float four[] = {.1f, .4f, .35f, .8f}; /* scikit-learn's example */
    static const uint8_t l[] = {0, 0, 1, 1}, ones[] = {1, 1, 1, 1};
    struct score_rows s = rows_of(four, l, 4);
    assert_true(score_auc(&s, NULL) == 0.75);
    assert_true(isnan(score_auc(&s, (const uint32_t[]){1, 1, 0, 0})));
    score_rows_free(&s);
    s = rows_of(four, ones, 4);
    assert_true(isnan(score_auc(&s, NULL)));
    score_rows_free(&s);
}

static void accuracy(void **state)
{
    (void)state;
    static const float p[] = {.2f, .5f, .5f, .9f};
    static const uint8_t l[] = {0, 0, 1, 1};
    struct score_rows s = rows_of(p, l, 4);
    assert_true(score_accuracy(&s, NULL, 0.5) == 0.75); /* from the threshold on: 1 */
    assert_true(score_accuracy(&s, NULL, 0.51) == 0.75);
    assert_true(score_accuracy(&s, NULL, 2) == 0.5);
    assert_true(score_accuracy(&s, (const uint32_t[]){0, 3, 0, 1}, 0.5) == 0.25);
    score_rows_free(&s);
}

static void best_threshold(void **state)
{
    (void)state;
    for (uint64_t t = 0; t < 200; t++) {
        float p[20];
        uint8_t label[20];
        uint32_t n = 1 + (uint32_t)t % 20;
        for (uint32_t i = 0; i < n; i++) {
            p[i] = (float)(rng_u32(5, t, i) % 9) / 8;
            label[i] = (uint8_t)(rng_u32(6, t, i) & 1);
        }
        struct score_rows s = rows_of(p, label, n);
        double best = score_best_threshold(&s), got = score_accuracy(&s, NULL, best);
        for (int k = -1; k < 20; k++) assert_true(score_accuracy(&s, NULL, k / 16.0) <= got);
        score_rows_free(&s);
    }
}

/* Midway, and of two that are as good the one nearer to 1/2. */
static void best_threshold_by_hand(void **state)
{
    (void)state;
    struct score_rows s = rows_of((const float[]){.125f, .25f, .75f, 1}, (const uint8_t[]){0, 0, 1, 1}, 4);
    assert_true(score_best_threshold(&s) == .5);
    score_rows_free(&s);
    s = rows_of((const float[]){.125f, .25f, .5f, 1}, (const uint8_t[]){0, 1, 0, 1}, 4); /* 3/16 or 3/4 */
    assert_true(score_best_threshold(&s) == .75);
    score_rows_free(&s);
    s = rows_of((const float[]){.25f, .5f}, (const uint8_t[]){1, 1}, 2);
    assert_true(score_best_threshold(&s) == 0);
    score_rows_free(&s);
    s = rows_of((const float[]){.25f, .5f}, (const uint8_t[]){0, 0}, 2);
    assert_true(score_best_threshold(&s) == 1.5);
    score_rows_free(&s);
}

static void calibration(void **state)
{
    (void)state;
    /* bins of 1/4: {.1 .2} one right of two; {.5 .5} both; {1} wrong */
    static const float p[] = {.125f, .25f, .5f, .5f, 1};
    static const uint8_t l[] = {1, 0, 1, 1, 0};
    struct score_bin bin[4];
    struct score_rows s = rows_of(p, l, 5);
    double ece = score_ece(&s, NULL, 4, bin);
    assert_true(near_to(ece, ((1 - .125) + .25 + (2 - 1) + 1) / 5));
    assert_true(bin[0].n == 1 && bin[1].n == 1 && bin[2].n == 2 && bin[3].n == 1);
    assert_true(bin[2].p == 0.5 && bin[2].share == 1 && bin[3].p == 1 && bin[3].share == 0);
    assert_true(near_to(score_ece(&s, NULL, 1, NULL), fabs(3.0 / 5 - 2.375 / 5)));
    assert_true(near_to(score_ece(&s, (const uint32_t[]){0, 0, 2, 0, 0}, 4, bin), 0.5));
    assert_int_equal(bin[0].n, 0);
    assert_true(bin[0].p == 0 && bin[0].share == 0);
    score_rows_free(&s);
}

/* Labels drawn from sigmoid(x), logits told as 3 x: the temperature is 3; and no other does better. */
static void temperature(void **state)
{
    (void)state;
    enum { MANY = 20000 };
    static float logit[MANY];
    static uint8_t label[MANY];
    for (uint32_t i = 0; i < MANY; i++) {
        float x = 2 * rng_normal(1, 1, i);
        logit[i] = 3 * x;
        label[i] = rng_uniform(1, 2, i) < (double)score_probability(x, 1);
    }
    double t = score_temperature(logit, label, MANY), loss[3];
    assert_true(fabs(t - 3) < 0.15);
    for (int k = 0; k < 3; k++) {
        double at = t * (k == 0 ? 1 : k == 1 ? 0.99 : 1.01);
        loss[k] = 0;
        for (uint32_t i = 0; i < MANY; i++) {
            double x = (double)logit[i] / at;
            loss[k] += log1p(exp(-fabs(x))) + fmax(x, 0) - label[i] * x;
        }
    }
    assert_true(loss[0] < loss[1] && loss[0] < loss[2]);
    /* parted without a mistake: left alone; all wrong: as hot as it may be */
    assert_true(near_to(score_temperature((const float[]){-1, 1}, (const uint8_t[]){0, 1}, 2), 1));
    assert_true(near_to(score_temperature((const float[]){-1, 1}, (const uint8_t[]){1, 0}, 2), 100));
    assert_true(score_probability(0, 1) == 0.5f && score_probability(-9999, 1) >= 0 &&
                score_probability(9999, 0.01) == 1);
}

static void rows_refused(void **state)
{
    (void)state;
    struct score_rows s;
    assert_int_equal(score_rows_create(&s, NULL, NULL, 0, NULL), ERR_DATA_EMPTY);
    assert_int_equal(score_rows_create(&s, (const float[]){NAN}, (const uint8_t[]){0}, 1, NULL),
                     ERR_FIELD_RANGE);
    assert_int_equal(score_rows_create(&s, (const float[]){1.5f}, (const uint8_t[]){0}, 1, NULL),
                     ERR_FIELD_RANGE);
    assert_int_equal(score_rows_create(&s, (const float[]){.5f}, (const uint8_t[]){2}, 1, NULL),
                     ERR_FIELD_RANGE);
    assert_null(s.order);
}

/* ---- routing ------------------------------------------------------------------------------------------- */

static const float route_p[] = {.1f, .9f, .5f, .5f, .3f};
static const uint8_t base_right[] = {1, 0, 0, 1, 1}, adapter_right[] = {1, 1, 1, 1, 0};
static const uint32_t base_tokens[] = {10, 10, 10, 10, 10}, adapter_tokens[] = {100, 200, 100, 100, 100};
static const struct route_rows prompts = {route_p, base_right, adapter_right, base_tokens, adapter_tokens, 5};

static void curve(void **state)
{
    (void)state;
    static const struct {
        double routed, accuracy, tokens, low, high;
    } want[] = {{0, .6, 10, 1, INFINITY},
                {.2, .8, 48, .5, .9},
                {.6, 1, 84, .3, .5},
                {.8, .8, 102, .1, .3},
                {1, .8, 120, -1, .1}};
    struct route_point at[6];
    uint32_t n;
    assert_int_equal(route_curve(&prompts, NULL, at, &n, NULL), 0);
    assert_int_equal(n, 5);
    for (uint32_t i = 0; i < n; i++) {
        assert_true(near_to(at[i].routed, want[i].routed) && near_to(at[i].accuracy, want[i].accuracy) &&
                    near_to(at[i].tokens, want[i].tokens));
        assert_true(at[i].threshold > want[i].low && at[i].threshold <= want[i].high);
        assert_true(near_to(at[i].random, .6 + .2 * want[i].routed));
        struct route_point again = route_at(&prompts, NULL, at[i].threshold);
        assert_true(near_to(again.accuracy, at[i].accuracy) && near_to(again.tokens, at[i].tokens) &&
                    near_to(again.routed, at[i].routed) && near_to(again.random, at[i].random));
    }
    assert_true(near_to(route_worst(at, n), .8 - .76));
    assert_true(route_worst(at, 2) == 0);
    /* thresholds for what is wanted */
    assert_ptr_equal(route_for_accuracy(at, n, .75), &at[1]);
    assert_ptr_equal(route_for_accuracy(at, n, .9), &at[2]);
    assert_ptr_equal(route_for_accuracy(at, n, 0), &at[0]);
    assert_null(route_for_accuracy(at, n - 3, .9));
    assert_ptr_equal(route_for_saving(at, n, .3), &at[2]);
    assert_ptr_equal(route_for_saving(at, n, .5), &at[1]);
    assert_ptr_equal(route_for_saving(at, n, .9), &at[0]);
    assert_null(route_for_saving(at, n, .95));
}

static void curve_of_a_draw(void **state)
{
    (void)state;
    struct route_point at[6];
    uint32_t n, times[] = {2, 0, 1, 0, 1};
    assert_int_equal(route_curve(&prompts, times, at, &n, NULL), 0);
    assert_int_equal(n, 4);
    assert_true(near_to(at[0].accuracy, .75) && near_to(at[1].accuracy, 1) && near_to(at[2].accuracy, .75) &&
                near_to(at[3].tokens, 100) && near_to(at[1].routed, .25));
    memset(times, 0, sizeof times);
    assert_int_equal(route_curve(&prompts, times, at, &n, NULL), ERR_DATA_EMPTY);
}

/* ---- bootstrap ----------------------------------------------------------------------------------------- */

struct sums {
    const double *x;
    const uint64_t *group;
    uint32_t n, calls;
};

/* The mean; on the way, that a group is drawn whole. */
static double mean(void *ctx, const uint32_t *times)
{
    struct sums *s = ctx;
    double sum = 0, all = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        uint32_t k = times ? times[i] : 1;
        sum += k * s->x[i], all += k;
        for (uint32_t j = 0; s->group && times && j < i; j++)
            if (s->group[i] == s->group[j]) assert_int_equal(times[i], times[j]);
    }
    s->calls++;
    return sum / all;
}

static void bootstrap(void **state)
{
    (void)state;
    enum { MANY = 400 };
    static double x[MANY];
    static uint64_t group[MANY];
    double sum = 0, square = 0;
    for (uint32_t i = 0; i < MANY; i++) {
        x[i] = (double)rng_normal(9, 9, i);
        sum += x[i], square += x[i] * x[i];
    }
    double m = sum / MANY, error = sqrt((square / MANY - m * m) / MANY);
    struct sums s = {x, NULL, MANY, 0};
    struct spread one, two, other, grouped;
    assert_int_equal(score_bootstrap(&one, mean, &s, NULL, MANY, 1000, 1, NULL), 0);
    assert_int_equal(s.calls, 1001);
    assert_int_equal(score_bootstrap(&two, mean, &s, NULL, MANY, 1000, 1, NULL), 0);
    assert_int_equal(score_bootstrap(&other, mean, &s, NULL, MANY, 1000, 2, NULL), 0);
    assert_memory_equal(&one, &two, sizeof one);
    assert_true(one.low != other.low);
    assert_true(one.value == m);
    assert_true(fabs((one.high - one.low) / (2 * 1.96 * error) - 1) < 0.1);
    assert_true(fabs((one.high + one.low) / 2 - m) < 0.2 * error);

    /* pairs of equal rows: the interval is that of half as many */
    for (uint32_t i = 0; i < MANY; i++) x[i] = (double)rng_normal(9, 9, i / 2), group[i] = ~(uint64_t)(i / 2);
    s.group = group;
    assert_int_equal(score_bootstrap(&one, mean, &s, group, MANY, 300, 1, NULL), 0);
    s.group = NULL;
    assert_int_equal(score_bootstrap(&grouped, mean, &s, NULL, MANY, 300, 1, NULL), 0);
    assert_in_range((one.high - one.low) / (grouped.high - grouped.low) * 100, 125, 160);
}

/* Resamples without one of the labels have no AUC and are passed over. */
static void without_a_value(void **state)
{
    (void)state;
    static const float p[] = {.1f, .9f, .8f};
    static const uint8_t l[] = {0, 1, 1}, ones[] = {1, 1, 1};
    struct score_rows s = rows_of(p, l, 3);
    struct score_ctx c = {.rows = &s, .threshold = .5, .bins = 10};
    struct spread out;
    assert_int_equal(score_bootstrap(&out, score_auc_fn, &c, NULL, 3, 50, 3, NULL), 0);
    assert_true(out.value == 1 && out.low == 1 && out.high == 1);
    assert_int_equal(score_bootstrap(&out, score_accuracy_fn, &c, NULL, 3, 50, 3, NULL), 0);
    assert_true(out.value == 1 && out.low == 1);
    assert_int_equal(score_bootstrap(&out, score_ece_fn, &c, NULL, 3, 50, 3, NULL), 0);
    assert_true(out.value > 0.1 && out.low <= out.value && out.value <= out.high);
    score_rows_free(&s);
    s = rows_of(p, ones, 3);
    assert_int_equal(score_bootstrap(&out, score_auc_fn, &c, NULL, 3, 50, 3, NULL), 0);
    assert_true(isnan(out.value) && isnan(out.low) && isnan(out.high));
    score_rows_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(auc),
        cmocka_unit_test(best_threshold),
        cmocka_unit_test(best_threshold_by_hand),
        cmocka_unit_test(accuracy),
        cmocka_unit_test(calibration),
        cmocka_unit_test(temperature),
        cmocka_unit_test(rows_refused),
        cmocka_unit_test(curve),
        cmocka_unit_test(curve_of_a_draw),
        cmocka_unit_test(bootstrap),
        cmocka_unit_test(without_a_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
