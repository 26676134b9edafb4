/* Rewards, advantages, the value head and the budget's wording, against numbers worked out by hand. */
#include "rl/advantage.h"
#include "rl/reward.h"
#include "rl/rollout.h"
#include "rl/value.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void near(double got, double want)
{
    if (!(fabs(got - want) <= 1e-6 * (1 + fabs(want)))) fail_msg("%.9g, expected %.9g", got, want);
}

/* The weighted sum that `terms` gives answer i of four. */
static float reward_of(const char *terms, enum truncated_reward t, int i)
{
    /* right in 50, right in 150, wrong in 100, right in 200 but cut off; budget 100 of 200 */
    struct outcome o[4] = {
        {.correct = true, .found = true, .formed = true, .tokens = 50, .thinking = 40},
        {.correct = true, .found = true, .formed = true, .tokens = 150, .thinking = 140},
        {.correct = false, .found = true, .formed = false, .tokens = 100, .thinking = 90},
        {.correct = true, .found = true, .truncated = true, .tokens = 200, .thinking = 200}};
    struct reward_config c = {.lambda = 0.5,
                              .margin = 0.2,
                              .floor = 0.1,
                              .slope = 0.01,
                              .sharpness = 0.4,
                              .buffer = 80,
                              .truncated = t};
    float term[4 * REWARD_TERMS], total[4];
    struct err e = {0};
    char text[128], *next = text, *one;
    snprintf(text, sizeof text, "%s", terms);
    while ((one = strsep(&next, ","))) assert_int_equal(reward_parse(&c, one, &e), 0);
    for (int k = 0; k < 4; k++) o[k].budget = 100, o[k].longest = 200;
    assert_int_equal(reward_group(&c, o, 4, term, total, &e), 0);
    return total[i];
}

static void terms(void **state)
{
    (void)state;
    near(reward_of("correct", TRUNCATED_KEEP, 0), 1);
    near(reward_of("correct", TRUNCATED_KEEP, 2), 0);
    near(reward_of("correct,additive", TRUNCATED_KEEP, 1), 1 - 0.75);
    near(reward_of("correct,additive:2", TRUNCATED_KEEP, 2), -1);
    near(reward_of("correct,barrier", TRUNCATED_KEEP, 0), 1);
    near(reward_of("correct,barrier", TRUNCATED_KEEP, 1), 0.1); /* beyond 120 */
    near(reward_of("correct,barrier", TRUNCATED_KEEP, 2), 0);
    near(reward_of("correct,l1_max", TRUNCATED_KEEP, 0), 1); /* 0.01 * 50 + 0.5 */
    near(reward_of("correct,l1_max", TRUNCATED_KEEP, 1), 0); /* 0.01 * -50 + 0.5 */
    near(reward_of("kimi", TRUNCATED_KEEP, 0), 0.5);
    near(reward_of("kimi", TRUNCATED_KEEP, 2), 0); /* 1/6, but wrong */
    near(reward_of("kimi", TRUNCATED_KEEP, 3), -0.5);
    near(reward_of("overlong", TRUNCATED_KEEP, 0), 0);
    near(reward_of("overlong", TRUNCATED_KEEP, 1), -30.0 / 80);
    near(reward_of("overlong", TRUNCATED_KEEP, 3), -1);
    near(reward_of("thinking", TRUNCATED_KEEP, 0), -0.2);
    near(reward_of("format", TRUNCATED_KEEP, 0), 1);
    near(reward_of("format", TRUNCATED_KEEP, 2), 0);
    /* right answers: 50, 150, 200: mean 133.33, std 62.36 */
    near(reward_of("correct,arora", TRUNCATED_KEEP, 0),
         1 - 0.4 / (1 + exp((400.0 / 3 - 50) / sqrt(35000.0 / 9))));
}

static void cut_off(void **state)
{
    (void)state;
    near(reward_of("correct,additive", TRUNCATED_ZERO, 3), 0);
    near(reward_of("correct,additive", TRUNCATED_SOFT, 3), -1);
    near(reward_of("correct,additive", TRUNCATED_KEEP, 3), 0);
}

static void what_is_no_term(void **state)
{
    (void)state;
    struct reward_config c = {0};
    struct err e = {0};
    assert_int_equal(reward_parse(&c, "korrekt", &e), ERR_FIELD_RANGE);
    assert_non_null(strstr(e.msg, "additive"));
    assert_int_equal(reward_parse(&c, "correct:much", &e), ERR_FIELD_TYPE);
    assert_int_equal(reward_parse(&c, "correct:", &e), ERR_FIELD_TYPE);
    assert_int_equal(reward_parse(&c, "correct:inf", &e), ERR_FIELD_TYPE);
    struct outcome o = {.correct = true, .tokens = 5, .budget = 0};
    float term[REWARD_TERMS], total;
    c.weight[1] = 1, c.lambda = 1; /* a budget of 0 */
    assert_int_equal(reward_group(&c, &o, 1, term, &total, &e), ERR_NONFINITE);
    assert_non_null(strstr(e.msg, "additive"));
    /* finite terms whose sum is none, and a term that is too large for a float */
    c = (struct reward_config){0};
    assert_int_equal(reward_parse(&c, "correct:1e39", &e), 0);
    assert_int_equal(reward_parse(&c, "correct", &e), ERR_CFG_CONFLICT);
    assert_int_equal(reward_group(&c, &o, 1, term, &total, &e), ERR_NONFINITE);
    c.weight[0] = 0, c.weight[1] = 1e-39, c.lambda = 1e39, o.budget = 5;
    assert_int_equal(reward_group(&c, &o, 1, term, &total, &e), ERR_NONFINITE);
}

/* gamma 0.9, lambda 0.5: deltas 0 + 0.9 * 2 - 1 = 0.8; 0 + 0.9 * 3 - 2 = 0.7; 4 - 3 = 1. */
static void gae_by_hand(void **state)
{
    (void)state;
    const float reward[] = {0, 0, 4}, value[] = {1, 2, 3};
    float adv[3];
    gae(3, reward, value, 0.9, 0.5, adv);
    near(adv[2], 1), near(adv[1], 0.7 + 0.45), near(adv[0], 0.8 + 0.45 * 1.15);
    gae(3, reward, value, 1, 1, adv); /* what comes less what was expected */
    near(adv[0], 3), near(adv[1], 2), near(adv[2], 1);
    gae(0, reward, value, 1, 1, adv);
}

static void groups(void **state)
{
    (void)state;
    const float r[] = {1, 0, 0, 1}, same[] = {1, 1, 1};
    float a[4];
    group_advantage(GROUP_DR_GRPO, 4, r, a);
    near(a[0], 0.5), near(a[1], -0.5);
    group_advantage(GROUP_GRPO, 4, r, a);
    near(a[0], 0.5 / (sqrt(1.0 / 3) + 1e-4));
    group_advantage(GROUP_RLOO, 4, r, a);
    near(a[0], 1 - 1.0 / 3), near(a[1], -2.0 / 3);
    group_advantage(GROUP_GRPO, 3, same, a);
    assert_true(a[0] == 0 && a[1] == 0 && a[2] == 0);
}

static void whitened(void **state)
{
    (void)state;
    float x[] = {1, 2, 3, 4}, y[] = {1, 2, 3, 4};
    whiten(4, x, false);
    near(x[0], -1.5 / sqrt(5.0 / 3)), near(x[0] + x[1] + x[2] + x[3], 0);
    whiten(4, y, true);
    near(y[0], x[0] + 2.5);
}

/* The head learns a value that is linear in the state. */
static void the_value_head(void **state)
{
    (void)state;
    struct value_head h;
    struct err e = {0};
    assert_int_equal(value_create(&h, 2, &e), 0);
    for (int i = 0; i < 3000; i++) {
        const float x[2] = {(float)sin(i), (float)cos(3 * i)};
        value_add(&h, x, value_of(&h, x) - (2 * x[0] - x[1] + 0.5f));
        assert_int_equal(value_step(&h, 0.01, &e), 0);
    }
    assert_true(fabsf(h.weight[0] - 2) < 0.01f && fabsf(h.weight[1] + 1) < 0.01f &&
                fabsf(h.weight[2] - 0.5f) < 0.01f);
    h.grad[1] = NAN;
    assert_int_equal(value_step(&h, 0.01, &e), ERR_NONFINITE);
    value_free(&h);
}

static void wording(void **state)
{
    (void)state;
    struct chat_turn asked = {ROLE_USER, "2+2?", 4}, turn[1];
    struct problem p = {.turns = &asked, .n_turns = 1};
    struct err e = {0};
    char *text;
    assert_int_equal(budget_turns(&p, "At most {budget} tokens.", 77, turn, &text, &e), 0);
    assert_int_equal(turn[0].len, strlen("2+2?\nAt most 77 tokens."));
    assert_memory_equal(turn[0].content, "2+2?\nAt most 77 tokens.", turn[0].len);
    free(text);
    assert_int_equal(budget_turns(&p, "", 77, turn, &text, &e), 0);
    assert_ptr_equal(turn[0].content, asked.content);
    assert_null(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(terms),          cmocka_unit_test(cut_off), cmocka_unit_test(what_is_no_term),
        cmocka_unit_test(gae_by_hand),    cmocka_unit_test(groups),  cmocka_unit_test(whitened),
        cmocka_unit_test(the_value_head), cmocka_unit_test(wording),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
