/* Memory or the disk fails at any point of making a verifier's features: an error with a sentence, nothing
 * leaks, and the same call made again ends well. */
#include "checkpoints/file.h"
#include "data/grade.h"
#include "rl/cmd_heads.h"
#include "rl/verifier.h"
#include "tests/support/fault.h"
#include "tests/support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { ENOUGH = 3000 };

static struct loaded model;
static struct problems problems;

static int setup(void **state)
{
    static const char sum[] = "{\"problem\": \"What is 12 plus 7?\", \"answer\": \"19\"}\n";
    struct load_options o = {.model = "checkpoints/nano", .threads = 1, .context = 64};
    struct err e = {0};
    scratch_setup(state);
    if (cmd_heads_load(&model, &o, &e) ||
        problems_load(&problems, scratch_write("sum.jsonl", sum, sizeof sum - 1), 0, &e))
        fail_msg("%s", e.msg);
    return 0;
}

static int teardown(void **state)
{
    problems_clear(&problems);
    load_clear(&model);
    return scratch_teardown(state);
}

static int make(struct err *e)
{
    struct verifier_config c = {.session = {.streams = 2},
                                .depths = {{2, STATES_FINAL}, 2},
                                .prompt = "So?",
                                .made = "5e77",
                                .chains = 3,
                                .max_new = 4,
                                .sampler = {.temperature = 0.5, .top_p = 1, .repetition_penalty = 1}};
    return verifier_features(&model, &problems, &c, scratch("set"), NULL, NULL, e);
}

static void make_with(enum fault_kind kind)
{
    long n = 1;
    for (int fired = 1; fired; n++) {
        struct err e = {0}, why = {0};
        int files = fault_open_files();
        fault_arm(kind, n);
        int rc = make(&e);
        fired = fault_disarm();
        if (rc && (e.code != rc || !e.msg[0])) fail_msg("fault %ld: %d, \"%s\"", n, rc, e.msg);
        assert_int_equal(fault_open_files(), files);
        assert_false(fault_leaks());
        if (rc && make(&why)) fail_msg("after fault %ld (%s): %s", n, e.msg, why.msg);
        assert_int_equal(file_remove_tree(scratch("set"), NULL), 0);
        assert_in_range(n, 1, ENOUGH);
    }
    assert_true(n > 8);
}

static void without_memory(void **state)
{
    (void)state;
    make_with(FAULT_ALLOC);
}

static void on_a_full_disk(void **state)
{
    (void)state;
    make_with(FAULT_WRITE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(without_memory), cmocka_unit_test(on_a_full_disk)};
    int r = cmocka_run_group_tests(tests, setup, teardown);
    grade_thread_end();
    return r;
}
