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

/* Rows up to `rows`, after those that are there. */
static int go_on(uint64_t rows, int end, struct err *e)
{
    struct features_writer *w;
    float x[FEATURES_CASE_DEPTHS * WIDTH];
    int rc = features_writer_open(&w, scratch("on"), features_case_origin(WIDTH), e);
    if (rc) return rc;
    for (uint64_t i = features_writer_count(w); !rc && i < rows; i++) {
        struct feature row = features_case_row(i, WIDTH, x);
        rc = features_writer_add(w, &row, x, e);
    }
    return features_writer_end(w, rc ? rc : end, e);
}

/* Whatever fails while a set is gone on with, what was left stays, and the next one goes on or is done. */
static void go_on_with(enum fault_kind kind)
{
    long n = 1;
    struct features *f;
    for (int fired = 1; fired; n++) {
        struct err e = {0}, why = {0};
        assert_int_equal(go_on(ROWS, ERR_INTERRUPTED, NULL), ERR_INTERRUPTED);
        int files = fault_open_files();
        fault_arm(kind, n);
        int rc = go_on(ROWS + 1, n % 2 ? ERR_INTERRUPTED : 0, &e);
        fired = fault_disarm();
        assert_int_equal(fault_open_files(), files);
        if (rc && (e.code != rc) != (rc == ERR_INTERRUPTED)) fail_msg("fault %ld: %d, \"%s\"", n, rc, e.msg);
        if (!file_exists(scratch("on.tmp/shard-00000.h5")) && !file_exists(scratch("on")))
            fail_msg("fault %ld: nothing left after %d, \"%s\"", n, rc, e.msg);
        if (go_on(ROWS + 1, 0, &why) || features_open(&f, scratch("on"), &why))
            fail_msg("fault %ld: %s", n, why.msg);
        assert_int_equal(features_count(f), ROWS + 1);
        features_close(f);
        assert_int_equal(file_remove_tree(scratch("on"), NULL), 0);
        assert_false(fault_leaks());
        assert_in_range(n, 1, ENOUGH);
    }
    assert_true(n > 8);
}

static void go_on_without_memory(void **state)
{
    (void)state;
    go_on_with(FAULT_ALLOC);
}

static void go_on_with_read_errors(void **state)
{
    (void)state;
    go_on_with(FAULT_READ);
}

static void go_on_on_a_full_disk(void **state)
{
    (void)state;
    go_on_with(FAULT_WRITE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(write_without_memory), cmocka_unit_test(write_on_a_full_disk),
        cmocka_unit_test(open_without_memory),  cmocka_unit_test(open_with_read_errors),
        cmocka_unit_test(go_on_without_memory), cmocka_unit_test(go_on_with_read_errors),
        cmocka_unit_test(go_on_on_a_full_disk)};
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
