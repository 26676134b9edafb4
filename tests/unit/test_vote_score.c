/* Votes scored problem by problem: by hand, and against the mean of first come over all orders. */
#include "infer/rng.h"
#include "tests/support/features_case.h"
#include "tests/support/scratch.h"
#include "train/vote_score.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static bool near_to(double a, double b)
{
    return fabs(a - b) < 1e-9;
}

static const struct {
    const char *name;
    struct vote_chain chain[4];
    uint8_t right[4];
    uint32_t n;
    double want[VOTED_COUNT]; /* single, majority, weighted, best, oracle */
} cases[] = {
    {"one right", {{0, .5f}}, {1}, 1, {1, 1, 1, 1, 1}},
    {"one wrong", {{0, .5f}}, {0}, 1, {0, 0, 0, 0, 0}},
    {"no answer", {{VOTE_NONE, 1}}, {0}, 1, {0, 0, 0, 0, 0}},
    {"two level", {{0, .5f}, {1, .75f}}, {0, 1}, 2, {.5, .5, 1, 1, 1}},
    {"the many are wrong", {{0, .25f}, {0, .25f}, {1, .75f}}, {0, 0, 1}, 3, {1. / 3, 0, 1, 1, 1}},
    {"the sure one is wrong", {{0, .5f}, {0, .5f}, {1, .75f}}, {1, 1, 0}, 3, {2. / 3, 1, 1, 0, 1}},
    {"best level, two to one", {{0, .5f}, {0, .5f}, {1, .5f}}, {1, 1, 0}, 3, {2. / 3, 1, 1, 2. / 3, 1}},
    {"silence is passed over",
     {{VOTE_NONE, .9f}, {1, .1f}, {VOTE_NONE, 1}, {3, .2f}},
     {0, 1, 0, 0},
     4,
     {.25, .5, 0, 0, 1}},
    {"grades at odds",
     {{0, .5f}, {0, .5f}, {0, .25f}, {3, .5f}},
     {1, 0, 1, 0},
     4,
     {.5, 2. / 3, 2. / 3, 1. / 3, 1}},
};

static void by_hand(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int how = 0; how < VOTED_COUNT; how++) {
            double got = vote_expected((enum vote_figure)how, cases[i].chain, cases[i].right, cases[i].n);
            if (!near_to(got, cases[i].want[how]))
                fail_msg("%s, %s: %g, expected %g", cases[i].name, vote_figure_names[how], got,
                         cases[i].want[how]);
        }
}

/* The mean of what infer/vote.h gives over all orders of the chains. */
struct orders {
    struct vote_chain chain[5];
    uint8_t right[5];
    double sum;
    uint32_t n, count;
};

static void permute(struct orders *o, enum vote_kind kind, uint32_t at)
{
    if (at == o->n) {
        struct vote v = vote_count(kind, o->chain, o->n);
        for (uint32_t i = 0; i < o->n; i++)
            if (o->chain[i].answer == v.answer && v.answer >= 0) {
                o->sum += o->right[i];
                break;
            }
        o->count++;
        return;
    }
    for (uint32_t i = at; i < o->n; i++) {
        struct vote_chain c = o->chain[i];
        uint8_t r = o->right[i];
        o->chain[i] = o->chain[at], o->right[i] = o->right[at], o->chain[at] = c, o->right[at] = r;
        permute(o, kind, at + 1);
        o->chain[at] = o->chain[i], o->right[at] = o->right[i], o->chain[i] = c, o->right[i] = r;
    }
}

static void expected_is_the_mean_over_orders(void **state)
{
    (void)state;
    for (uint64_t t = 0; t < 600; t++) {
        struct orders o = {.n = 1 + (uint32_t)t % 5};
        for (uint32_t i = 0; i < o.n; i++) {
            uint32_t r = rng_u32(1, t, i);
            /* scores that tell classes apart, or, for the best, level ones too */
            o.chain[i] = (struct vote_chain){(int32_t)(r % 4) - 1, (float)(1 + (r >> 8) % 3) / 4};
            o.right[i] = o.chain[i].answer == 1;
        }
        for (int how = VOTED_MAJORITY; how <= VOTED_BEST; how++) {
            if (how == VOTED_WEIGHTED) continue; /* level sums of unlike classes: not equally likely */
            double got = vote_expected((enum vote_figure)how, o.chain, o.right, o.n);
            o.sum = 0, o.count = 0;
            permute(&o, how == VOTED_MAJORITY ? VOTE_MAJORITY : VOTE_BEST, 0);
            if (!near_to(got, o.sum / o.count))
                fail_msg("case %d, %s: %g, over orders %g", (int)t, vote_figure_names[how], got,
                         o.sum / o.count);
        }
    }
}

/* Blocks, rests and problems that are too small. */
static void blocks(void **state)
{
    (void)state;
    static const struct vote_chain chain[] = {{0, .9f}, {1, .1f}, {2, .2f}, {2, .8f}, {4, 1}, /* five */
                                              {0, .5f},                                       /* one */
                                              {0, .3f}, {0, .4f}};                            /* two */
    static const uint8_t right[] = {1, 0, 0, 0, 1, 1, 1, 1};
    static const uint32_t first[] = {0, 5, 6, 8};
    struct vote_problems p = {chain, right, first, 3};
    struct vote_report r;
    assert_int_equal(vote_score(&r, &p, 2, 50, 1, NULL), 0);
    assert_true(r.chains == 2 && r.problems == 2);
    assert_true(near_to(r.figure[VOTED_SINGLE].value, (.25 + 1) / 2));
    assert_true(near_to(r.figure[VOTED_MAJORITY].value, (.25 + 1) / 2));
    assert_true(near_to(r.figure[VOTED_WEIGHTED].value, (.5 + 1) / 2));
    assert_true(near_to(r.figure[VOTED_ORACLE].value, (.5 + 1) / 2));
    assert_true(near_to(r.over_majority.value, .125) && near_to(r.over_single.value, 0));
    assert_true(near_to(r.figure[VOTED_SINGLE].low, .25) && near_to(r.figure[VOTED_SINGLE].high, 1));
    assert_int_equal(vote_score(&r, &p, 1, 50, 1, NULL), 0);
    assert_true(r.problems == 3 && near_to(r.figure[VOTED_SINGLE].value, (.4 + 1 + 1) / 3));
    assert_true(near_to(r.figure[VOTED_WEIGHTED].value, r.figure[VOTED_SINGLE].value));
    assert_int_equal(vote_score(&r, &p, 6, 50, 1, NULL), ERR_DATA_EMPTY);
}

/* Answers right with probability 0.6, wrong ones scattered; a verifier that knows a little: the order that
 * the field reports, and the oracle above it. */
static void the_usual_picture(void **state)
{
    (void)state;
    enum { PROBLEMS = 400, CHAINS = 16 };
    static struct vote_chain chain[PROBLEMS * CHAINS];
    static uint8_t right[PROBLEMS * CHAINS];
    static uint32_t first[PROBLEMS + 1];
    for (uint32_t i = 0; i < PROBLEMS * CHAINS; i++) {
        double hard = rng_uniform(1, 0, i / CHAINS);
        right[i] = rng_uniform(1, 1, i) < 0.2 + 0.8 * hard;
        chain[i].answer = right[i] ? 0 : 1 + (int32_t)(rng_u32(1, 2, i) % 3);
        chain[i].score =
            (float)fmin(1, fmax(0, 0.5 + 0.15 * (right[i] ? 1 : -1) + 0.2 * (double)rng_normal(1, 3, i)));
        first[i / CHAINS + 1] = i + 1;
    }
    struct vote_problems p = {chain, right, first, PROBLEMS};
    struct vote_report r[5];
    for (int k = 0; k < 5; k++) assert_int_equal(vote_score(&r[k], &p, 1u << k, 200, 7, NULL), 0);
    for (int k = 0; k < 5; k++)
        assert_true(near_to(r[k].figure[VOTED_SINGLE].value, r[0].figure[VOTED_SINGLE].value));
    assert_true(
        near_to(r[1].figure[VOTED_MAJORITY].value, r[0].figure[VOTED_SINGLE].value)); /* two: no help */
    for (int k = 2; k < 5; k++) {
        const struct spread *f = r[k].figure;
        assert_true(f[VOTED_SINGLE].value < f[VOTED_MAJORITY].value);
        assert_true(f[VOTED_MAJORITY].value < f[VOTED_WEIGHTED].value);
        assert_true(f[VOTED_WEIGHTED].value < f[VOTED_ORACLE].value);
        assert_true(r[k].over_majority.low > 0 && r[k].over_single.low > 0);
    }
}

/* Rows in any order become problems, their chains in order. */
static void from_features(void **state)
{
    (void)state;
    enum { ROWS = 40, WIDTH = 4 };
    struct features *f;
    struct vote_problems p;
    struct err e = {0};
    float score[ROWS];
    uint32_t pick[ROWS];
    for (uint32_t i = 0; i < ROWS; i++) score[i] = (float)i / ROWS, pick[i] = (i * 7 + 5) % ROWS;
    if (features_case_write(scratch("set"), ROWS, WIDTH, &e) || features_open(&f, scratch("set"), &e) ||
        vote_problems_make(&p, f, score, pick, ROWS - 1, &e)) /* all but one row */
        fail_msg("%s", e.msg);
    uint32_t missing = pick[ROWS - 1], seen = 0;
    assert_int_equal(p.n, ROWS / 4);
    assert_int_equal(p.first[p.n], ROWS - 1);
    for (uint32_t k = 0; k < p.n; k++)
        for (uint32_t i = p.first[k], chain = 0; i < p.first[k + 1]; i++, chain++, seen++) {
            /* the case's rows: four chains a problem, answer row % 5 - 1, label row % 3 */
            uint32_t row = (uint32_t)(p.chain[i].score * ROWS + 0.5f);
            if (missing / 4 == row / 4 && chain == missing % 4) chain++;
            assert_int_equal(row % 4, chain);
            assert_int_equal(row / 4, (uint32_t)(p.chain[p.first[k]].score * ROWS + 0.5f) / 4);
            assert_int_equal(p.chain[i].answer, (int32_t)(row % 5) - 1);
            assert_int_equal(p.right[i], row % 3 == 1);
        }
    assert_int_equal(seen, ROWS - 1);
    vote_problems_free(&p);
    features_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_hand), cmocka_unit_test(expected_is_the_mean_over_orders),
        cmocka_unit_test(blocks), cmocka_unit_test(the_usual_picture), cmocka_unit_test(from_features)};
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
