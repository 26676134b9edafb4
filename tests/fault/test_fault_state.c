/* Saving and loading a training state with the n-th allocation, write or read failing, for every n until the
 * operation runs untouched. */
#include "checkpoints/file.h"
#include "checkpoints/state.h"
#include "tests/support/fault.h"
#include "tests/support/scratch.h"
#include "tests/support/state_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ENOUGH = 2000 }; /* faults after which an operation that still fails is stuck */

static struct state_case c;
static int64_t step;

static const char *states(void)
{
    return scratch("state");
}

static void assert_latest(int64_t least)
{
    struct err e = {0};
    int rc = state_case_latest(states(), &c, &step, NULL, 0, &e);
    if (rc || step < least) fail_msg("rc %d, step %lld: %s", rc, (long long)step, e.msg);
}

/* Saving step 2 beside step 1, or (again) over a step 2. */
static void save_with(enum fault_kind kind, int over)
{
    long n = 1;
    assert_int_equal(file_remove_tree(states(), NULL), 0);
    for (;; n++) {
        struct err e = {0};
        if (!over) assert_int_equal(file_remove_tree(scratch("state/step-2"), NULL), 0);
        if (!file_exists(scratch("state/step-1"))) assert_int_equal(state_case_save(states(), 1, 0, NULL), 0);
        if (over && !file_exists(scratch("state/step-2")))
            assert_int_equal(state_case_save(states(), 2, 0, NULL), 0);
        int files = fault_open_files();
        fault_arm(kind, n);
        int rc = state_case_save(states(), 2, 1, &e);
        int fired = fault_disarm();
        assert_int_equal(fault_open_files(), files); /* else a full disk would stay full */
        if (!fired) {
            assert_int_equal(rc, 0);
            break;
        }
        if (rc == 0) { /* absorbed (libhdf5 tries a second way to open a new file) or harmless */
            assert_latest(2);
            continue;
        }
        if (rc > 0 || e.code != rc || !e.msg[0]) fail_msg("fault %ld: rc %d, \"%s\"", n, rc, e.msg);
        assert_false(file_exists(scratch("state/step-2.tmp")));
        if (file_exists(scratch("state/step-2")))
            assert_int_equal(state_verify(scratch("state/step-2"), NULL), 0);
        if (over) assert_true(file_exists(scratch("state/step-2")));
        /* step 1 goes only when a sound step 2 stands */
        assert_latest(file_exists(scratch("state/step-1")) ? 1 : 2);
        assert_false(fault_leaks());
        assert_in_range(n, 1, ENOUGH);
    }
    assert_true(
        n > (kind == FAULT_WRITE || kind == FAULT_FULL ? 10 : 3)); /* the faults did reach the operation */
    assert_latest(2);
}

static void save_without_memory(void **state)
{
    (void)state;
    save_with(FAULT_ALLOC, 0);
}

static void save_on_a_full_disk(void **state)
{
    (void)state;
    save_with(FAULT_WRITE, 0);
}

static void save_on_a_disk_that_stays_full(void **state)
{
    (void)state;
    save_with(FAULT_FULL, 0);
}

static void save_over_on_a_full_disk(void **state)
{
    (void)state;
    save_with(FAULT_WRITE, 1);
}

/* A disk that keeps something else than it was given: found before the state gets its name. */
static void save_on_a_lying_disk(void **state)
{
    (void)state;
    save_with(FAULT_FLIP, 0);
}

static void save_when_reading_back_fails(void **state)
{
    (void)state;
    save_with(FAULT_READ, 0);
}

/* CK53: a read error in the newest leads to the older; in none does it give wrong values. */
static void load_with(enum fault_kind kind)
{
    long n = 1;
    assert_int_equal(file_remove_tree(states(), NULL), 0);
    assert_int_equal(state_case_save(states(), 1, 0, NULL), 0);
    assert_int_equal(state_case_save(states(), 2, 0, NULL), 0);
    for (;; n++) {
        char notes[4096];
        struct err e = {0};
        fault_arm(kind, n);
        int rc = state_case_latest(states(), &c, &step, notes, sizeof notes, &e);
        if (!fault_disarm()) break;
        if (kind == FAULT_READ && (rc || step != 1 || !strstr(notes, "passed over")))
            fail_msg("fault %ld: rc %d, step %lld, %s", n, rc, (long long)step, notes);
        if (kind == FAULT_ALLOC && rc != ERR_NOMEM && step != 1) fail_msg("fault %ld: rc %d", n, rc);
        assert_false(fault_leaks());
        assert_in_range(n, 1, ENOUGH);
    }
    assert_true(n > 5);
    assert_int_equal(step, 2);
}

static void load_with_read_errors(void **state)
{
    (void)state;
    load_with(FAULT_READ);
}

static void load_without_memory(void **state)
{
    (void)state;
    load_with(FAULT_ALLOC);
}

/* file_save under a full disk: the old file or the new one */
static void file_on_a_full_disk(void **state)
{
    (void)state;
    const char *path = scratch("file");
    for (long n = 1;; n++) {
        char *text;
        size_t size;
        assert_int_equal(file_save(path, "old text", 8, NULL), 0);
        fault_arm(FAULT_WRITE, n);
        int rc = file_save(path, "new", 3, NULL);
        if (!fault_disarm()) break;
        assert_int_equal(rc, ERR_ENOSPC);
        assert_int_equal(file_load(path, 100, &text, &size, NULL), 0);
        assert_string_equal(text,
                            n <= 4 ? "old text" : "new"); /* open, write, fsync, rename; then the folder */
        assert_false(file_exists(scratch("file.tmp")));
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(save_without_memory),      cmocka_unit_test(save_on_a_full_disk),
        cmocka_unit_test(save_over_on_a_full_disk), cmocka_unit_test(save_when_reading_back_fails),
        cmocka_unit_test(save_on_a_lying_disk),     cmocka_unit_test(save_on_a_disk_that_stays_full),
        cmocka_unit_test(load_with_read_errors),    cmocka_unit_test(load_without_memory),
        cmocka_unit_test(file_on_a_full_disk),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
