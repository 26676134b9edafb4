/* The vote: cases by hand, a count written another way, and the early stop against every outcome there is. */
#include "infer/rng.h"
#include "infer/vote.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { P = VOTE_PENDING, NO = VOTE_NONE, CHAINS_MAX = 6 };

static const struct {
    const char *name;
    enum vote_kind kind;
    struct vote_chain chains[6];
    uint32_t n;
    int32_t answer;
    uint32_t chain;
    double weight, total;
    bool decided;
} cases[] = {
    {"nobody", VOTE_MAJORITY, {{0, 0}}, 0, NO, 0, 0, 0, true},
    {"one", VOTE_MAJORITY, {{0, 0}}, 1, 0, 0, 1, 1, true},
    {"two against one", VOTE_MAJORITY, {{0, .9f}, {1, .2f}, {1, .4f}}, 3, 1, 2, 2, 3, true},
    {"the one is surer", VOTE_WEIGHTED, {{0, .75f}, {1, .25f}, {1, .375f}}, 3, 0, 0, .75, 1.375, true},
    {"the best one", VOTE_BEST, {{0, .25f}, {0, .5f}, {1, .75f}, {0, .5f}}, 4, 1, 2, .75, .75, true},
    {"level: first come", VOTE_MAJORITY, {{3, .1f}, {1, .9f}, {1, .9f}, {3, .1f}}, 4, 3, 0, 2, 4, true},
    {"level, weighted", VOTE_WEIGHTED, {{3, .25f}, {1, .5f}, {3, .25f}}, 3, 3, 0, .5, 1, true},
    {"level, best", VOTE_BEST, {{1, .1f}, {2, .5f}, {1, .5f}}, 3, 2, 1, .5, .5, true},
    {"no answers", VOTE_WEIGHTED, {{NO, .25f}, {NO, .5f}, {NO, .5f}}, 3, NO, 1, 0, 0, true},
    {"no answer never wins", VOTE_BEST, {{NO, 1}, {4, 0}, {NO, 1}}, 3, 4, 1, 0, 0, true},
    {"none finished", VOTE_MAJORITY, {{P, 0}, {P, 0}}, 2, NO, 2, 0, 0, false},
    {"scores of nonsense", VOTE_WEIGHTED, {{0, NAN}, {1, -3}, {2, 7}, {3, INFINITY}}, 4, 2, 2, 1, 2, true},
    {"two of three", VOTE_MAJORITY, {{0, 0}, {0, 0}, {P, 0}}, 3, 0, 0, 2, 2, true},
    {"two of four, first", VOTE_MAJORITY, {{0, 0}, {0, 0}, {P, 0}, {P, 0}}, 4, 0, 0, 2, 2, true},
    {"two of four, last", VOTE_MAJORITY, {{P, 0}, {P, 0}, {0, 0}, {0, 0}}, 4, 0, 2, 2, 2, false},
    {"a rival may draw level, later", VOTE_MAJORITY, {{0, 0}, {0, 0}, {1, 0}, {P, 0}}, 4, 0, 0, 2, 3, true},
    {"a rival may draw level, earlier",
     VOTE_MAJORITY,
     {{1, 0}, {0, 0}, {0, 0}, {P, 0}},
     4,
     0,
     1,
     2,
     3,
     false},
    {"weights that settle it",
     VOTE_WEIGHTED,
     {{0, .75f}, {0, .5f}, {1, .125f}, {P, 0}},
     4,
     0,
     0,
     1.25,
     1.375,
     true},
    {"weights that do not",
     VOTE_WEIGHTED,
     {{0, .75f}, {0, .25f}, {1, .125f}, {P, 0}},
     4,
     0,
     0,
     1,
     1.125,
     false},
    {"certain, first", VOTE_BEST, {{0, 1}, {P, 0}}, 2, 0, 0, 1, 1, true},
    {"certain, second", VOTE_BEST, {{P, 0}, {0, 1}}, 2, 0, 1, 1, 1, false},
};

static void by_hand(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct vote v = vote_count(cases[i].kind, cases[i].chains, cases[i].n);
        bool decided = vote_decided(cases[i].kind, cases[i].chains, cases[i].n);
        if (v.answer != cases[i].answer || v.chain != cases[i].chain || decided != cases[i].decided ||
            (double)v.weight != cases[i].weight * VOTE_ONE || (double)v.total != cases[i].total * VOTE_ONE)
            fail_msg("%s: answer %d, chain %u, weight %g of %g, %s", cases[i].name, v.answer, v.chain,
                     (double)v.weight / VOTE_ONE, (double)v.total / VOTE_ONE, decided ? "decided" : "open");
    }
    assert_string_equal(vote_name(VOTE_MAJORITY), "majority");
    assert_string_equal(vote_name(VOTE_WEIGHTED), "weighted");
    assert_string_equal(vote_name(VOTE_BEST), "best");
}

/* The winner by sorting points: a table of classes, then the largest, then the earliest. */
static int32_t plain_winner(enum vote_kind kind, const struct vote_chain *c, uint32_t n)
{
    double points[CHAINS_MAX + 2] = {0};
    uint32_t first[CHAINS_MAX + 2];
    memset(first, 0xff, sizeof first);
    for (uint32_t i = 0; i < n; i++) {
        int32_t a = c[i].answer;
        if (a < 0) continue;
        double p = kind == VOTE_MAJORITY ? 1 : (double)c[i].score;
        if (kind != VOTE_BEST) {
            points[a] += p;
            if (first[a] == UINT32_MAX) first[a] = i;
        } else if (first[a] == UINT32_MAX || p > points[a]) {
            points[a] = p, first[a] = i;
        }
    }
    int32_t best = VOTE_NONE;
    for (int32_t a = 0; a < CHAINS_MAX + 2; a++) {
        if (first[a] == UINT32_MAX) continue;
        if (best == VOTE_NONE || points[a] > points[best] ||
            (points[a] == points[best] && first[a] < first[best]))
            best = a;
    }
    return best;
}

/* Every way in which the pending chains may end leaves the winner what it is: classes 0..CHAINS_MAX + 1 and
 * none, scores of 0, 1/2 and 1. */
static bool never_changes(enum vote_kind kind, struct vote_chain *c, uint32_t n, int32_t winner)
{
    uint32_t i = 0;
    while (i < n && c[i].answer != VOTE_PENDING) i++;
    if (i == n) return plain_winner(kind, c, n) == winner;
    bool same = true;
    for (int32_t a = VOTE_NONE; same && a < CHAINS_MAX + 1; a++)
        for (int s = 0; same && s < 3; s++) {
            c[i] = (struct vote_chain){a, (float)s / 2};
            same = never_changes(kind, c, n, winner);
        }
    c[i].answer = VOTE_PENDING;
    return same;
}

static void early_stop(void **state)
{
    (void)state;
    uint32_t open = 0, stopped = 0;
    for (uint64_t t = 0; t < 60000; t++) {
        struct vote_chain c[CHAINS_MAX];
        enum vote_kind kind = (enum vote_kind)(t % 3);
        uint32_t n = 1 + rng_u32(1, 0, t) % CHAINS_MAX, pending = 0;
        for (uint32_t i = 0; i < n; i++) {
            uint32_t r = rng_u32(2, t, i);
            c[i] = (struct vote_chain){(int32_t)(r % 5) - 1, (float)(r >> 8 & 7) / 8};
            if (r >> 16 & 1) c[i].score = (float)(r >> 17 & 3 ? 1 : 0);
            if ((r >> 20) % 3 == 0 && pending < 3) c[i].answer = VOTE_PENDING, pending++;
        }
        struct vote v = vote_count(kind, c, n);
        assert_int_equal(v.answer, plain_winner(kind, c, n));
        bool decided = vote_decided(kind, c, n), want = never_changes(kind, c, n, v.answer);
        if (decided != want) fail_msg("case %llu: decided %d, want %d", (unsigned long long)t, decided, want);
        if (pending) decided ? stopped++ : open++;
    }
    assert_true(stopped > 1000 && open > 1000);
}

/* ---- classes ------------------------------------------------------------------------------------------- */

struct texts {
    const char *const *at;
    uint32_t asked;
};

static bool same_text(void *ctx, uint32_t a, uint32_t b)
{
    struct texts *t = ctx;
    t->asked++;
    return strcmp(t->at[a], t->at[b]) == 0;
}

static void classes(void **state)
{
    (void)state;
    static const char *const text[] = {"4", "5", "4", "", "5", "6", "4"};
    static const int32_t want[] = {0, 1, 0, VOTE_NONE, 1, 5, 0}, mixed[] = {6, 4, 6, VOTE_NONE, 4, 5, 6};
    struct texts t = {text, 0};
    struct vote_chain c[7];
    for (uint32_t i = 0; i < 7; i++) c[i].answer = VOTE_PENDING;
    for (uint32_t i = 0; i < 7; i++) {
        t.asked = 0;
        c[i].answer = text[i][0] ? vote_class(c, 7, i, same_text, &t) : VOTE_NONE;
        assert_int_equal(c[i].answer, want[i]);
        assert_in_range(t.asked, 0, 3);
    }
    for (uint32_t i = 0; i < 7; i++) c[i].answer = VOTE_PENDING;
    for (uint32_t i = 7; i-- > 0;) {
        c[i].answer = text[i][0] ? vote_class(c, 7, i, same_text, &t) : VOTE_NONE;
        assert_int_equal(c[i].answer, mixed[i]);
    }
}

/* The order in which chains finish does not show: what stands is counted by index. */
static void exact_sums(void **state)
{
    (void)state;
    struct vote_chain a[64], b[64];
    for (uint32_t i = 0; i < 64; i++)
        a[i] = (struct vote_chain){(int32_t)(i % 2), (float)rng_uniform(3, 0, i) * (i < 32 ? 1e-4f : 1)};
    for (uint32_t i = 0; i < 64; i++) b[i] = a[63 - i];
    assert_int_equal(vote_weight(VOTE_WEIGHTED, a, 64, 0), vote_weight(VOTE_WEIGHTED, b, 64, 0));
    assert_int_equal(vote_weight(VOTE_BEST, a, 64, 1), vote_weight(VOTE_BEST, b, 64, 1));
    assert_int_equal(vote_weight(VOTE_MAJORITY, a, 64, 1), (uint64_t)32 * VOTE_ONE);
    assert_int_equal(vote_weight(VOTE_MAJORITY, a, 64, 7), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(by_hand), cmocka_unit_test(early_stop),
                                       cmocka_unit_test(classes), cmocka_unit_test(exact_sums)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
