/* Writing and opening a set of features with the n-th allocation, write or read failing, for every n. */
#include "checkpoints/file.h"
#include "tests/support/fault.h"
#include "tests/support/features_case.h"
#include "tests/support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 12, WIDTH = 6, ENOUGH = 3000 };

/* libhdf5 1.10 forgets blocks on the way out of a failed read or write. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libhdf5";
}

static int read_all(uint32_t *rows, struct err *e)
{
    struct features *f;
    float x[(ROWS + 1) * WIDTH];
    int rc = features_open(&f, scratch("set"), e);
    *rows = rc ? 0 : features_count(f);
    for (uint32_t k = 0; !rc && k < FEATURES_CASE_DEPTHS; k++) rc = features_states(f, k, x, e);
    features_close(f);
    return rc;
}

/* A set of ROWS + 1 rows over one of ROWS: the old one or the new one stands, whole. */
static void write_with(enum fault_kind kind)
{
    long n = 1;
    assert_int_equal(features_case_write(scratch("set"), ROWS, WIDTH, NULL), 0);
    for (;; n++) {
        struct err e = {0}, why = {0};
        uint32_t rows;
        int files = fault_open_files();
        fault_arm(kind, n);
        int rc = features_case_write(scratch("set"), ROWS + 1, WIDTH, &e);
        int fired = fault_disarm();
        assert_int_equal(fault_open_files(), files);
        if (!fired) break;
        assert_false(file_exists(scratch("set.tmp")));
        if (rc && (e.code != rc || !e.msg[0])) fail_msg("fault %ld: rc %d, \"%s\"", n, rc, e.msg);
        if (read_all(&rows, &why)) fail_msg("fault %ld: %s", n, why.msg);
        assert_true(rows == ROWS + 1 || (rc && rows == ROWS));
        if (rows != ROWS) assert_int_equal(features_case_write(scratch("set"), ROWS, WIDTH, NULL), 0);
        assert_false(fault_leaks());
        assert_in_range(n, 1, ENOUGH);
    }
    assert_true(n > 2);
}

static void write_without_memory(void **state)
{
    (void)state;
    write_with(FAULT_ALLOC);
}

static void write_on_a_full_disk(void **state)
{
    (void)state;
    write_with(FAULT_WRITE);
    write_with(FAULT_FULL);
}

static void open_with(enum fault_kind kind)
{
    long n = 1;
    uint32_t rows;
    assert_int_equal(features_case_write(scratch("set"), ROWS, WIDTH, NULL), 0);
    for (;; n++) {
        struct err e = {0};
        fault_arm(kind, n);
        int rc = read_all(&rows, &e);
        if (!fault_disarm()) break;
        if (rc >= 0 || e.code != rc || !e.msg[0]) fail_msg("fault %ld: rc %d, \"%s\"", n, rc, e.msg);
        assert_false(fault_leaks());
        assert_in_range(n, 1, ENOUGH);
    }
    assert_true(n > 8);
}

static void open_without_memory(void **state)
{
    (void)state;
    open_with(FAULT_ALLOC);
}

static void open_with_read_errors(void **state)
{
    (void)state;
    open_with(FAULT_READ);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(write_without_memory), cmocka_unit_test(write_on_a_full_disk),
        cmocka_unit_test(open_without_memory), cmocka_unit_test(open_with_read_errors)};
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
