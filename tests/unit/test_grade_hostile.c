/* Answers written to be slow, deep or long: each is judged in bounded time. And threads, each by itself. */
#include "tests/support/clock.h"
#include "tests/support/compare.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *repeated(const char *piece, size_t n)
{
    char *s = malloc(n + 1);
    for (size_t i = 0, k = strlen(piece); i < n; i++) s[i] = piece[i % k];
    s[n] = 0;
    return s;
}

static void quickly(const char *reference, const char *candidate, bool may_be_equal)
{
    double start = cpu_seconds();
    struct grade g = compare(reference, candidate);
    double seconds = cpu_seconds() - start;
    if (seconds > 0.25) fail_msg("%.40s and %.40s took %.2f s", reference, candidate, seconds);
    if (!may_be_equal && g.verdict == GRADE_EQUAL)
        fail_msg("%.40s and %.40s are not equal", reference, candidate);
    assert_non_null(g.rule);
}

static void hostile_answers_are_bounded(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "9^9^9^9",
        "9^{9^{9^{9^9}}}",
        "1e999999999",
        "1e-999999999",
        "10^{10^{10}}",
        "99999!",
        "((99!)!)!",
        "\\binom{99999999}{5000000}",
        "\\sqrt[999999999]{2}",
        "2^{1/999999999}",
        "\\sin(10^{10^6})",
        "\\sin(10^{300})",
        "e^{e^{e^{e^e}}}",
        "\\log_1 5",
        "\\log_0 0",
        "0^0",
        "0^{-1}",
        "\\infty - \\infty",
        "\\tan(\\pi/2)",
        "x^{x^{x^{x^x}}}",
        "\\frac{1}{x-x}",
        "\\sqrt{\\sqrt{\\sqrt{\\sqrt{\\sqrt{-x}}}}}",
        "5_5",
        "12_{0}",
        "1_{99999999999}",
        "\\begin{pmatrix}",
        "\\begin{pmatrix}1&2\\\\3\\end{pmatrix}",
        "\\frac",
        "\\frac{1}",
        "\\sqrt[",
        "\\left",
        "^",
        "_",
        "x_",
        "x_{",
        "|",
        "||||",
        "\\text{",
        "\xff\xfe",
        "\\",
        "{,}",
        "1{,}",
        "0.\\overline{",
        "=",
        "<<",
        ":::",
        "\\pm\\pm\\pm",
        "(\\pm 1)(\\pm 2)",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        quickly("12", texts[i], false);
        quickly(texts[i], "12", false);
        for (size_t j = 0; j < sizeof texts / sizeof *texts; j++) quickly(texts[i], texts[j], true);
    }
}

static void hostile_repetition_is_bounded(void **state)
{
    (void)state;
    static const char *const pieces[] = {"{",          "(",       "[",
                                         "|",          "9",       "1,",
                                         "9^",         "-",       "\\frac{",
                                         "\\sqrt",     "!",       "1/",
                                         "\\pm 1",     "\\pm 1,", "(1,2),",
                                         "x+",         "xy",      "\\sin ",
                                         "x^",         "=1",      "<x",
                                         "1:2",        "_1",      "\\boxed{",
                                         "\\text{a}",  "and 1 ",  "1_2",
                                         ")",          "}",       "\\begin{pmatrix}",
                                         "&",          "\\\\",    "\\cup(1,2)",
                                         "%",          "x=1,",    "99999^",
                                         "(x+1)(x-1)", "\\left(", "1+\\frac{1}{",
                                         "f("};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        for (size_t n = 60; n <= 10240; n *= 4) {
            char *s = repeated(pieces[i], n), *t = repeated(pieces[i], n - 1);
            quickly("12", s, true);
            quickly(s, t, true);
            quickly(t, "x^2", true);
            free(s), free(t);
        }
}

static void *grade_in_thread(void *arg)
{
    size_t *wrong = arg;
    for (int i = 0; i < 200; i++) {
        char text[64];
        snprintf(text, sizeof text, "\\sqrt{%d}\\pi + e^{%d}", i + 2, i % 7);
        *wrong += compare(text, text + 0).verdict != GRADE_EQUAL;
        *wrong += compare("\\sin^2 x + \\cos^2 x", "\\ln e").verdict != GRADE_EQUAL;
    }
    grade_thread_end();
    return NULL;
}

static void threads_do_not_meet(void **state)
{
    (void)state;
    pthread_t t[4];
    size_t wrong[4] = {0};
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&t[i], NULL, grade_in_thread, &wrong[i]), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(t[i], NULL);
        assert_int_equal(wrong[i], 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_answers_are_bounded),
        cmocka_unit_test(hostile_repetition_is_bounded),
        cmocka_unit_test(threads_do_not_meet),
    };
    int r = cmocka_run_group_tests(tests, NULL, NULL);
    grade_thread_end();
    return r;
}
