/* terse grade and terse bench grade, as a user types them. */
#include "tests/support/run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char rows_path[300];

static int setup(void **state)
{
    (void)state;
    run_setup(state);
    snprintf(rows_path, sizeof rows_path, "%s/rows.jsonl", run_dir);
    run_write(
        rows_path,
        "{\"answer\": \"#### 1/2\", \"text\": [\"\\\\boxed{0.5}\", \"it is 3\"], \"ok\": [true, true]}\n"
        "\n{\"answer\": \"7\", \"text\": \"I do not know\", \"ok\": 0}\n"
        "{\"answer\": \"7\", \"text\": \"\\\\boxed{1/0}\"}\n");
    return 0;
}

static void one_answer(void **state)
{
    (void)state;
    run_expect(0, run_log, "%s grade --reference 'x > 2' --answer '(2,\\infty)'", run_terse());
    run_says(run_log, "equal (one by one)");
    run_expect(0, run_log, "%s grade --reference 'x > 2' --answer '(2,\\infty)' --no-relations", run_terse());
    run_says(run_log, "different (a relation and a value)");
    run_expect(0, run_log, "%s grade --reference '#### 12' --text 'that makes 12'", run_terse());
    run_says(run_log, "equal (the same number)  number: \"12\"");
    run_expect(0, run_log, "%s grade --reference 12 --text 'that makes 12' --no-last", run_terse());
    run_says(run_log, "no answer");
}

static void a_file(void **state)
{
    char out[300];
    (void)state;
    snprintf(out, sizeof out, "%s/out.jsonl", run_dir);
    run_expect(0, run_log, "%s grade %s --label-fields none,ok -o %s", run_terse(), rows_path, out);
    run_says(run_log, "rows.jsonl:1: label right, different (another number)");
    run_says(run_log,
             "4 graded: 1 equal (25.0 %), 1 different (25.0 %), 1 no answer (25.0 %), 1 undecided (25.0 %)");
    run_says(run_log, "2 of 3 agree with the labels (66.7 %)");
    run_says(out, "{\"line\":1,\"verdict\":\"equal\",\"rule\":\"the same "
                  "number\",\"found\":\"boxed\",\"in_thinking\":false,"
                  "\"answer\":\"0.5\",\"reference\":\"1/2\"}");
    run_says(out, "\"rule\":\"cannot be evaluated\"");
}

static void mistakes_are_named(void **state)
{
    (void)state;
    run_expect(2, run_log, "%s grade", run_terse());
    run_expect(2, run_log, "%s grade --reference 1", run_terse());
    run_expect(2, run_log, "%s grade --reference 1 --answer 1 --text 1", run_terse());
    run_expect(1, run_log, "%s grade %s --reference-field none", run_terse(), rows_path);
    run_says(run_log, "rows.jsonl:1");
    run_expect(1, run_log, "%s grade %s --text-field ok", run_terse(), rows_path);
    run_says(run_log, "something else than strings");
    run_expect(1, run_log, "%s grade %s/none.jsonl", run_terse(), run_dir);
}

static void the_bench_runs(void **state)
{
    (void)state;
    run_expect(0, run_log, "%s bench grade --seconds 0.01", run_terse());
    run_says(run_log, "grade boxed number");
    run_says(run_log, "million a minute");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_answer),
        cmocka_unit_test(a_file),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(the_bench_runs),
    };
    return cmocka_run_group_tests(tests, setup, run_teardown);
}
