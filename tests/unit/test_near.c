/* Near-duplicates: sketches estimate the share of common phrases, groups are joined by way of others too,
 * texts that only look alike at a glance stay apart. */
#include "data/near.h"
#include "infer/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static double alike(const char *a, const char *b)
{
    struct near_sketch x, y;
    near_sketch(&x, a, strlen(a));
    near_sketch(&y, b, strlen(b));
    return near_alike(&x, &y);
}

static void what_counts(void **state)
{
    (void)state;
    assert_true(alike("How many apples has Tom now?", "how MANY   apples\nhas Tom, now") == 1);
    assert_true(alike("How many apples has Tom now?", "now Tom has apples many How?") < 0.1);
    assert_true(alike("a b c d e f g", "h i j k l m n") < 0.1);
    assert_true(alike("", "?!") == 1);
    assert_true(alike("one", "two") < 0.1 && alike("one", "one two") < 0.1 &&
                alike("one two", "two one") < 0.1);
    assert_true(alike("one two", "One, two.") == 1);
    assert_true(alike("\xc3\xa4hnlich wie das hier", "\xc3\xb6hnlich wie das da") < 0.1);
}

/* n words of a random text, the first `own` of them of its own. */
static char *words(char *to, uint64_t seed, uint64_t text, uint32_t n, uint32_t own)
{
    char *at = to;
    for (uint32_t i = 0; i < n; i++) at += sprintf(at, "w%u ", rng_u32(seed, i < own ? text : 0, i) % 100000);
    return to;
}

static void estimates_jaccard(void **state)
{
    (void)state;
    enum { N = 400 };
    char a[N * 8], b[N * 8];
    for (uint32_t own = 0; own <= N; own += 80) {
        double sum = 0, common = N - 2 - own, want = own == N ? 0 : common / (2 * (N - 2) - common);
        for (uint64_t k = 0; k < 20; k++) sum += alike(words(a, k, 1, N, own), words(b, k, 2, N, own));
        assert_true(fabs(sum / 20 - want) < 0.03);
    }
}

static void groups(void **state)
{
    (void)state;
    enum { N = 600, WORDS = 60 };
    static struct near_sketch sketch[N];
    static uint64_t group[N];
    char text[WORDS * 8];
    size_t joined;
    /* triples: the second has 4 of its own words in 60 (88 % in common with the first), the third 30 */
    for (uint32_t i = 0; i < N; i++) {
        words(text, i / 3, 1 + i % 3, WORDS, i % 3 == 1 ? 4 : i % 3 == 2 ? 30 : 0);
        near_sketch(&sketch[i], text, strlen(text));
        group[i] = 1000 + i;
    }
    assert_int_equal(near_groups(sketch, group, N, 0.75, &joined, NULL), 0);
    assert_in_range(joined, N / 3 - 2, N / 3);
    size_t wrong = 0;
    for (uint32_t i = 0; i < N; i++) wrong += group[i] != 1000 + i - (i % 3 == 1);
    assert_true(wrong <= 2);
    assert_int_equal(near_groups(sketch, group, 0, 0.75, &joined, NULL), 0);
    assert_int_equal(joined, 0);
}

/* One after the other changes a little: the ends have little in common, the chain holds them together. */
static void by_way_of_others(void **state)
{
    (void)state;
    enum { N = 12, WORDS = 100 };
    static struct near_sketch sketch[N];
    uint64_t group[N];
    char text[WORDS * 8];
    size_t joined;
    for (uint32_t i = 0; i < N; i++) {
        words(text, 7, 3, WORDS, 5 * i);
        near_sketch(&sketch[N - 1 - i], text, strlen(text));
        group[i] = 50 + i;
    }
    assert_true(near_alike(&sketch[0], &sketch[N - 1]) < 0.6);
    assert_int_equal(near_groups(sketch, group, N, 0.8, &joined, NULL), 0);
    assert_int_equal(joined, N - 1);
    for (uint32_t i = 0; i < N; i++) assert_int_equal(group[i], 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_counts), cmocka_unit_test(estimates_jaccard),
                                       cmocka_unit_test(groups), cmocka_unit_test(by_way_of_others)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
