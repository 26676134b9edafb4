/* Figures of answers, by hand; and the same from a file as from memory. */
#include "rl/eval_stats.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N = 3, REPEATS = 4 };

/* Problem 0 is right always, 1 never, 2 in repeats 0 and 3. */
static void fill(struct eval_record *r)
{
    static const char *const said[REPEATS][N] = {
        {"5", "1", "\\frac12"}, {"5.0", "2", "3"}, {"5", NULL, "4"}, {"05", "2", "0.5"}};
    for (uint32_t k = 0; k < REPEATS; k++)
        for (uint32_t i = 0; i < N; i++)
            r[k * N + i] = (struct eval_record){.there = true,
                                                .correct = i == 0 || (i == 2 && k % 3 == 0),
                                                .exact = i == 0,
                                                .verdict = said[k][i] ? GRADE_EQUAL : GRADE_NO_ANSWER,
                                                .closed = k == 1,
                                                .tokens = 10 * k + i + 1,
                                                .graded = 1,
                                                .right = i == 0,
                                                .answer = said[k][i] ? strdup(said[k][i]) : NULL};
}

static bool near(double a, double b)
{
    return fabs(a - b) < 1e-12;
}

static void by_hand(void **state)
{
    struct eval_record *r = calloc(N * REPEATS, sizeof *r);
    struct eval_result out;
    (void)state;
    fill(r);
    assert_int_equal(eval_stats(&out, r, N, REPEATS, NULL), 0);
    assert_true(out.n == N && out.repeats == REPEATS && near(out.accuracy, 0.5) && near(out.exact, 1 / 3.0));
    /* means of problems 1, 0, 1/2; of repeats 2/3, 1/3, 1/3, 2/3 */
    assert_true(near(out.stderr_, sqrt(0.5 / (3 * 2))));
    assert_true(near(out.stderr_repeats, sqrt(4 / 36.0 / (4 * 3))));
    assert_true(near(out.tokens_mean, 17) && near(out.tokens_median, 17) && near(out.tokens_p95, 32.45));
    assert_true(near(out.closed, 0.25) && near(out.no_answer, 1 / 12.0));
    assert_true(near(out.majority, 2 / 3.0)); /* of problem 2: 1/2 twice */
    assert_true(near(eval_pass(r, N, REPEATS, 1), 0.5));
    assert_true(near(eval_pass(r, N, REPEATS, 2), (1 + 0 + 1 - 1 / 6.0) / 3));
    assert_true(near(eval_pass(r, N, REPEATS, 4), 2 / 3.0));
    assert_true(near(out.single, 1 / 3.0) && near(out.oracle, 1 / 3.0));
    eval_records_free(r, N * REPEATS);
    eval_records_free(NULL, 3);
}

static void of_one(void **state)
{
    struct eval_record r = {.there = true, .correct = true, .tokens = 7, .graded = 1, .right = 1};
    struct eval_result out;
    (void)state;
    assert_int_equal(eval_stats(&out, &r, 1, 1, NULL), 0);
    assert_true(out.accuracy == 1 && out.stderr_ == 0 && out.stderr_repeats == 0 && out.majority == 0);
    assert_true(out.tokens_median == 7 && out.tokens_p95 == 7);
}

static void ks_to_show(void **state)
{
    size_t seen = 0;
    (void)state;
    for (size_t k = 1; k <= 10; k = eval_next_k(k, 10)) seen = seen * 100 + k;
    assert_int_equal(seen, 102040810);
    assert_true(eval_next_k(1, 1) > 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(by_hand), cmocka_unit_test(of_one),
                                       cmocka_unit_test(ks_to_show)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
