/* Fetching with the n-th allocation, write or read failing: an error or the right file, and the next run
 * mends it. */
#include "tests/support/fault.h"
#include "tests/support/fetch_rig.h"
#include "tests/support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { SIZE = (1 << 20) + 5000, HALF = SIZE / 2 };
static unsigned char file[SIZE];
static char digest[SHA256_HEX];
static size_t most; /* bytes of a body */

static void serve(struct http_conn *c, const struct http_request *r, void *ctx)
{
    (void)ctx;
    http_file(c, r, file, SIZE, "\"v1\"", most);
}

static int fetch(struct fetch_rig *rig, struct err *e)
{
    struct fetch_file f = {
        .path = "a/file.bin", .url = rig_url(rig, "a/file.bin"), .digest = digest, .size = SIZE};
    return rig_fetch(rig, &f, 1, e);
}

/* Half of it, as an interrupted run leaves it. */
static void fetch_half(struct fetch_rig *rig)
{
    struct err e = {0};
    most = HALF;
    rig->policy.retries = 0;
    assert_int_equal(fetch(rig, &e), ERR_RETRY_LIMIT);
    most = SIZE;
    rig->policy.retries = 2;
}

static void every_nth(enum fault_kind kind, bool half)
{
    struct fetch_rig rig = {0};
    rig_start(&rig, scratch("fetch"), serve, NULL);
    most = SIZE;
    rig.policy.retries = 2;
    bool failed = true;
    for (long n = 1; failed; n++) {
        struct err e = {0}, e2 = {0};
        file_remove_tree(rig.folder, NULL);
        if (half) fetch_half(&rig);
        http_idle(&rig.server);
        int rc, open_files = fault_open_files();
        fault_arm(kind, n);
        rc = fetch(&rig, &e);
        failed = fault_disarm();
        if (rc != e.code) fail_msg("%ld: %d, but \"%s\"", n, rc, e.msg);
        if (!failed && rc) fail_msg("%ld: %s", n, e.msg);
        if (!rc || file_exists(scratch("fetch/a/file.bin"))) rig_holds(rig.folder, "a/file.bin", file, SIZE);
        http_idle(&rig.server);
        if (fault_open_files() > open_files) fail_msg("%ld: files stay open", n);
        if (fetch(&rig, &e2)) fail_msg("%ld, again: %s", n, e2.msg);
        rig_holds(rig.folder, "a/file.bin", file, SIZE);
    }
    assert_int_equal(fault_leaks(), 0);
    rig_stop(&rig);
}

static void every_allocation(void **state)
{
    (void)state;
    every_nth(FAULT_ALLOC, true);
}

static void every_write(void **state)
{
    (void)state;
    every_nth(FAULT_WRITE, true);
}

static void every_read(void **state)
{
    (void)state;
    every_nth(FAULT_READ, true);
}

/* HD45 */
static void a_full_disk_keeps_what_there_is(void **state)
{
    struct fetch_rig rig = {0};
    (void)state;
    rig_start(&rig, scratch("fetch"), serve, NULL);
    most = SIZE;
    bool failed = true;
    for (long n = 1; failed; n += 3) {
        struct err e = {0}, e2 = {0};
        file_remove_tree(rig.folder, NULL);
        fault_arm(FAULT_FULL, n);
        int rc = fetch(&rig, &e);
        failed = fault_disarm();
        if (rc && rc != ERR_ENOSPC) fail_msg("%ld: %s %s", n, err_name(rc), e.msg);
        http_idle(&rig.server); /* what it was still sending counts for the first */
        uint64_t had = rig_part_size(rig.folder, "a/file.bin"), sent = rig.server.body;
        if (fetch(&rig, &e2)) fail_msg("%ld, again: %s", n, e2.msg);
        rig_holds(rig.folder, "a/file.bin", file, SIZE);
        assert_true(rig.server.body - sent <= SIZE - had / (1 << 20) * (1 << 20));
    }
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation), cmocka_unit_test(every_write),
                                       cmocka_unit_test(every_read),
                                       cmocka_unit_test(a_full_disk_keeps_what_there_is)};
    rig_bytes(file, SIZE, 1);
    if (sha256_hex(file, SIZE, digest, NULL)) return 1;
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
