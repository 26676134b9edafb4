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

enum { VOCAB = 50, MOST = 2700, PADDING = 14 }; /* ids from the vocabulary on are padding of the embedding */

static float logits[MOST + PADDING];
static uint32_t vocab = VOCAB;
static struct kernels kern;

static void logits_init(uint64_t seed, float scale)
{
    for (uint64_t i = 0; i < MOST + PADDING; i++) logits[i] = scale * random_at(seed, i);
    for (uint32_t i = vocab; i < vocab + PADDING; i++) logits[i] = 1e6f; /* never chosen all the same */
}

static struct sampler *sampler_of(void)
{
    struct sampler *s;
    struct err e = {0};
    if (sampler_create(&s, &kern, vocab, &e)) fail_msg("%s", e.msg);
    return s;
}

static int32_t pick(struct sampler *s, const struct sampler_config *c, const int32_t *history, uint32_t n,
                    uint64_t stream, uint32_t position)
{
    struct err e = {0};
    int32_t token;
    if (sampler_pick(s, c, logits, history, n, stream, position, &token, &e)) fail_msg("%s", e.msg);
    return token;
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
    double p[MOST];
    int near;
};

static double penalised(const struct sampler_config *c, uint32_t id, const int32_t *history, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (history[i] == (int32_t)id)
            return (double)logits[id] > 0 ? (double)logits[id] / c->repetition_penalty
                                          : (double)logits[id] * c->repetition_penalty;
    return (double)logits[id];
}

static double x[MOST];

static int likelier(const void *pa, const void *pb)
{
    uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;
    if (x[a] != x[b]) return x[a] > x[b] ? -1 : 1;
    return a < b ? -1 : a > b;
}

static void plain_of(struct plain *r, const struct sampler_config *c, const int32_t *history, uint32_t n)
{
    static uint32_t order[MOST];
    double total = 0, before = 0;
    uint32_t kept = c->top_k && c->top_k < vocab ? c->top_k : vocab;
    memset(r, 0, sizeof *r);
    for (uint32_t i = 0; i < vocab; i++) x[i] = penalised(c, i, history, n) / c->temperature, order[i] = i;
    qsort(order, vocab, sizeof *order, likelier);
    for (uint32_t i = 0; i < kept; i++) total += r->p[order[i]] = exp(x[order[i]] - x[order[0]]);
    for (uint32_t i = 0; i < kept; i++) {
        double *p = &r->p[order[i]], share = before / total;
        before += *p;
        r->near |= i && ((c->top_p < 1 && fabs(share - c->top_p) < 1e-6) || fabs(*p / c->min_p - 1) < 1e-5);
        if (i && ((c->top_p < 1 && share >= c->top_p) || *p < c->min_p)) *p = 0;
    }
    total = 0;
    for (uint32_t i = 0; i < vocab; i++) total += r->p[i];
    for (uint32_t i = 0; i < vocab; i++) r->p[i] /= total;
}

/* Draws many, and tests them by chi-square; a token that was cut must never come. */
static void draws_match(const struct sampler_config *c, const int32_t *history, uint32_t n, const char *what)
{
    const uint32_t draws = vocab > VOCAB ? 600 : 4000;
    static struct plain want;
    struct sampler *s = sampler_of();
    int count[MOST] = {0}, degrees = -1;
    double chi = 0, rest = 0, rest_count = 0;
    plain_of(&want, c, history, n);
    assert_int_equal(want.near, 0);
    for (uint32_t i = 0; i < draws; i++) {
        int32_t id = pick(s, c, history, n, i % 7, i);
        assert_in_range(id, 0, vocab - 1);
        if (want.p[id] == 0) fail_msg("%s: token %d was cut, and drawn", what, id);
        count[id]++;
    }
    for (uint32_t i = 0; i < vocab; i++) {
        double expected = want.p[i] * draws;
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
    struct sampler *s = sampler_of();
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        int32_t best = 0;
        logits_init(seed, 5);
        for (int i = 1; i < VOCAB; i++)
            if (logits[i] > logits[best]) best = i;
        assert_int_equal(pick(s, &c, NULL, 0, seed, 3), best);
        logits[(best + 7) % VOCAB] = logits[best]; /* a tie goes to the lower id */
        int32_t other = (best + 7) % VOCAB;
        assert_int_equal(pick(s, &c, NULL, 0, seed, 3), other < best ? other : best);
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

/* Vocabularies of many blocks, with ties across them, and cuts that fall inside a tie. */
static void large_vocabularies_are_cut_alike(void **state)
{
    static const uint32_t sizes[] = {255, 256, 257, 1024, 1030, MOST}, ks[] = {0, 1, 3, 40, 1500};
    static const double ps[] = {1, 0.993, 0.61, 0.053}, temperatures[] = {0.05, 0.7, 3};
    static struct plain want;
    uint64_t seed = 0;
    (void)state;
    for (int i = 0; i < 6 * 5 * 4; i++) {
        struct sampler_config c = hot();
        char what[80];
        vocab = sizes[i % 6];
        c.top_k = ks[i / 6 % 5], c.top_p = ps[i / 30], c.min_p = i % 7 == 3 ? 0.1 : 0;
        c.temperature = temperatures[i % 3];
        snprintf(what, sizeof what, "%u tokens, top_k %u, top_p %g, min_p %g", vocab, c.top_k, c.top_p,
                 c.min_p);
        do {
            logits_init(seed++, 9);
            for (uint32_t t = 0; t < vocab; t++)
                if (i % 2) logits[t] = floorf(logits[t]); /* many equals */
            plain_of(&want, &c, NULL, 0);
        } while (want.near);
        draws_match(&c, NULL, 0, what);
    }
    vocab = VOCAB;
}

/* Zeros of either sign are equals. */
static void ties_go_to_the_lower_id(void **state)
{
    struct sampler_config c = hot();
    (void)state;
    vocab = MOST;
    struct sampler *s = sampler_of();
    for (int i = 0; i < MOST; i++) logits[i] = -5;
    for (int i = 300; i < MOST; i += 300) logits[i] = i % 600 ? -0.0f : 0;
    for (uint32_t k = 1; k < 5; k++)
        for (uint32_t i = 0; i < 50; i++) {
            c.top_k = k;
            int32_t id = pick(s, &c, NULL, 0, 0, i);
            assert_true(id % 300 == 0 && id <= (int32_t)k * 300);
        }
    c.temperature = 0;
    assert_int_equal(pick(s, &c, NULL, 0, 0, 0), 300);
    sampler_free(s);
    vocab = VOCAB;
}

/* Infinities and NaNs at any place, whatever the settings; past the vocabulary they do no harm. */
static void what_is_not_finite_is_refused(void **state)
{
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    static const uint32_t places[] = {0, 1, 255, 256, 2047, MOST - 1};
    struct sampler_config configs[4] = {hot(), hot(), hot(), hot()};
    (void)state;
    configs[0].temperature = 0, configs[1].top_k = 3, configs[2].top_p = 0.9;
    vocab = MOST;
    struct sampler *s = sampler_of();
    for (int i = 0; i < 3 * 6 * 4; i++) {
        struct err e = {0};
        int32_t token, history[] = {7};
        char want[80];
        uint32_t place = places[i / 3 % 6];
        logits_init((uint64_t)i, 4);
        logits[MOST + 3] = bad[i % 3];
        pick(s, &configs[i / 18], NULL, 0, 0, 99);
        logits[place] = bad[i % 3];
        snprintf(want, sizeof want, "token %u at position 1234", place);
        assert_int_equal(sampler_pick(s, &configs[i / 18], logits, NULL, 0, 0, 1234, &token, &e),
                         ERR_NONFINITE);
        if (!strstr(e.msg, want)) fail_msg("'%s' does not say '%s'", e.msg, want);
        logits[place] = 1, logits[7] = 1e38f, configs[3].repetition_penalty = 0.01;
        assert_int_equal(sampler_pick(s, &configs[3], logits, history, 1, 0, 5, &token, &e), ERR_NONFINITE);
    }
    sampler_free(s);
    vocab = VOCAB;
}

/* Every instruction set picks the same token. */
static void draws_do_not_depend_on_the_machine(void **state)
{
    enum { N = 60 };
    struct sampler_config c[4] = {hot(), hot(), hot(), hot()};
    int32_t want[4][N];
    const char *isas[] = {"ref", "avx2", "avx512"};
    (void)state;
    c[1].top_k = 40, c[1].top_p = 0.9, c[2].top_p = 0.95, c[3].min_p = 0.01;
    vocab = MOST;
    logits_init(5, 6);
    for (int isa = 0; isa < 3; isa++) {
        kernels_init(&kern, cpu_limit(cpu_detect(), isas[isa]));
        struct sampler *s = sampler_of();
        for (uint32_t i = 0; i < 4 * N; i++) {
            int32_t id = pick(s, &c[i / N], NULL, 0, 3, i);
            if (isa == 0) want[i / N][i % N] = id;
            assert_int_equal(id, want[i / N][i % N]);
        }
        sampler_free(s);
    }
    kernels_init(&kern, cpu_detect());
    vocab = VOCAB;
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
    struct sampler *s = sampler_of();
    for (int i = 0; i < VOCAB; i++) logits[i] = -10;
    logits[9] = 3, logits[5] = 2;
    assert_int_equal(pick(s, &c, history, 0, 0, 0), 9);
    assert_int_equal(pick(s, &c, history, 10, 0, 0), 5); /* 3 / 2 < 2 */
    for (int i = 0; i < VOCAB; i++) logits[i] = -10;
    logits[9] = -3, logits[5] = -4;
    assert_int_equal(pick(s, &c, history, 10, 0, 0), 5); /* -3 * 2 < -4 */
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
    struct sampler *s = sampler_of();
    for (uint32_t i = 0; i < N; i++) first[i] = pick(s, &c, NULL, 0, 5, i);
    for (uint32_t i = N; i-- > 0;) {
        float before[MOST + PADDING];
        memcpy(before, logits, sizeof logits);
        assert_int_equal(pick(s, &c, NULL, 0, 5, i), first[i]);
        assert_memory_equal(before, logits, sizeof logits);
        seed += pick(s, &c2, NULL, 0, 5, i) != first[i];
        stream += pick(s, &c, NULL, 0, 6, i) != first[i];
        position += i && first[i] != first[i - 1];
    }
    assert_true(seed > N * 8 / 10 && stream > N * 8 / 10 && position > N * 8 / 10);
    sampler_free(s);
}

static void the_coldest_and_flattest_logits_work(void **state)
{
    struct sampler_config c = hot();
    (void)state;
    c.temperature = 1e-30;
    struct sampler *s = sampler_of();
    logits_init(3, 4);
    int32_t best = 0;
    for (int i = 1; i < VOCAB; i++)
        if (logits[i] > logits[best]) best = i;
    for (uint32_t i = 0; i < 100; i++) assert_int_equal(pick(s, &c, NULL, 0, 0, i), best);
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
        struct err e = {0};
        assert_int_equal(sampler_config_check(&cases[i].c, &e), ERR_FIELD_RANGE);
        if (!strstr(e.msg, cases[i].key)) fail_msg("case %d is not named: %s", (int)i, e.msg);
    }
    sampler_free(NULL);
}

int main(void)
{
    kernels_init(&kern, cpu_detect());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greedy_takes_the_likeliest),
        cmocka_unit_test(draws_follow_the_probabilities),
        cmocka_unit_test(cuts_keep_the_right_tokens),
        cmocka_unit_test(large_vocabularies_are_cut_alike),
        cmocka_unit_test(ties_go_to_the_lower_id),
        cmocka_unit_test(what_is_not_finite_is_refused),
        cmocka_unit_test(draws_do_not_depend_on_the_machine),
        cmocka_unit_test(penalty_makes_the_past_less_likely),
        cmocka_unit_test(draws_are_functions_of_their_place),
        cmocka_unit_test(the_coldest_and_flattest_logits_work),
        cmocka_unit_test(impossible_settings_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
