/* Choosing the next token: which tokens stay and how often each is drawn, against a plain implementation. */
#include "infer/sampler.h"
#include "tests/support/random_model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { V = 64, VOCAB = 50 }; /* ids 50..63 are padding of the embedding */

static float logits[V];

static void logits_init(uint64_t seed, float scale)
{
    for (uint64_t i = 0; i < V; i++) logits[i] = scale * random_at(seed, i);
    for (int i = VOCAB; i < V; i++) logits[i] = 1e6f; /* never chosen all the same */
}

static struct sampler *sampler_of(struct sampler_config c)
{
    struct sampler *s;
    struct err e = {0};
    if (sampler_create(&s, &c, VOCAB, &e)) fail_msg("%s", e.msg);
    return s;
}

static struct sampler_config hot(void)
{
    struct sampler_config c;
    sampler_config_init(&c);
    c.temperature = 1, c.seed = 11;
    return c;
}

/* ---- the plain implementation -------------------------------------------------------------------------- */

/* Probability of each token after every cut, 0 where cut; near: closer than rounding to a cut, so either way
 * is right. */
struct plain {
    double p[VOCAB];
    int near;
};

static double penalised(const struct sampler_config *c, int32_t id, const int32_t *history, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (history[i] == id)
            return (double)logits[id] > 0 ? (double)logits[id] / c->repetition_penalty
                                          : (double)logits[id] * c->repetition_penalty;
    return (double)logits[id];
}

static struct plain plain_of(const struct sampler_config *c, const int32_t *history, uint32_t n)
{
    struct plain r = {.near = 0};
    double x[VOCAB], total = 0, before = 0;
    int order[VOCAB], kept = c->top_k && c->top_k < VOCAB ? (int)c->top_k : VOCAB;
    for (int i = 0; i < VOCAB; i++) x[i] = penalised(c, i, history, n) / c->temperature;
    for (int i = 0; i < VOCAB; i++) { /* how many are likelier: its place */
        int place = 0;
        for (int j = 0; j < VOCAB; j++) place += x[j] > x[i] || (x[j] == x[i] && j < i);
        order[place] = i;
    }
    for (int i = 0; i < kept; i++) total += r.p[order[i]] = exp(x[order[i]] - x[order[0]]);
    for (int i = 0; i < kept; i++) {
        double *p = &r.p[order[i]], share = before / total;
        before += *p;
        r.near |= i && ((c->top_p < 1 && fabs(share - c->top_p) < 1e-6) || fabs(*p / c->min_p - 1) < 1e-5);
        if (i && ((c->top_p < 1 && share >= c->top_p) || *p < c->min_p)) *p = 0;
    }
    total = 0;
    for (int i = 0; i < VOCAB; i++) total += r.p[i];
    for (int i = 0; i < VOCAB; i++) r.p[i] /= total;
    return r;
}

/* Draws many, and tests them by chi-square; a token that was cut must never come. */
static void draws_match(const struct sampler_config *c, const int32_t *history, uint32_t n, const char *what)
{
    enum { DRAWS = 4000 };
    struct plain want = plain_of(c, history, n);
    struct sampler *s = sampler_of(*c);
    int count[VOCAB] = {0}, degrees = -1;
    double chi = 0, rest = 0, rest_count = 0;
    assert_int_equal(want.near, 0);
    for (uint32_t i = 0; i < DRAWS; i++) {
        int32_t id = sampler_pick(s, logits, history, n, i % 7, i);
        assert_in_range(id, 0, VOCAB - 1);
        if (want.p[id] == 0) fail_msg("%s: token %d was cut, and drawn", what, id);
        count[id]++;
    }
    for (int i = 0; i < VOCAB; i++) {
        double expected = want.p[i] * DRAWS;
        if (expected < 10) { /* too few for the approximation: all such in one class */
            rest += expected, rest_count += count[i];
            continue;
        }
        chi += (count[i] - expected) * (count[i] - expected) / expected, degrees++;
    }
    if (rest > 10) chi += (rest_count - rest) * (rest_count - rest) / rest, degrees++;
    /* mean `degrees`, variance twice that: 5 deviations */
    if (chi > degrees + 5 * sqrt(2 * degrees) + 1)
        fail_msg("%s: chi-square %.1f with %d degrees", what, chi, degrees);
    sampler_free(s);
}

/* ---- tests --------------------------------------------------------------------------------------------- */

static void greedy_takes_the_likeliest(void **state)
{
    struct sampler_config c;
    sampler_config_init(&c);
    struct sampler *s = sampler_of(c);
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        int32_t best = 0;
        logits_init(seed, 5);
        for (int i = 1; i < VOCAB; i++)
            if (logits[i] > logits[best]) best = i;
        assert_int_equal(sampler_pick(s, logits, NULL, 0, seed, 3), best);
        logits[(best + 7) % VOCAB] = logits[best]; /* a tie goes to the lower id */
        int32_t other = (best + 7) % VOCAB;
        assert_int_equal(sampler_pick(s, logits, NULL, 0, seed, 3), other < best ? other : best);
    }
    sampler_free(s);
}

static void draws_follow_the_probabilities(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 6; seed++) {
        struct sampler_config c = hot();
        c.seed = seed + 100;
        logits_init(seed, 3);
        draws_match(&c, NULL, 0, "temperature 1");
        c.temperature = 0.3;
        draws_match(&c, NULL, 0, "temperature 0.3");
        c.temperature = 4;
        draws_match(&c, NULL, 0, "temperature 4");
    }
}

static void cuts_keep_the_right_tokens(void **state)
{
    static const uint32_t ks[] = {0, 1, 2, 7, 49, 50, 1000};
    static const double ps[] = {1, 0.95, 0.5, 0.1, 1e-6}, mins[] = {0, 0.02, 0.3, 1};
    (void)state;
    for (int k = 0; k < 7; k++)
        for (int p = 0; p < 5; p++)
            for (int m = 0; m < 4; m++) {
                struct sampler_config c = hot();
                char what[80];
                c.top_k = ks[k], c.top_p = ps[p], c.min_p = mins[m], c.temperature = 0.8;
                snprintf(what, sizeof what, "top_k %u, top_p %g, min_p %g", c.top_k, c.top_p, c.min_p);
                logits_init((uint64_t)k, 3);
                draws_match(&c, NULL, 0, what);
            }
}

/* Once for each different token, positive logits divided and negative ones multiplied; foreign ids do no
 * harm. */
static void penalty_makes_the_past_less_likely(void **state)
{
    static const int32_t history[] = {3, 9, 9, 9, 3, 40, -1, 63, 50, 1 << 30};
    static const double penalties[] = {1, 1.3, 5, 0.7};
    struct sampler_config c = hot();
    (void)state;
    logits_init(2, 3);
    logits[3] = 2.5f, logits[9] = -1.5f, logits[40] = 0;
    for (int i = 0; i < 4; i++) {
        c.repetition_penalty = penalties[i];
        draws_match(&c, history, 10, "penalty");
    }
    sampler_config_init(&c);
    c.repetition_penalty = 2;
    struct sampler *s = sampler_of(c);
    for (int i = 0; i < VOCAB; i++) logits[i] = -10;
    logits[9] = 3, logits[5] = 2;
    assert_int_equal(sampler_pick(s, logits, history, 0, 0, 0), 9);
    assert_int_equal(sampler_pick(s, logits, history, 10, 0, 0), 5); /* 3 / 2 < 2 */
    for (int i = 0; i < VOCAB; i++) logits[i] = -10;
    logits[9] = -3, logits[5] = -4;
    assert_int_equal(sampler_pick(s, logits, history, 10, 0, 0), 5); /* -3 * 2 < -4 */
    sampler_free(s);
}

/* The same (seed, stream, position) draws the same whatever was drawn before; each of the three changes the
 * draws. */
static void draws_are_functions_of_their_place(void **state)
{
    enum { N = 200 };
    struct sampler_config c = hot(), c2 = hot();
    int32_t first[N];
    int seed = 0, stream = 0, position = 0;
    (void)state;
    c2.seed++;
    logits_init(1, 1);
    struct sampler *s = sampler_of(c), *s2 = sampler_of(c2);
    for (uint32_t i = 0; i < N; i++) first[i] = sampler_pick(s, logits, NULL, 0, 5, i);
    for (uint32_t i = N; i-- > 0;) {
        float before[V];
        memcpy(before, logits, sizeof logits);
        assert_int_equal(sampler_pick(s, logits, NULL, 0, 5, i), first[i]);
        assert_memory_equal(before, logits, sizeof logits);
        seed += sampler_pick(s2, logits, NULL, 0, 5, i) != first[i];
        stream += sampler_pick(s, logits, NULL, 0, 6, i) != first[i];
        position += i && first[i] != first[i - 1];
    }
    assert_true(seed > N * 8 / 10 && stream > N * 8 / 10 && position > N * 8 / 10);
    sampler_free(s);
    sampler_free(s2);
}

static void the_coldest_and_flattest_logits_work(void **state)
{
    struct sampler_config c = hot();
    (void)state;
    c.temperature = 1e-30;
    struct sampler *s = sampler_of(c);
    logits_init(3, 4);
    int32_t best = 0;
    for (int i = 1; i < VOCAB; i++)
        if (logits[i] > logits[best]) best = i;
    for (uint32_t i = 0; i < 100; i++) assert_int_equal(sampler_pick(s, logits, NULL, 0, 0, i), best);
    sampler_free(s);
    c = hot();
    for (int i = 0; i < VOCAB; i++) logits[i] = i % 2 ? 80.0f : -1e30f;
    draws_match(&c, NULL, 0, "every second token");
    for (int i = 0; i < VOCAB; i++) logits[i] = -3e38f;
    draws_match(&c, NULL, 0, "all alike");
}

static void impossible_settings_are_refused(void **state)
{
    static const struct {
        const char *key;
        struct sampler_config c;
    } cases[] = {
        {"temperature", {-0.1, 0, 1, 0, 1, 0}},
        {"temperature", {NAN, 0, 1, 0, 1, 0}},
        {"temperature", {INFINITY, 0, 1, 0, 1, 0}},
        {"top_p", {1, 0, 0, 0, 1, 0}},
        {"top_p", {1, 0, 1.01, 0, 1, 0}},
        {"top_p", {1, 0, NAN, 0, 1, 0}},
        {"min_p", {1, 0, 1, -0.1, 1, 0}},
        {"min_p", {1, 0, 1, 1.5, 1, 0}},
        {"repetition_penalty", {1, 0, 1, 0, 0, 0}},
        {"repetition_penalty", {1, 0, 1, 0, -1, 0}},
        {"repetition_penalty", {1, 0, 1, 0, NAN, 0}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sampler *s;
        struct err e = {0};
        assert_int_equal(sampler_create(&s, &cases[i].c, VOCAB, &e), ERR_FIELD_RANGE);
        assert_null(s);
        if (!strstr(e.msg, cases[i].key)) fail_msg("case %d is not named: %s", (int)i, e.msg);
    }
    sampler_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greedy_takes_the_likeliest),
        cmocka_unit_test(draws_follow_the_probabilities),
        cmocka_unit_test(cuts_keep_the_right_tokens),
        cmocka_unit_test(penalty_makes_the_past_less_likely),
        cmocka_unit_test(draws_are_functions_of_their_place),
        cmocka_unit_test(the_coldest_and_flattest_logits_work),
        cmocka_unit_test(impossible_settings_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
