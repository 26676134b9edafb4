/* Routing by a fitted head: thresholds come from validation rows and are what they were asked to be, figures
 * from test rows and are what counting gives, the curve's gain is above random where the head knows more. */
#include "infer/rng.h"
#include "tests/support/scratch.h"
#include "train/route_fit.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WIDTH = 6, ROWS = 800, BASE_TOKENS = 10, ADAPTER_TOKENS = 100 };

static const char digest[] = "d000000000000000000000000000000000000000000000000000000000000000";
static struct features *set;
static uint32_t shift; /* of the rows that are written */
static struct head_fit head;
static struct head_fit_config config;

/* Half the prompts are chat, which the base answers and the adapter spoils; of the problems the base solves
 * none, the adapter nine in ten. What a prompt is shows in its states, one in twenty the wrong way round. */
static void write_set(const char *name, uint32_t measured)
{
    static const uint32_t depth = 3;
    struct features_origin o = {"switcher", digest, digest, "", "mean", "", "", &depth, 1, WIDTH};
    struct features_writer *w;
    struct err e = {0};
    if (features_writer_open(&w, scratch(name), &o, &e)) fail_msg("%s", e.msg);
    for (uint32_t i = 0; i < ROWS; i++) {
        float x[WIDTH];
        uint32_t r = rng_u32(1, 1, shift + i);
        bool problem = r & 1, solved = problem && (r >> 8) % 10, odd = (r >> 16) % 20 == 0;
        rng_fill_normal(1, 2, (uint64_t)(shift + i) * 8, x, WIDTH);
        x[2] = 0.3f * x[2] + (problem != odd ? 2 : -2);
        struct feature row = {.group = shift + i,
                              .text = i,
                              .label = solved,
                              .prompt_tokens = 20 + i % 7,
                              .base_tokens = BASE_TOKENS,
                              .adapter_tokens = ADAPTER_TOKENS,
                              .answer = -1,
                              .base_right = !problem,
                              .adapter_right = solved};
        if (i >= measured) row.base_right = FEATURE_UNKNOWN;
        if (features_writer_add(w, &row, x, &e)) fail_msg("%s", e.msg);
    }
    if (features_writer_commit(w, &e)) fail_msg("%s", e.msg);
}

static int setup(void **state)
{
    struct err e = {0};
    scratch_setup(state);
    write_set("set", ROWS);
    config = (struct head_fit_config){.recipe = head_recipe_defaults,
                                      .balance = true,
                                      .train = 0.5,
                                      .valid = 0.25,
                                      .resamples = 60,
                                      .bins = 10};
    config.recipe.hidden = 0, config.recipe.learning_rate = 1e-2, config.recipe.epochs = 20;
    if (features_open(&set, scratch("set"), &e) || head_fit(&head, set, NULL, &config, NULL, NULL, NULL, &e))
        fail_msg("%s", e.msg);
    return 0;
}

static int teardown(void **state)
{
    head_fit_free(&head);
    features_close(set);
    return scratch_teardown(state);
}

static struct route_fit fit(enum route_goal goal, double value)
{
    struct route_target t = {goal, value};
    struct route_fit r;
    struct err e = {0};
    if (route_fit(&r, &head, set, NULL, &t, &config, &e)) fail_msg("%s", e.msg);
    return r;
}

/* The test part by hand, at a threshold. */
struct counted {
    double n, routed, right, tokens, pays, caught, wasted, chat, think;
};

static struct counted count(double threshold)
{
    struct counted c = {0};
    for (uint32_t i = 0; i < head.rows[FEATURES_TEST]; i++) {
        const struct feature *row = &features_rows(set)[head.pick[i]];
        bool on = (double)head.p[head.pick[i]] >= threshold, pays = !row->base_right && row->adapter_right;
        c.n++, c.routed += on, c.right += on ? row->adapter_right : row->base_right;
        c.tokens += on ? ADAPTER_TOKENS : BASE_TOKENS;
        c.pays += pays, c.caught += on && pays, c.wasted += on && !pays;
        c.chat += row->base_right, c.think += row->adapter_right;
    }
    return c;
}

static bool is(const struct spread *s, double value)
{
    return fabs(s->value - value) < 1e-12 && s->low <= value && value <= s->high;
}

static void figures(void **state)
{
    (void)state;
    struct route_fit r = fit(ROUTE_ACCURATE, 0);
    struct counted c = count(r.valid.threshold);
    assert_true(r.met && c.n > 150 && r.accuracy.value > 0.85);
    double right = 0, n = head.rows[FEATURES_VALID];
    for (uint32_t i = 0; i < n; i++) { /* nothing is as good as what was picked, on validation rows */
        const struct feature *row = &features_rows(set)[head.valid_pick[i]];
        right += (double)head.valid_p[i] >= r.valid.threshold ? row->adapter_right : row->base_right;
    }
    assert_true(fabs(r.valid.accuracy - right / n) < 1e-12);
    assert_true(is(&r.routed, c.routed / c.n) && is(&r.accuracy, c.right / c.n) &&
                is(&r.tokens, c.tokens / c.n));
    assert_true(is(&r.saving, 1 - c.tokens / c.n / ADAPTER_TOKENS));
    assert_true(is(&r.change, (c.right - c.think) / c.n));
    assert_true(is(&r.caught, c.caught / c.pays) && is(&r.wasted, c.wasted / (c.n - c.pays)));
    assert_true(r.caught.low < r.caught.value && r.caught.value < r.caught.high);
    assert_true(r.chat.accuracy == c.chat / c.n && fabs(r.think.accuracy - c.think / c.n) < 1e-12);
    assert_true(r.chat.tokens == BASE_TOKENS && r.think.tokens == ADAPTER_TOKENS);
    assert_true(r.auc.value == head.auc.value); /* here labels are what was measured */
    route_fit_free(&r);
    assert_null(r.curve);
}

static void steps(void **state)
{
    (void)state;
    struct route_fit r = fit(ROUTE_ACCURATE, 0);
    for (int k = 0; k < ROUTE_STEPS; k++) {
        const struct route_step *s = &r.step[k];
        double at = k / 10.0, straight = r.chat.accuracy + at * (r.think.accuracy - r.chat.accuracy);
        assert_true(fabs(s->routed - at) < 1e-12);
        assert_true(fabs(s->accuracy - route_accuracy(r.curve, r.n, at, false)) < 1e-12);
        assert_true(fabs(s->gain.value - (s->accuracy - straight)) < 1e-12);
        assert_true(fabs(s->tokens - (BASE_TOKENS + at * (ADAPTER_TOKENS - BASE_TOKENS))) < 1e-9);
        assert_true(fabs(s->accuracy - route_accuracy(r.curve, r.n, s->tokens, true)) < 1e-9);
        if (k && k < 10) assert_true(s->gain.low > 0 && s->gain.value > 0.05);
    }
    assert_true(fabs(r.step[0].gain.value) < 1e-12 && fabs(r.step[10].gain.high) < 1e-12);
    assert_true(r.step[5].gain.value > 0.35);
    assert_true(route_accuracy(r.curve, r.n, -1, false) == r.chat.accuracy &&
                route_accuracy(r.curve, r.n, 2, false) == r.think.accuracy);
    double worst = 1;
    for (uint32_t i = 1; i + 1 < r.n; i++) worst = fmin(worst, r.curve[i].accuracy - r.curve[i].random);
    assert_true(r.worst == worst);
    route_fit_free(&r);
}

/* A target is met on validation rows and about as well on the test's. */
static void targets(void **state)
{
    (void)state;
    for (double saving = 0.1; saving < 0.85; saving += 0.25) {
        struct route_fit r = fit(ROUTE_FOR_SAVING, saving);
        assert_true(r.met && 1 - r.valid.tokens / ADAPTER_TOKENS >= saving);
        assert_true(r.saving.value > saving - 0.1);
        route_fit_free(&r);
    }
    struct route_fit most = fit(ROUTE_ACCURATE, 0), r = fit(ROUTE_FOR_ACCURACY, 0.6);
    assert_true(r.met && r.valid.accuracy >= 0.6 && r.valid.tokens < most.valid.tokens);
    route_fit_free(&r);
    r = fit(ROUTE_FOR_SAVING, 0.95); /* the base alone saves 0.9 */
    assert_true(!r.met && r.valid.tokens == BASE_TOKENS && r.valid.threshold == 1 && r.routed.value == 0);
    route_fit_free(&r);
    r = fit(ROUTE_FOR_ACCURACY, 0.999);
    assert_true(!r.met && r.valid.accuracy == most.valid.accuracy && r.valid.tokens == most.valid.tokens);
    route_fit_free(&r), route_fit_free(&most);
}

static void unmeasured(void **state)
{
    (void)state;
    struct route_target t = {0};
    struct route_fit r;
    struct head_fit h;
    struct err e = {0};
    struct features *some;
    write_set("some", ROWS / 2);
    if (features_open(&some, scratch("some"), &e) || head_fit(&h, some, NULL, &config, NULL, NULL, NULL, &e))
        fail_msg("%s", e.msg);
    assert_int_equal(route_fit(&r, &h, some, NULL, &t, &config, &e), ERR_DATA_EMPTY);
    assert_non_null(strstr(e.msg, "the validation part: row 4"));
    assert_null(r.curve);
    head_fit_free(&h);
    features_close(some);
}

/* Trained on one set, tested on another: the threshold is the first's, the figures the second's. */
static void another_set(void **state)
{
    (void)state;
    struct route_target t = {ROUTE_FOR_SAVING, 0.5};
    struct route_fit r;
    struct head_fit h;
    struct err e = {0};
    struct features *test;
    shift = ROWS;
    write_set("test", ROWS);
    if (features_open(&test, scratch("test"), &e) || head_fit(&h, set, test, &config, NULL, NULL, NULL, &e) ||
        route_fit(&r, &h, set, test, &t, &config, &e))
        fail_msg("%s", e.msg);
    double right = 0;
    for (uint32_t i = 0; i < ROWS; i++) {
        const struct feature *row = &features_rows(test)[i];
        right += (double)h.p[i] >= r.valid.threshold ? row->adapter_right : row->base_right;
    }
    assert_true(h.rows[FEATURES_TEST] == ROWS && is(&r.accuracy, right / ROWS));
    route_fit_free(&r);
    head_fit_free(&h);
    features_close(test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(figures), cmocka_unit_test(steps),
                                       cmocka_unit_test(targets), cmocka_unit_test(unmeasured),
                                       cmocka_unit_test(another_set)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
