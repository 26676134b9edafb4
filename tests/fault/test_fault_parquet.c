/* Whatever allocation or read fails while a Parquet file is read: an error, or all rows; nothing leaks. */
#include "data/conversations.h"
#include "tests/support/fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char *const files[] = {
    "tests/fixtures/parquet/nulls-none-v1.parquet",
    "tests/fixtures/parquet/nulls-gzip-v2.parquet",
    "tests/fixtures/parquet/fallback.parquet",
};

static int read_all(const char *path, uint64_t *rows, struct err *e)
{
    struct conv_file *f;
    struct conv_row row;
    int code = conv_open(&f, path, e);
    *rows = 0;
    if (code) return code;
    while ((code = conv_next(f, &row, e)) == 1) ++*rows;
    conv_close(f);
    return code;
}

static void fail_each(enum fault_kind kind, int code_a, int code_b)
{
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        uint64_t rows, all;
        assert_int_equal(read_all(files[i], &all, NULL), 0);
        for (long n = 1;; n++) {
            struct err e = {0};
            fault_arm(kind, n);
            int code = read_all(files[i], &rows, &e);
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
    return cmocka_run_group_tests(tests, NULL, NULL);
}
