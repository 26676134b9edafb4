/* terse eval with programs for answers: run to its end, gone on from, judged again elsewhere only from the
 * beginning, and refused where it should be. */
#include "checkpoints/json.h"
#include "tests/support/run.h"
#include "tests/support/sandbox_rig.h"
#include "tests/support/small_base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CODE                                                                                                 \
    "--tasks humaneval,mbpp,livecodebench --data tests/fixtures/code --allow-code -n 24 -t 1 --repeats 2"

static char base[300];

static int setup(void **state)
{
    run_setup(state);
    snprintf(base, sizeof base, "%s/base", run_dir);
    small_base(base, 1024, 1);
    return 0;
}

static void to_its_end(void **state)
{
    struct js *v;
    double accuracy = -1;
    (void)state;
    sandbox_rig_need();
    run_expect(0, run_log, "%s eval -m %s " CODE " --samples %s -o %s --lm-eval %s", run_terse(), base,
               run_in("a.jsonl"), run_in("a.json"), run_in("lm"));
    run_says(run_log, "LiveCodeBench: accuracy");
    run_says(run_log, "judged by running the programs: Python 3.");
    assert_int_equal(run_lines(run_in("a.jsonl")), 16);
    assert_int_equal(js_load(&v, run_in("a.json"), NULL, NULL), 0);
    const struct js *mbpp = js_get(v, "mbpp");
    assert_true(js_number(js_get(mbpp, "accuracy"), &accuracy) && accuracy == 0);
    assert_non_null(js_get(js_get(mbpp, "digests"), "judge"));
    assert_non_null(js_get(js_get(mbpp, "pass"), "2"));
    assert_null(js_get(mbpp, "majority"));
    js_free(v);
    run_expect(0, run_log, "cat %s/*/results_*.json", run_in("lm"));
    run_says(run_log, "\"judge\": \"Python 3.");
    run_says(run_in("a.jsonl"), "\"found\":\"code\"");
    run_says(run_in("a.jsonl"), "\"rule\":\"an exception\"");
}

static void gone_on_from(void **state)
{
    char *text, *cut;
    (void)state;
    sandbox_rig_need();
    text = cut = run_read(run_in("a.jsonl"));
    for (int i = 0; i < 6; i++) cut = strchr(cut, '\n') + 1;
    cut[9] = 0;
    run_write(run_in("b.jsonl"), text);
    free(text);
    run_expect(0, run_log, "%s eval -m %s " CODE " --samples %s -o %s", run_terse(), base, run_in("b.jsonl"),
               run_in("b.json"));
    run_says(run_log, "4 of 4 answers are there already");
    run_says(run_log, "2 of 4 answers are there already");
    run_expect(0, run_log, "sort %s > %s; sort %s | cmp - %s", run_in("a.jsonl"), run_in("s"),
               run_in("b.jsonl"), run_in("s"));
    /* other limits are another judge */
    run_expect(1, run_log, "%s eval -m %s " CODE " --code-seconds 9 --samples %s", run_terse(), base,
               run_in("a.jsonl"));
    run_says(run_log, "RUN_MISMATCH");
}

static void no_sandbox(void **state)
{
    (void)state;
    run_expect(1, run_log, "env PATH=/nowhere %s eval -m %s " CODE, run_terse(), base);
    run_says(run_log, "apt install bubblewrap python3");
    run_expect(2, run_log, "%s tables -m %s --tasks nano,mbpp -o %s", run_terse(), base, run_in("tables"));
    run_says(run_log, "--allow-code");
    run_expect(2, run_log, "%s tables -m %s --tasks mbpp,nano --allow-code -o %s", run_terse(), base,
               run_in("tables"));
    run_says(run_log, "put another one first");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(to_its_end), cmocka_unit_test(gone_on_from),
                                       cmocka_unit_test(no_sandbox)};
    return cmocka_run_group_tests(tests, setup, run_teardown);
}
