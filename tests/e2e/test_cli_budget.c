/* Budgets as a user types them: generate, chat and eval. */
#include "checkpoints/json.h"
#include "tests/support/run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NANO    "-m checkpoints/nano -t 1"
#define PROBLEM "-p 'Tom has 5 apples and buys 7 more. How many apples does Tom have?'"
#define EVAL    "eval " NANO " --dataset data/nano/test.parquet --max-samples 8 -n 80 "

/* What a command wrote to `path`; what it prints goes to dir/out. */
static struct js *object_of(const char *path, const char *args)
{
    struct js *v;
    struct err e = {0};
    run_expect(0, run_log, "%s %s >%s", run_terse(), args, run_out);
    if (js_load(&v, path, NULL, &e)) fail_msg("%s", e.msg);
    return v;
}

static void fails(const char *says, const char *args)
{
    run_expect(2, run_log, "%s %s", run_terse(), args);
    run_says(run_log, says);
    run_says(run_log, "[USAGE]");
}

static void thinking_ends_at_its_budget(void **state)
{
    int64_t tokens;
    (void)state;
    struct js *v = object_of(run_out, "generate " NANO " " PROBLEM " --think --temp 0 --budget 4 --json");
    assert_true(js_true(js_get(v, "closed")));
    assert_non_null(strstr(js_string(js_get(v, "text"), NULL), "\n</think>\n\n"));
    js_free(v);
    v = object_of(run_out, "generate " NANO " " PROBLEM
                           " --think --temp 0 --budget 4 --answer-tokens 3 --closing ' So:</think>' --json");
    assert_true(js_true(js_get(v, "closed")));
    const char *at = strstr(js_string(js_get(v, "text"), NULL), " So:</think>");
    assert_non_null(at);
    assert_string_equal(js_string(js_get(v, "reply"), NULL), at + strlen(" So:</think>"));
    assert_true(js_int(js_get(v, "tokens"), &tokens) && tokens > 4 + 3 && tokens < 4 + 3 + 14);
    js_free(v);
    v = object_of(run_out,
                  "generate " NANO " " PROBLEM " --temp 0 --budget 3 --json"); /* the base does not think */
    assert_false(js_true(js_get(v, "closed")));
    js_free(v);
    run_expect(0, run_log, "printf 'How are you?\\n' | %s chat " NANO " --think --temp 0 --budget 4",
               run_terse());
    run_says(run_log, "</think>");
}

static void caps_stand_side_by_side(void **state)
{
    static const char *const keys[] = {"cap",    "accuracy",    "stderr",        "n",
                                       "closed", "tokens_mean", "tokens_median", "truncated"};
    char args[1024], path[300];
    double x, cap[2];
    (void)state;
    snprintf(path, sizeof path, "%s/figures.json", run_dir);
    snprintf(args, sizeof args, EVAL "--think --caps 12,4 --answer-tokens 20 -o %s", path);
    struct js *v = object_of(path, args);
    const struct js *caps = js_get(v, "caps");
    assert_int_equal(js_size(caps), 2);
    for (size_t i = 0; i < 2; i++) {
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
            assert_true(js_number(js_get(js_at(caps, i), keys[k]), &x));
        assert_true(js_number(js_get(js_at(caps, i), "cap"), &cap[i]));
        assert_true(js_number(js_get(js_at(caps, i), "closed"), &x) && x > 0);
    }
    assert_true(cap[0] == 12 && cap[1] == 4);
    assert_true(js_number(js_get(v, "closed"), &x) && x == 0);
    js_free(v);
    run_says(run_out, "     cap       accuracy %    tokens  closed %    no end %");
    run_says(run_out, "    none");
    snprintf(args, sizeof args, EVAL "--think --budget 12 --answer-tokens 20 -o %s", path);
    v = object_of(path, args);
    assert_true(js_number(js_get(v, "budget"), &x) && x == 12);
    assert_true(js_number(js_get(v, "closed"), &x) && x > 0);
    assert_null(js_get(v, "caps"));
    js_free(v);
}

static void what_makes_no_sense_is_said(void **state)
{
    (void)state;
    fails("before its budget", "generate " NANO " -p hi -n 5 --budget 5");
    fails("give --budget", "generate " NANO " -p hi --closing x");
    fails("give --budget", "chat " NANO " --answer-tokens 3");
    fails("one of them", EVAL "--caps 4 --budget 4");
    fails("give --budget or --caps", EVAL "--answer-tokens 4");
    fails("caps: \"4x\", expected 1 to 16", EVAL "--caps 8,4x");
    fails("caps: \"17\"", EVAL "--caps 17");
    fails("caps: \"0\"", EVAL "--caps 0");
    fails("at most 16", EVAL "--caps 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,16");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thinking_ends_at_its_budget),
        cmocka_unit_test(caps_stand_side_by_side),
        cmocka_unit_test(what_makes_no_sense_is_said),
    };
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
