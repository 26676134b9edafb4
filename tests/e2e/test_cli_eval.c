/* terse eval as a user types it: killed and run again it says the same; answers of another run are not mixed
 * in; benchmarks, repeats, results for other tools. */
#include "checkpoints/file.h"
#include "checkpoints/json.h"
#include "tests/support/run.h"
#include "tests/support/small_base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char base[300];

static int setup(void **state)
{
    (void)state;
    run_setup(state);
    snprintf(base, sizeof base, "%s/base", run_dir);
    small_base(base, 1024, 1);
    return 0;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The lines of a file, sorted; the caller's to free. */
static char *sorted(const char *path)
{
    char *text = run_read(path), *lines[512], *out = malloc(strlen(text) + 1), *to = out;
    size_t n = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) lines[n++] = line;
    qsort(lines, n, sizeof *lines, by_text);
    for (size_t i = 0; i < n; i++) to += sprintf(to, "%s\n", lines[i]);
    free(text);
    return out;
}

/* The figures that do not depend on the clock. */
static void same_figures(const char *a, const char *b)
{
    static const char *const keys[] = {"accuracy",    "exact",      "stderr",    "stderr_repeats", "majority",
                                       "tokens_mean", "tokens_p95", "truncated", "no_answer"};
    struct js *x, *y;
    assert_int_equal(js_load(&x, a, NULL, NULL), 0);
    assert_int_equal(js_load(&y, b, NULL, NULL), 0);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        double u = -1, v = -2;
        assert_true(js_number(js_get(js_get(x, "nano"), keys[i]), &u));
        assert_true(js_number(js_get(js_get(y, "nano"), keys[i]), &v));
        if (u != v) fail_msg("%s: %g and %g", keys[i], u, v);
    }
    js_free(x), js_free(y);
}

#define SETTINGS "--tasks nano --max-samples 20 --repeats 3 --temp 1 -n 24 -t 1"

static void killed_and_run_again(void **state)
{
    char command[1200], *all, *again;
    (void)state;
    run_expect(0, run_log, "%s eval -m %s " SETTINGS " --samples %s -o %s", run_terse(), base,
               run_in("a.jsonl"), run_in("a.json"));
    snprintf(command, sizeof command, "%s eval -m %s " SETTINGS " --streams 5 --samples %s -o %s",
             run_terse(), base, run_in("b.jsonl"), run_in("b.json"));
    run_kill(run_log, command, 8, 1.0, 11);
    run_expect(0, run_log, "%s", command);
    assert_int_equal(run_lines(run_in("a.jsonl")), 60);
    all = sorted(run_in("a.jsonl")), again = sorted(run_in("b.jsonl"));
    assert_string_equal(all, again);
    same_figures(run_in("a.json"), run_in("b.json"));
    free(all), free(again);
}

/* A half of the answers, the last of them torn: the other half is answered. */
static void goes_on_from_what_is_there(void **state)
{
    char *text = run_read(run_in("a.jsonl")), *cut = text, *all, *again;
    (void)state;
    for (int i = 0; i < 30; i++) cut = strchr(cut, '\n') + 1;
    cut[20] = 0;
    run_write(run_in("c.jsonl"), text);
    run_expect(0, run_log, "%s eval -m %s " SETTINGS " --samples %s -o %s", run_terse(), base,
               run_in("c.jsonl"), run_in("c.json"));
    run_says(run_log, "30 of 60 answers are there already");
    all = sorted(run_in("a.jsonl")), again = sorted(run_in("c.jsonl"));
    assert_string_equal(all, again);
    same_figures(run_in("a.json"), run_in("c.json"));
    free(text), free(all), free(again);
    /* nothing is left to do; fewer are wanted; more are */
    run_expect(0, run_log, "%s eval -m %s " SETTINGS " --samples %s", run_terse(), base, run_in("c.jsonl"));
    run_says(run_log, "60 of 60 answers are there already");
    run_expect(0, run_log,
               "%s eval -m %s --tasks nano --max-samples 10 --repeats 2 --temp 1 -n 24 --samples %s",
               run_terse(), base, run_in("c.jsonl"));
    run_says(run_log, "20 of 20 answers are there already");
    assert_int_equal(run_lines(run_in("c.jsonl")), 60);
    run_expect(0, run_log,
               "%s eval -m %s --tasks nano --max-samples 21 --repeats 3 --temp 1 -n 24 --samples %s",
               run_terse(), base, run_in("c.jsonl"));
    assert_int_equal(run_lines(run_in("c.jsonl")), 63);
}

static void other_runs_are_kept_apart(void **state)
{
    static const char *const other[] = {"--temp 0.9 -n 24", "--temp 1 -n 25", "--temp 1 -n 24 --seed 1",
                                        "--temp 1 -n 24 --system 'Be brief.'", "--temp 1 -n 24 --dtype fp32"};
    (void)state;
    for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
        run_expect(1, run_log, "%s eval -m %s --tasks nano --max-samples 20 --repeats 3 %s --samples %s",
                   run_terse(), base, other[i], run_in("a.jsonl"));
        run_says(run_log, "RUN_MISMATCH");
    }
    assert_int_equal(run_lines(run_in("a.jsonl")), 60);
    run_write(run_in("old.jsonl"), "{\"row\": 0}\n");
    run_expect(1, run_log, "%s eval -m %s --tasks nano --samples %s", run_terse(), base, run_in("old.jsonl"));
    run_says(run_log, "old.jsonl:1");
}

static void what_cannot_be_asked(void **state)
{
    static const char *const cases[][2] = {
        {"", "give --tasks or --dataset"},
        {"--tasks nano --dataset data/nano/test.parquet", "one of them"},
        {"--tasks math", "no benchmark is called \"math\"; there are aime24, aime25"},
        {"--tasks humaneval", "code that a model wrote is run on this machine, in a sandbox"},
        {"--tasks nano,mbpp --allow-code -N 4", "programs cannot vote"},
        {"--tasks mbpp --allow-code --budget 9", "give --closing"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        run_expect(2, run_log, "%s eval -m %s %s", run_terse(), base, cases[i][0]);
        run_says(run_log, cases[i][1]);
    }
    run_expect(1, run_log, "%s eval -m %s --tasks aime24 --data %s", run_terse(), base, run_dir);
    run_says(run_log, "terse data fetch HuggingFaceH4/aime_2024");
}

/* A benchmark as it was fetched, in the paper's way but for the length. */
static void a_benchmark(void **state)
{
    struct js *v;
    double repeats = 0;
    (void)state;
    char folder[400];
    snprintf(folder, sizeof folder, "%s/data/math-ai/aime25", run_dir);
    assert_int_equal(file_make_dirs(folder, NULL), 0);
    snprintf(folder, sizeof folder, "%s/data/math-ai/aime25/test.jsonl", run_dir);
    run_write(folder, "{\"problem\": \"1+1?\", \"answer\": \"2\"}\n{\"problem\": \"2+2?\", \"answer\": 4}\n");
    run_expect(0, run_log,
               "%s eval -m %s --tasks aime25,nano --max-samples 2 -n 8 --data %s/data -o %s --lm-eval %s",
               run_terse(), base, run_dir, run_in("two.json"), run_in("lm"));
    run_says(run_log, "AIME 2025: accuracy");
    run_says(run_log, "10 answers to each");
    assert_int_equal(js_load(&v, run_in("two.json"), NULL, NULL), 0);
    assert_true(js_number(js_get(js_get(v, "aime25"), "repeats"), &repeats) && repeats == 10);
    assert_null(js_get(js_get(v, "nano"), "repeats"));
    js_free(v);
    run_expect(0, run_log, "cat %s/*/results_*.json", run_in("lm"));
    run_says(run_log, "\"exact_match,none\"");
    run_says(run_log, "\"pass@10,none\"");
    run_says(run_log, "\"doc_to_text\": \"Problem: {problem}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_and_run_again),
        cmocka_unit_test(goes_on_from_what_is_there),
        cmocka_unit_test(other_runs_are_kept_apart),
        cmocka_unit_test(what_cannot_be_asked),
        cmocka_unit_test(a_benchmark),
    };
    return cmocka_run_group_tests(tests, setup, run_teardown);
}
