#include "infer/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The known answers published with the paper (Random123, kat_vectors, "philox4x32 10"). */
static void philox_known_answers(void **state)
{
    (void)state;
    static const struct {
        uint64_t counter, stream, seed;
        uint32_t out[4];
    } rows[] = {
        {0, 0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {UINT64_MAX, UINT64_MAX, UINT64_MAX, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {0x85a308d3243f6a88,
         0x0370734413198a2e,
         0x299f31d0a4093822,
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint32_t out[4];
        rng_block(rows[i].seed, rows[i].stream, rows[i].counter, out);
        assert_memory_equal(out, rows[i].out, sizeof out);
    }
}

static void words_are_those_of_the_block(void **state)
{
    (void)state;
    uint32_t out[4];
    rng_block(7, 8, 9, out);
    for (unsigned i = 0; i < 4; i++) assert_int_equal(rng_u32(7, 8, 36 + i), out[i]);
    assert_true(rng_uniform(7, 8, 18) == (double)((uint64_t)out[1] << 21 | out[0] >> 11) * 0x1p-53);
    assert_true(rng_uniform(7, 8, 19) == (double)((uint64_t)out[3] << 21 | out[2] >> 11) * 0x1p-53);
}

/* Box-Muller in double with the C library, from the same words. */
static void normals_follow_the_formula(void **state)
{
    (void)state;
    double worst = 0;
    for (uint64_t block = 0; block < 20000; block++) {
        uint32_t w[4];
        rng_block(3, 1, block, w);
        for (unsigned i = 0; i < 4; i++) {
            double u = (w[i & 2] + 0.5) * 0x1p-32,
                   angle = 2 * 3.14159265358979323846 * w[(i & 2) + 1] * 0x1p-32;
            double expect = sqrt(-2 * log(u)) * (i & 1 ? sin(angle) : cos(angle));
            double error = fabs(expect - (double)rng_normal(3, 1, 4 * block + i));
            error *= fmin(1, sqrt(-2 * log(u))); /* u is rounded to fp32: near 1 that shows in the radius */
            if (error > worst) worst = error;
        }
    }
    assert_true(worst < 1e-6);
}

static void a_batch_is_its_single_values(void **state)
{
    (void)state;
    static float out[2000];
    for (uint64_t first = 0; first < 5; first++)
        for (size_t n = 0; n < 2000; n = n * 2 + 1) {
            rng_fill_normal(11, 5, first, out, n);
            for (size_t i = 0; i < n; i++) {
                float one = rng_normal(11, 5, first + i);
                assert_memory_equal(&one, &out[i], 4);
            }
        }
}

static void moments_and_tails_are_normal(void **state)
{
    (void)state;
    enum { N = 1 << 20 };
    float *x = malloc(N * sizeof *x);
    double m1 = 0, m2 = 0, m4 = 0;
    unsigned beyond3 = 0;
    rng_fill_normal(1, 2, 0, x, N);
    for (int i = 0; i < N; i++) {
        double v = x[i];
        m1 += v, m2 += v * v, m4 += v * v * v * v;
        beyond3 += fabs(v) > 3;
    }
    free(x);
    /* five standard errors of each estimate */
    assert_true(fabs(m1 / N) < 5 / sqrt(N));
    assert_true(fabs(m2 / N - 1) < 5 * sqrt(2.0 / N));
    assert_true(fabs(m4 / N - 3) < 5 * sqrt(96.0 / N));
    assert_true(fabs(beyond3 - 0.0026998 * N) < 5 * sqrt(0.0026998 * N));
}

static void seeds_and_streams_differ(void **state)
{
    (void)state;
    assert_true(rng_u32(1, 0, 0) != rng_u32(2, 0, 0));
    assert_true(rng_u32(1, 0, 0) != rng_u32(1, 1, 0));
    assert_true(rng_u32(1ULL << 32, 0, 0) != rng_u32(0, 0, 0));
    assert_true(rng_u32(0, 1ULL << 32, 0) != rng_u32(0, 0, 0));
    assert_true(rng_u32(0, 0, 4ULL << 32) != rng_u32(0, 0, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_known_answers),         cmocka_unit_test(words_are_those_of_the_block),
        cmocka_unit_test(normals_follow_the_formula),   cmocka_unit_test(a_batch_is_its_single_values),
        cmocka_unit_test(moments_and_tails_are_normal), cmocka_unit_test(seeds_and_streams_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
