/* Writing and opening a set of shards with the n-th allocation, write or read failing, for every n. */
#include "checkpoints/file.h"
#include "data/loader.h"
#include "data/shards.h"
#include "tests/support/fault.h"
#include "tests/support/scratch.h"
#include "tests/support/shards_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { DOCS = 40, MEAN = 30, ENOUGH = 2000 };

static uint64_t docs_of_set(void)
{
    struct shards *s;
    struct err e = {0};
    if (shards_open(&s, scratch("set"), 0, &e)) fail_msg("%s", e.msg);
    uint64_t docs = shards_docs(s);
    shards_close(s);
    return docs;
}

/* A set of DOCS + 1 documents over one of DOCS: the old one or the new one stands, whole. */
static void write_with(enum fault_kind kind)
{
    long n = 1;
    assert_int_equal(shards_case_write(scratch("set"), DOCS, MEAN, NULL), 0);
    for (;; n++) {
        struct err e = {0};
        int files = fault_open_files();
        fault_arm(kind, n);
        int rc = shards_case_write(scratch("set"), DOCS + 1, MEAN, &e);
        int fired = fault_disarm();
        assert_int_equal(fault_open_files(), files);
        if (!fired) break;
        assert_false(file_exists(scratch("set.tmp")));
        if (rc && (e.code != rc || !e.msg[0])) fail_msg("fault %ld: rc %d, \"%s\"", n, rc, e.msg);
        uint64_t docs = docs_of_set();
        assert_true(docs == DOCS + 1 || (rc && docs == DOCS));
        if (docs != DOCS) assert_int_equal(shards_case_write(scratch("set"), DOCS, MEAN, NULL), 0);
        assert_false(fault_leaks());
        assert_in_range(n, 1, ENOUGH);
    }
    assert_true(n > 2);
    assert_int_equal(docs_of_set(), DOCS + 1);
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

static void write_with_read_errors(void **state)
{
    (void)state;
    write_with(FAULT_READ);
}

static int read_all(struct err *e)
{
    struct shards *s;
    uint32_t ids[4096];
    int rc = shards_open(&s, scratch("set"), 0, e);
    for (uint64_t i = 0; !rc && i < shards_docs(s); i++) rc = shards_read(s, i, ids, e);
    shards_close(s);
    return rc;
}

static void open_with(enum fault_kind kind)
{
    long n = 1;
    assert_int_equal(shards_case_write(scratch("set"), DOCS, MEAN, NULL), 0);
    for (;; n++) {
        struct err e = {0};
        fault_arm(kind, n);
        int rc = read_all(&e);
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

/* An epoch of packed rows, made by a thread or when they are asked for. */
static int load_all(uint32_t ahead, struct err *e)
{
    const struct loader_config c = {
        .cutoff_len = 128, .packing = 1, .keep = 2, .ahead = ahead, .val_size = 0.1};
    struct loader_set set = {.weight = 1};
    struct loader *l = NULL;
    struct packed_row row = {0};
    int rc = shards_open(&set.shards, scratch("set"), SHARDS_LAZY, e);
    if (!rc) rc = loader_open(&l, &set, 1, &c, e);
    while (!rc && !row.last) rc = loader_next_row(l, &row, e);
    loader_close(l);
    shards_close(set.shards);
    return rc;
}

static void load_without_memory(void **state)
{
    (void)state;
    assert_int_equal(shards_case_write(scratch("set"), DOCS, MEAN, NULL), 0);
    for (uint32_t ahead = 0; ahead < 4; ahead += 3)
        for (long n = 1;; n++) {
            struct err e = {0};
            fault_arm(FAULT_ALLOC, n);
            int rc = load_all(ahead, &e);
            if (!fault_disarm()) break;
            if (rc && (e.code != rc || !e.msg[0])) fail_msg("fault %ld: rc %d, \"%s\"", n, rc, e.msg);
            assert_false(fault_leaks());
            assert_in_range(n, 1, ENOUGH);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(write_without_memory),   cmocka_unit_test(write_on_a_full_disk),
        cmocka_unit_test(write_with_read_errors), cmocka_unit_test(open_without_memory),
        cmocka_unit_test(open_with_read_errors),  cmocka_unit_test(load_without_memory),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
