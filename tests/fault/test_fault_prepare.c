/* A build with the n-th allocation, write or read failing: it says what went wrong, leaks nothing, leaves no
 * set that is not whole, and the next run ends with the same bytes. */
#include "checkpoints/file.h"
#include "tests/support/build_case.h"
#include "tests/support/fault.h"
#include "tests/support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct prepare_config config(const char *name)
{
    static const char *const files[] = {"tests/fixtures/build/rows.parquet"};
    static const char *eval[1];
    static const char line[] = "{\"problem\": \"count up to a hundred\", \"answer\": \"1\"}\n";
    struct prepare_config c = build_case_config(name, files, 1);
    eval[0] = scratch_write("eval.jsonl", line, sizeof line - 1);
    c.decontaminate = c.references = eval, c.n_decontaminate = c.n_references = 1;
    c.select.val_size = 1, c.select.answers = 1, c.select.choose = CHOOSE_SHORTEST_CORRECT;
    c.shard_tokens = 128; /* several shards */
    return c;
}

static void forget(const char *name)
{
    static const char *const ends[] = {"", "-eval", ".work", ".tmp", "-eval.tmp"};
    char path[128];
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        snprintf(path, sizeof path, "%s%s", name, ends[i]);
        file_remove_tree(scratch(path), NULL);
    }
}

/* `step` sixteenths of n further each time: the first calls one by one. */
static void build_with(enum fault_kind kind, long step)
{
    struct prepare_config whole = config("whole");
    build_case_run(&whole);
    const char *want = build_case_digest("whole");
    long n = 1;
    for (;; n += 1 + n * step / 16) {
        struct err e = {0};
        struct prepare_report r;
        struct prepare_config c = config("set");
        int files = fault_open_files();
        fault_arm(kind, n);
        int rc = prepare_run(&c, &r, &e);
        int fired = fault_disarm();
        assert_int_equal(fault_open_files(), files);
        if (rc && (e.code != rc || !e.msg[0])) fail_msg("fault %ld: rc %d, \"%s\"", n, rc, e.msg);
        if (rc && file_exists(scratch("set/report.json")))
            fail_msg("fault %ld: a report of what is not there", n);
        assert_false(fault_leaks());
        r = build_case_run(&c);
        assert_string_equal(build_case_digest("set"), want);
        forget("set");
        if (!fired) break;
    }
    assert_true(n > 20);
}

static void without_memory(void **state)
{
    (void)state;
    build_with(FAULT_ALLOC, 8);
}

static void on_a_full_disk(void **state)
{
    (void)state;
    build_with(FAULT_WRITE, 4);
    build_with(FAULT_FULL, 6);
}

static void with_read_errors(void **state)
{
    (void)state;
    build_with(FAULT_READ, 6);
}

/* Said before anything is scanned; and, when only then there is no room, before anything is tokenised. */
static void without_room(void **state)
{
    (void)state;
    for (int n = 1; n <= 2; n++) {
        struct prepare_config c = config("set");
        struct prepare_report r;
        struct err e = {0};
        fault_arm(FAULT_SPACE, n);
        assert_int_equal(prepare_run(&c, &r, &e), ERR_PREFLIGHT_DISK);
        assert_true(fault_disarm());
        assert_non_null(strstr(e.msg, "has 0.0 MB free"));
        assert_int_equal(r.scanned, n - 1);
        assert_int_equal(r.sheaves, 0);
        assert_false(file_exists(scratch("set")));
    }
    forget("set");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_memory),
        cmocka_unit_test(on_a_full_disk),
        cmocka_unit_test(with_read_errors),
        cmocka_unit_test(without_room),
    };
    return cmocka_run_group_tests(tests, build_case_setup, build_case_teardown);
}
