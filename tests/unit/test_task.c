/* Benchmarks: found where they were fetched to, worded by style, choices dealt out, every repeat there. */
#include "checkpoints/file.h"
#include "rl/task.h"
#include "tests/support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char maths[] = "{\"problem\": \"1+1?\", \"answer\": \"2\"}\n{\"problem\": \"no answer\"}\n"
                            "{\"problem\": \"half?\", \"answer\": \"\\\\frac12\"}\n";
static const char numbers[] = "{\"question\": \"1+1?\", \"answer\": 2}\n";
static const char choices[] =
    "Question,Correct Answer,Incorrect Answer 1,Incorrect Answer 2,Incorrect Answer 3\n"
    "Which?,right,\"wrong, one\",wrong two,wrong three\nAnd?,yes,no,never,perhaps\n";

/* A file in a folder that is made. */
static void put_file(const char *folder, const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", scratch("found"), folder);
    assert_int_equal(file_make_dirs(path, NULL), 0);
    snprintf(path, sizeof path, "found/%s/%s", folder, name);
    scratch_write(path, text, strlen(text));
}

static void files_are_found(void **state)
{
    char path[512], folder[256];
    struct err e = {0};
    const struct task *t = task_find("math500");
    (void)state;
    snprintf(folder, sizeof folder, "%s", scratch("found"));
    assert_int_equal(task_path(path, sizeof path, t, folder, &e), ERR_FILE_MISSING);
    assert_non_null(strstr(e.msg, "terse data fetch HuggingFaceH4/MATH-500 --include test.jsonl"));
    put_file("HuggingFaceH4/MATH-500", "test.jsonl", maths);
    assert_int_equal(task_path(path, sizeof path, t, folder, &e), 0);
    assert_non_null(strstr(path, "found/HuggingFaceH4/MATH-500/test.jsonl"));
    put_file("gsm8k", "test.jsonl", "x");
    assert_int_equal(task_path(path, sizeof path, task_find("gsm8k"), folder, &e), 0);
    assert_non_null(strstr(path, "gsm8k/test.jsonl"));
    put_file("gsm8k", "test-00000-of-00001.parquet", "x");
    assert_int_equal(task_path(path, sizeof path, task_find("gsm8k"), folder, &e), 0);
    assert_int_equal(task_path(path, sizeof path, task_find("nano"), folder, &e), 0);
    e.code = 0;
    assert_int_equal(task_path(path, sizeof path, task_find("livecodebench"), folder, &e), ERR_FILE_MISSING);
    assert_non_null(
        strstr(e.msg, "terse data fetch livecodebench/code_generation_lite --include test6.jsonl"));
    assert_null(task_find("math"));
    assert_int_equal(task_path(path, 8, t, folder, &e), ERR_FILE_MISSING);
}

static void maths_by_style(void **state)
{
    static const char *const worded[STYLES] = {"1+1?", "Problem: 1+1?\nMark", "Problem: 1+1?\nMark",
                                               "Problem: 1+1?\nMark"};
    const struct task *t = task_find("math500");
    const char *path = scratch_write("m.jsonl", maths, sizeof maths - 1);
    struct problems p;
    struct err e = {0};
    (void)state;
    for (int s = 0; s < STYLES; s++) {
        if (task_load(&p, t, (enum task_style)s, path, 0, 3, 1, &e)) fail_msg("%s", e.msg);
        assert_int_equal(p.n, 6);
        assert_int_equal(p.without, 1);
        for (size_t i = 0; i < 6; i++) {
            assert_int_equal(p.at[i].row, i % 2 ? 2 : 0);
            assert_string_equal(p.at[i].reference, i % 2 ? "\\frac12" : "2");
        }
        assert_int_equal(strncmp(p.at[4].turns[0].content, worded[s], strlen(worded[s])), 0);
        problems_clear(&p);
    }
    if (task_load(&p, t, STYLE_PAPER, path, 1, 2, 1, &e)) fail_msg("%s", e.msg);
    assert_int_equal(p.n, 2);
    problems_clear(&p);
    /* other names of columns, a number for an answer */
    if (task_load(&p, t, STYLE_PLAIN, scratch_write("n.jsonl", numbers, sizeof numbers - 1), 0, 1, 1, &e))
        fail_msg("%s", e.msg);
    assert_string_equal(p.at[0].reference, "2");
    problems_clear(&p);
    assert_int_equal(task_load(&p, t, STYLE_PLAIN, scratch_write("e.jsonl", "{}\n", 3), 0, 1, 1, &e),
                     ERR_DATA_EMPTY);
    assert_int_equal(p.n, 0);
}

static void choices_are_dealt(void **state)
{
    const struct task *t = task_find("gpqa");
    const char *path = scratch_write("gpqa.csv", choices, sizeof choices - 1);
    struct problems p, again;
    struct err e = {0};
    int letters = 0;
    (void)state;
    if (task_load(&p, t, STYLE_PAPER, path, 0, 20, 7, &e)) fail_msg("%s", e.msg);
    if (task_load(&again, t, STYLE_PAPER, path, 0, 20, 7, &e)) fail_msg("%s", e.msg);
    assert_int_equal(p.n, 40);
    for (size_t i = 0; i < 40; i++) {
        char want[32];
        snprintf(want, sizeof want, "%s. %s", p.at[i].reference, i % 2 ? "yes" : "right");
        if (!strstr(p.at[i].turns[0].content, want)) fail_msg("%s in %s", want, p.at[i].turns[0].content);
        assert_string_equal(p.at[i].turns[0].content, again.at[i].turns[0].content);
        letters |= 1 << (p.at[i].reference[0] - 'A');
    }
    assert_int_equal(letters, 15);
    problems_clear(&p), problems_clear(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(files_are_found), cmocka_unit_test(maths_by_style),
                                       cmocka_unit_test(choices_are_dealt)};
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
