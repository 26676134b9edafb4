/* Whatever allocation or read fails while conversations are read: an error, or all rows; nothing leaks. */
#include "tests/support/fault.h"
#include "tests/support/jl_case.h"
#include "tests/support/packed.h"
#include "tests/support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char *files[7] = {
    "tests/fixtures/parquet/nulls-none-v1.parquet",
    "tests/fixtures/parquet/nulls-gzip-v2.parquet",
    "tests/fixtures/parquet/nulls-brotli-v2.parquet",
    "tests/fixtures/parquet/fallback.parquet",
};

static int setup(void **state)
{
    static const char text[] = GOOD "{\"instruction\":\"i\",\"input\":\"n\",\"output\":\"o\"}\n" ROW(USER);
    static const char array[] = "[" GOOD "," ROW(USER) "]";
    struct packed gz = {0}, zst = {0};
    int rc = scratch_setup(state);
    if (rc) return rc;
    packed_gzip(&gz, text, sizeof text - 1);
    packed_zstd(&zst, array, sizeof array - 1);
    static char paths[3][300];
    snprintf(paths[0], sizeof paths[0], "%s", scratch_write("a.jsonl", text, sizeof text - 1));
    snprintf(paths[1], sizeof paths[1], "%s", scratch_write("a.jsonl.gz", gz.s, gz.n));
    snprintf(paths[2], sizeof paths[2], "%s", scratch_write("a.json.zst", zst.s, zst.n));
    for (int i = 0; i < 3; i++) files[4 + i] = paths[i];
    free(gz.s), free(zst.s);
    return 0;
}

static void fail_each(enum fault_kind kind, int code_a, int code_b)
{
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        uint64_t rows, all;
        assert_int_equal(jl_read(files[i], &all, NULL), 0);
        for (long n = 1;; n++) {
            struct err e = {0};
            fault_arm(kind, n);
            int code = jl_read(files[i], &rows, &e);
            if (!fault_disarm()) {
                assert_int_equal(code, 0);
                assert_true(n > 3);
                break;
            }
            if (code)
                assert_true(code == e.code && (code == code_a || code == code_b));
            else
                assert_int_equal(rows, all); /* a library did without */
        }
    }
    assert_int_equal(fault_leaks(), 0);
}

static void allocations_fail(void **state)
{
    (void)state;
    fail_each(FAULT_ALLOC, ERR_NOMEM, ERR_NOMEM);
}

static void reads_fail(void **state)
{
    (void)state;
    fail_each(FAULT_READ, ERR_EIO, ERR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(allocations_fail), cmocka_unit_test(reads_fail)};
    return cmocka_run_group_tests(tests, setup, scratch_teardown);
}
