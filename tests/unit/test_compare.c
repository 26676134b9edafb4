/* Two evaluations side by side: figures worked out by hand, and files that are not what they should be. */
#include "rl/compare.h"
#include "tests/support/run.h"
#include "tests/support/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct given {
    int row, tokens, correct;
};

/* A samples file; *name in the scratch folder. */
static const char *file_of(const char *name, const struct given *g, int n)
{
    char text[65536];
    int at = 0;
    for (int i = 0; i < n; i++)
        at += snprintf(text + at, sizeof text - (size_t)at,
                       "{\"row\":%d,\"problem\":\"p%d\",\"reference\":\"1\",\"answer\":null,\"correct\":%s,"
                       "\"tokens\":%d,\"text\":\"t\"}\n",
                       g[i].row, g[i].row, g[i].correct ? "true" : "false", g[i].tokens);
    const char *path = scratch(name);
    run_write(path, text);
    return path;
}

static void load(struct compare_answers *a, const char *path)
{
    struct err e = {0};
    if (compare_answers_load(a, path, &e)) fail_msg("%s", e.msg);
}

static void near(double x, double want)
{
    if (fabs(x - want) > 1e-12 * (1 + fabs(want))) fail_msg("%.17g, expected %.17g", x, want);
}

static void figures_are_right(void **state)
{
    static const struct given before[] = {{0, 100, 1}, {1, 60, 1}, {2, 30, 0}, {3, 40, 1}, {7, 90, 0}};
    static const struct given after[] = {{3, 50, 1}, {0, 40, 1}, {7, 45, 1}, {1, 60, 0}, {2, 10, 0}};
    struct compare_answers b, a;
    struct comparison c;
    struct err e = {0};
    (void)state;
    load(&b, file_of("before", before, 5));
    load(&a, file_of("after", after, 5));
    assert_int_equal(compare(&c, &b, &a, 1000, 1, &e), 0);
    assert_int_equal(c.n, 5);
    near(c.before.accuracy, 0.6), near(c.after.accuracy, 0.6);
    near(c.before.stderr_, sqrt(0.24 / 4));
    near(c.before.tokens_mean, 64), near(c.after.tokens_mean, 41);
    near(c.before.tokens_median, 60), near(c.after.tokens_median, 45);
    near(c.shorter.mean, 64.0 / 41), near(c.accuracy.mean, 0);
    assert_int_equal(c.lost, 1), assert_int_equal(c.gained, 1);
    near(c.ratio_mean, (2.5 + 1 + 3 + 0.8 + 2) / 5); /* 0: 2.5, 1: 1, 2: 3, 3: 0.8, 7: 2 */
    near(c.ratio_median, 2), near(c.ratio_min, 0.8), near(c.ratio_max, 3);
    near(c.longer, 0.2), near(c.width, 0.25);
    assert_int_equal(c.n_bins, 13);
    for (size_t i = 0; i < COMPARE_BINS; i++)
        assert_int_equal(c.bins[i], i == 3 || i == 4 || i == 8 || i == 10 || i == 12);
    assert_true(c.accuracy.low < 0 && c.accuracy.high > 0);
    assert_true(c.shorter.low < c.shorter.mean && c.shorter.high > c.shorter.mean);
    compare_answers_clear(&a), compare_answers_clear(&b);
}

/* Far ratios widen the bins, and the last bin holds the rest. */
static void histograms_hold_everything(void **state)
{
    struct given before[40], after[40];
    (void)state;
    for (int most = 2; most <= 4096; most *= 4) {
        struct compare_answers b, a;
        struct comparison c;
        struct err e = {0};
        size_t all = 0;
        for (int i = 0; i < 40; i++)
            before[i] = (struct given){i, 1 + i * most / 8, 0}, after[i] = (struct given){i, 1 + i % 3, 1};
        load(&b, file_of("before", before, 40));
        load(&a, file_of("after", after, 40));
        assert_int_equal(compare(&c, &b, &a, 100, 1, &e), 0);
        for (size_t i = 0; i < COMPARE_BINS; i++) all += c.bins[i];
        assert_int_equal(all, 40);
        assert_true(c.bins[c.n_bins - 1] > 0);
        assert_true(c.width == 8 || c.ratio_max < c.width * COMPARE_BINS);
        near(c.accuracy.mean, 1), near(c.accuracy.low, 1), near(c.accuracy.high, 1);
        compare_answers_clear(&a), compare_answers_clear(&b);
    }
}

/* For a difference d and n problems drawn in pairs the interval is about d +- 1.96 sd / sqrt(n). */
static void intervals_are_as_wide_as_they_should_be(void **state)
{
    enum { N = 400 };
    static struct given before[N], after[N];
    struct compare_answers b, a;
    struct comparison c, again;
    struct err e = {0};
    (void)state;
    for (int i = 0; i < N; i++) {
        before[i] = (struct given){i, 100, i % 10 != 0};
        after[i] = (struct given){i, 50, i % 10 != 0 && i % 20 != 1};
    }
    load(&b, file_of("before", before, N));
    load(&a, file_of("after", after, N));
    assert_int_equal(compare(&c, &b, &a, 4000, 1, &e), 0);
    near(c.accuracy.mean, -0.05), near(c.shorter.mean, 2), near(c.shorter.low, 2), near(c.shorter.high, 2);
    double half = 1.96 * sqrt(0.05 * 0.95 / N);
    assert_true(fabs(c.accuracy.low - (-0.05 - half)) < 0.15 * half);
    assert_true(fabs(c.accuracy.high - (-0.05 + half)) < 0.15 * half);
    assert_int_equal(compare(&again, &b, &a, 4000, 1, &e), 0);
    assert_memory_equal(&c, &again, sizeof c);
    compare_answers_clear(&a), compare_answers_clear(&b);
}

static void answers_under_a_cap_are_passed_over(void **state)
{
    struct compare_answers a;
    (void)state;
    run_write(
        scratch("capped"),
        "{\"row\":1,\"problem\":\"p\",\"reference\":\"1\",\"correct\":true,\"tokens\":9,\"text\":\"t\"}\n"
        "{\"row\":1,\"problem\":\"p\",\"reference\":\"1\",\"correct\":true,\"tokens\":3,\"text\":\"t\","
        "\"cap\":3}\n");
    load(&a, scratch("capped"));
    assert_int_equal(a.n, 1);
    assert_int_equal(a.at[0].tokens, 9);
    compare_answers_clear(&a);
}

#define ANSWER(row, tokens)                                                                                  \
    "{\"row\":" row ",\"problem\":\"p\",\"reference\":\"1\",\"correct\":true,\"tokens\":" tokens             \
    ",\"text\":\"t\"}\n"

static void what_is_no_samples_file(void **state)
{
    static const struct {
        const char *text;
        int code;
        const char *says;
    } cases[] = {
        {"", ERR_DATA_EMPTY, "no answers"},
        {ANSWER("1", "2") "{\"row\":2,\"prob", ERR_JSON_TRUNC, "bad:2 does not end"},
        {ANSWER("1", "2") "{\"row\":2,\"prob\n", ERR_JSON_TRUNC, "bad:2"},
        {ANSWER("1", "2") "\n", ERR_JSON_TRUNC, "bad:2"},
        {"[1]\n", ERR_ROW_TYPE, "bad:1"},
        {"{\"step\":1}\n", ERR_FIELD_MISSING, "row"},
        {ANSWER("1", "0"), ERR_FIELD_RANGE, "tokens"},
        {ANSWER("-1", "2"), ERR_FIELD_RANGE, "row"},
        {ANSWER("1.5", "2"), ERR_FIELD_TYPE, "row"},
        {ANSWER("1", "5000000000"), ERR_FIELD_RANGE, "tokens"},
        {ANSWER("1", "\"2\""), ERR_FIELD_TYPE, "tokens"},
        {ANSWER("1", "2") ANSWER("3", "2") ANSWER("1", "4"), ERR_DUP_KEY, "row 1 twice"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct compare_answers a;
        struct err e = {0};
        run_write(scratch("bad"), cases[i].text);
        int r = compare_answers_load(&a, scratch("bad"), &e);
        if (r != cases[i].code || !strstr(e.msg, cases[i].says))
            fail_msg("case %zu: %s [%s]", i, e.msg, err_name(r));
        assert_null(a.at);
    }
    struct compare_answers a;
    struct err e = {0};
    assert_int_equal(compare_answers_load(&a, scratch("absent"), &e), ERR_FILE_MISSING);
}

static void other_problems_are_named(void **state)
{
    static const struct given some[] = {{0, 5, 1}, {2, 5, 1}, {4, 5, 1}};
    static const struct given others[][3] = {{{0, 5, 1}, {3, 5, 1}, {4, 5, 1}}, {{0, 5, 1}, {2, 5, 1}}};
    static const char *const says[] = {"row 2 is answered before only",
                                       "3 problems are answered before and 2"};
    struct compare_answers a, b;
    struct comparison c;
    (void)state;
    load(&a, file_of("before", some, 3));
    for (int i = 0; i < 2; i++) {
        struct err e = {0};
        load(&b, file_of("after", others[i], 3 - i));
        assert_int_equal(compare(&c, &a, &b, 100, 1, &e), ERR_DATA_HASH);
        if (!strstr(e.msg, says[i])) fail_msg("%s", e.msg);
        compare_answers_clear(&b);
    }
    struct err e = {0};
    run_write(scratch("other"), ANSWER("0", "5"));
    load(&b, scratch("other"));
    assert_int_equal(compare(&c, &a, &b, 100, 1, &e), ERR_DATA_HASH);
    assert_non_null(strstr(e.msg, "row 0 is another problem"));
    compare_answers_clear(&a), compare_answers_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_are_right),
        cmocka_unit_test(histograms_hold_everything),
        cmocka_unit_test(intervals_are_as_wide_as_they_should_be),
        cmocka_unit_test(answers_under_a_cap_are_passed_over),
        cmocka_unit_test(what_is_no_samples_file),
        cmocka_unit_test(other_problems_are_named),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
