/* The checker over everything this processor has, all cases; and the checker itself. */
#include "infer/kernel_check.h"
#include "tests/support/gemm_dot.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void say(void *ctx, const struct kernel_verdict *v)
{
    int *slots = ctx;
    printf("%s kernels %s %s %" PRId64 " cases %s\n", v->fault ? "FAIL" : "ok", v->slot, v->isa, v->cases,
           v->fault ? v->fault : "");
    ++*slots;
}

static void every_slot_equals_the_reference(void **state)
{
    (void)state;
    struct err e = {0};
    int slots = 0;
    if (kernel_check_levels(cpu_detect(), KERNELS_FULL, say, &slots, &e)) fail_msg("%s", e.msg);
    if (!cpu_detect()) {
        printf("skip: this processor has nothing beyond the reference\n");
        skip();
    }
    assert_true(slots > 20);
}

/* Everything of the AVX-512-BF16 kernels but the instruction itself, wherever there is AVX-512. */
static void the_bf16_dot_template_equals_the_reference(void **state)
{
    (void)state;
    struct err e = {0};
    struct kernels passed, k;
    int slots = 0;
    if (!(cpu_detect() & CPU_AVX512)) {
        printf("skip: this processor has no AVX-512\n");
        skip();
    }
    kernels_init(&passed, cpu_limit(cpu_detect(), "avx512vnni"));
    k = passed;
    k.name = "emulated bf16 dot";
    gemm_init_emulated(&k);
    if (kernel_check(&k, &passed, KERNELS_FULL, say, &slots, &e)) fail_msg("%s", e.msg);
    assert_int_equal(slots, 6); /* products of all types but F32, and packing for them */
}

static struct kernels right;

static void one_bit_off(int64_t n, const float *x, float *y)
{
    right.add(n, x, y);
    uint32_t u;
    memcpy(&u, y + n / 2, sizeof u);
    u ^= n == 17;
    memcpy(y + n / 2, &u, sizeof u);
}

static void one_too_many(int64_t n, const float *x, float *y)
{
    right.add(n, x, y);
    y[n] = 0;
}

static void one_before(int64_t n, const float *x, float *y)
{
    right.add(n, x, y);
    y[-1] = 0;
}

/* A checker that accepts everything would pass all tests above. */
static void faults_are_found(void **state)
{
    (void)state;
    static const struct {
        void (*add)(int64_t n, const float *x, float *y);
        const char *says;
    } faults[] = {{one_bit_off, "n 17"}, {one_too_many, "past its end"}, {one_before, "before its start"}};
    kernels_init_ref(&right);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct kernels k = right;
        struct err e = {0};
        k.add = faults[i].add;
        assert_int_equal(kernel_check(&k, &right, KERNELS_FULL, NULL, NULL, &e), ERR_SELFTEST);
        assert_non_null(strstr(e.msg, "kernel add"));
        assert_non_null(strstr(e.msg, faults[i].says));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_slot_equals_the_reference),
        cmocka_unit_test(the_bf16_dot_template_equals_the_reference),
        cmocka_unit_test(faults_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
