/* Whatever allocation fails while programs are asked for and judged: an error, or the right verdict; nothing
 * leaks, no descriptor stays open. */
#include "rl/task.h"
#include "tests/support/fault.h"
#include "tests/support/sandbox_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int load(struct problems *p, const char *name, struct err *e)
{
    char path[300];
    int r = task_path(path, sizeof path, task_find(name), "tests/fixtures/code", e);
    return r ? r : task_load(p, task_find(name), STYLE_PLAIN, path, 0, 2, 1, e);
}

static void loading(void **state)
{
    static const char *const names[] = {"humaneval", "mbpp", "livecodebench"};
    (void)state;
    for (size_t i = 0; i < 3; i++)
        for (long n = 1;; n++) {
            struct err e = {0};
            struct problems p = {0};
            fault_arm(FAULT_ALLOC, n);
            int code = load(&p, names[i], &e), done = !fault_disarm();
            if (code && (code != ERR_NOMEM || e.code != code || p.n)) fail_msg("%d: %s", code, e.msg);
            if (!code) problems_clear(&p);
            if (done) break;
        }
    assert_int_equal(fault_leaks(), 0);
}

static void judging(void **state)
{
    static const char *const names[] = {"mbpp", "livecodebench"};
    static const char *const replies[] = {"def longest(w): return max(w, key=len)",
                                          "print(sum(map(int, input().split())))"};
    struct err e = {0};
    (void)state;
    sandbox_rig_need();
    for (size_t i = 0; i < 2; i++) {
        struct problems p = {0};
        assert_int_equal(load(&p, names[i], &e), 0);
        int open_ = fault_open_files();
        for (long n = 1;; n++) {
            struct grade g;
            e.code = 0;
            fault_arm(FAULT_ALLOC, n);
            int code = code_grade(&g, &sandbox_rig, p.at[0].tests, replies[i], strlen(replies[i]), &e);
            int done = !fault_disarm();
            if (code ? code != ERR_NOMEM || e.code != code : g.verdict != GRADE_EQUAL)
                fail_msg("%d: %s", code, e.msg);
            if (done) break;
        }
        assert_int_equal(fault_open_files(), open_);
        problems_clear(&p);
    }
    assert_int_equal(fault_leaks(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(loading), cmocka_unit_test(judging)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
