/* Finding the answer in a text, and telling whether two are the same. */
#include "checkpoints/file.h"
#include "checkpoints/json.h"
#include "data/answer.h"
#include "data/problems.h"
#include "tests/support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static void found(enum answer_kind kind, const char *answer, const char *text)
{
    struct answer a = answer_find(text, strlen(text));
    char got[ANSWER_MAX + 1] = "";
    if (a.s) snprintf(got, sizeof got, "%.*s", (int)a.n, a.s);
    if (a.kind != kind || strcmp(got, answer)) print_error("in \"%s\"\n", text);
    assert_string_equal(got, answer);
    assert_int_equal(a.kind, kind);
}

static void boxes_come_first(void **state)
{
    (void)state;
    found(ANSWER_BOXED, "58",
          "<think>\n5*6=30. So the answer is 57.\n</think>\n\nLucy pays \\boxed{58} coins.");
    found(ANSWER_BOXED, "2", "\\boxed{1} no, \\boxed{2}, it is 3");
    found(ANSWER_BOXED, "\\frac{1}{\\sqrt{2}}", "so $\\boxed{\\frac{1}{\\sqrt{2}}}$.");
    found(ANSWER_BOXED, "\\left\\{ 1, 2 \\right)", "\\boxed{\\left\\{ 1, 2 \\right)}"); /* \{ is no brace */
    found(ANSWER_BOXED, "7", "\\fbox{ 7 }");
    found(ANSWER_BOXED, "5", "\\boxed 5 coins");
    found(ANSWER_BOXED, "5", "\\boxed  {$5$}.");
    found(ANSWER_BOXED, "b", "\\boxed{a \\boxed{b}}");
    found(ANSWER_BOXED, "12", "\\boxed{12} and then \\boxed{13"); /* cut short: the one that closes */
    found(ANSWER_NUMBER, "13", "\\boxed{13");
    found(ANSWER_NUMBER, "4", "\\boxed{} 4");
}

static void else_what_is_said(void **state)
{
    (void)state;
    found(ANSWER_SAID, "58", "So the answer is 58.\n</think>\n\nLucy pays for 12.");
    found(ANSWER_SAID, "-1,250.5", "The final Answer is: $-1,250.5$ dollars");
    found(ANSWER_SAID, "(B)", "the answer is (B). Not (C).");
    found(ANSWER_SAID, "3/4", "Answer: 3/4");
    found(ANSWER_SAID, "2\\sqrt{3}", "The answer is $2\\sqrt{3}$");
    found(ANSWER_SAID, "8", "the answer is 7. No, the answer is **8**.");
    found(ANSWER_SAID, "7", "The answer is 7. What answer is");
}

static void else_the_last_number(void **state)
{
    (void)state;
    found(ANSWER_NUMBER, "79", "79.");
    found(ANSWER_NUMBER, "1,234", "12 of 1,234, or so");
    found(ANSWER_NUMBER, "-3", "from 5 down to -3 degrees");
    found(ANSWER_NUMBER, "3", "5-3");
    found(ANSWER_NUMBER, "0.5", "0.5");
    found(ANSWER_NUMBER, "4", "1,2,3,4"); /* a list, not a number */
    found(ANSWER_NUMBER, "1/2", "or 1/2.");
    found(ANSWER_NONE, "", "I do not know.");
    found(ANSWER_NONE, "", "");
}

static void references(void **state)
{
    (void)state;
    static const struct {
        const char *text, *answer;
    } rows[] = {{"9 * 2 = $<<9*2=18>>18.\n#### 18", "18"},
                {"so \\boxed{4}\n#### 5", "4"},
                {"\\left( 3, \\frac{\\pi}{2} \\right)", "\\left( 3, \\frac{\\pi}{2} \\right)"},
                {" 27 ", "27"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct answer a = answer_reference(rows[i].text, strlen(rows[i].text));
        assert_int_equal(a.n, strlen(rows[i].answer));
        assert_memory_equal(a.s, rows[i].answer, a.n);
    }
    assert_int_equal(answer_reference("  $ ", 4).kind, ANSWER_NONE);
}

static bool equal(const char *a, const char *b)
{
    bool r = answer_equal(a, strlen(a), b, strlen(b));
    assert_int_equal(r, answer_equal(b, strlen(b), a, strlen(a)));
    return r;
}

static void equal_as_numbers(void **state)
{
    (void)state;
    static const char *const same[][2] = {
        {"58", "58"},      {"58", "58.0"},
        {"1,000", "1000"}, {"0.5", "\\frac{1}{2}"},
        {"1/2", "0.50"},   {"\\dfrac{3}{6}", "1/2"},
        {".5", "0.5"},     {"$18$", "18."},
        {"\\$18", "18"},   {"-3", "-6/2"},
        {"+7", "7"},       {"-\\frac{1}{4}", "-0.25"},
        {"007", "7"},      {"-0", "0"},
        {"1 000", "1000"}, {"10000000000000000", "10,000,000,000,000,000.0"},
    };
    static const char *const different[][2] = {
        {"58", "57"},
        {"0.3333", "1/3"},
        {"-5", "5"},
        {"1/0", "2/0"},
        {"1,00", "100"},
        {"", ""},
        {"58", ""},
        {"12", "1"},
        {"1e3", "1000"},
        {"58 coins", "58"},
        {"1.2.3", "1"},
        {"\\frac{1}{2", "0.5"},
        {"\\frac{1}2", "0.5"},
        {"99999999999999999999", "99999999999999999998"},
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (!equal(same[i][0], same[i][1])) fail_msg("%s and %s are the same", same[i][0], same[i][1]);
    for (size_t i = 0; i < sizeof different / sizeof *different; i++)
        if (equal(different[i][0], different[i][1]))
            fail_msg("%s and %s are different", different[i][0], different[i][1]);
}

static void equal_as_text(void **state)
{
    (void)state;
    assert_true(equal("(3, 4)", "(3,4)"));
    assert_true(equal("99999999999999999999", "99999999999999999999"));
    assert_true(equal("$\\frac{\\pi}{2}$", "\\frac{\\pi}{2}"));
    assert_false(equal("(3, 4)", "(3,4]"));
    assert_false(equal("ab", "abc"));
}

/* Whoever writes boxes that never close, or says "answer:" a million times, gains nothing. */
static void hostile_text_takes_no_time(void **state)
{
    (void)state;
    enum { N = 1 << 20 };
    static const char *const pieces[] = {"\\boxed{", "answer:", "answer is ", "1,", "-",
                                         "{",        "\\",      "$",          "1/", " "};
    char *text = malloc(N);
    for (size_t p = 0; p < sizeof pieces / sizeof *pieces; p++) {
        size_t k = strlen(pieces[p]);
        for (size_t i = 0; i < N; i++) text[i] = pieces[p][i % k];
        clock_t start = clock();
        struct answer a = answer_find(text, N);
        answer_equal(text, N, text, N - 1);
        (void)a;
        assert_true((double)(clock() - start) / CLOCKS_PER_SEC < 1);
    }
    free(text);
}

/* Real chains of a 7B model: where the reference is a number we must agree with the verdict that came with
 * them. */
static void agrees_with_real_verdicts(void **state)
{
    (void)state;
    const char *path = "../shared/data/answers/qwen25math_rm_maj_math_cot_100.jsonl";
    char *data;
    size_t n, checked = 0, wrong = 0;
    struct err e = {0};
    if (!file_exists(path)) {
        printf("skip: %s is not there\n", path);
        skip();
    }
    assert_int_equal(file_load(path, 1 << 28, &data, &n, &e), 0);
    for (char *line = strtok(data, "\n"); line; line = strtok(NULL, "\n")) {
        struct js *row;
        assert_int_equal(js_parse(&row, path, line, strlen(line), NULL, &e), 0);
        const char *gt = js_string(js_get(row, "gt"), NULL);
        for (size_t i = 0; i < js_size(js_get(row, "response")); i++) {
            const char *text = js_string(js_at(js_get(row, "response"), i), NULL);
            struct answer a = answer_find(text, strlen(text));
            bool verdict = js_true(js_at(js_get(row, "score"), i));
            if (strspn(gt, "-0123456789.,/") != strlen(gt)) continue;
            checked++;
            if (answer_equal(a.s, a.n, gt, strlen(gt)) == verdict) continue;
            wrong++;
            print_message("gt %s, ours %.*s, verdict %d\n", gt, (int)a.n, a.s ? a.s : "", verdict);
        }
        js_free(row);
    }
    free(data);
    print_message("%zu chains, %zu verdicts differ\n", checked, wrong);
    assert_true(checked > 400);
    assert_int_equal(wrong, 0);
}

/* ---- files of problems ------------------------------------------------------------------------------- */

static int load_lines(struct problems *p, const char *lines, struct err *e)
{
    return problems_load(p, scratch_write("p.jsonl", lines, strlen(lines)), 0, e);
}

static void problems_from_json_lines(void **state)
{
    (void)state;
    struct problems p;
    struct err e = {0};
    assert_int_equal(load_lines(&p,
                                "{\"problem\": \"1+1?\", \"answer\": \"2\"}\n\n"
                                "{\"question\": \"2+2?\", \"answer\": \"so\\n#### 4\"}\n"
                                "{\"problem\": \"\", \"answer\": \"5\"}",
                                &e),
                     0);
    assert_int_equal(p.n, 2);
    assert_int_equal(p.without, 1);
    assert_string_equal(p.at[0].reference, "2");
    assert_string_equal(p.at[1].reference, "4");
    assert_int_equal(p.at[1].row, 2);
    assert_memory_equal(p.at[1].turns[0].content, "2+2?", 4);
    problems_clear(&p);
}

static void problems_from_parquet(void **state)
{
    (void)state;
    struct problems p;
    struct err e = {0};
    assert_int_equal(problems_load(&p, "data/nano/test.parquet", 7, &e), 0);
    assert_int_equal(p.n, 7);
    assert_string_equal(p.at[0].reference, "61");
    assert_int_equal(p.at[0].n_turns, 1);
    assert_int_equal(p.at[0].turns[0].role, ROLE_USER);
    problems_clear(&p);
    assert_int_equal(problems_load(&p, "data/nano/mix-test.parquet", 0, &e), 0);
    assert_true(p.without > 0); /* chat has no answer to grade */
    problems_clear(&p);
}

static void bad_problem_files_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *lines, *says;
        int code;
    } rows[] = {
        {"{\"problem\": \"x\", \"answer\": \"1\"}\n[1]", "p.jsonl:2", ERR_ROW_TYPE},
        {"{\"problem\": \"x\"}", "answer", ERR_FIELD_MISSING},
        {"{\"answer\": \"x\"}", "problem", ERR_FIELD_MISSING},
        {"{\"problem\": 3, \"answer\": \"1\"}", "problem", ERR_FIELD_TYPE},
        {"{\"problem\": \"x\", ", "p.jsonl:1", ERR_JSON_TRUNC},
        {"", "p.jsonl", ERR_DATA_EMPTY},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct problems p;
        struct err e = {0};
        assert_int_equal(load_lines(&p, rows[i].lines, &e), rows[i].code);
        if (!strstr(e.msg, rows[i].says)) fail_msg("%s: does not say %s", e.msg, rows[i].says);
        assert_null(p.at);
    }
    struct problems p;
    struct err e = {0};
    assert_int_equal(problems_load(&p, "README.md", 0, &e), ERR_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(boxes_come_first),
        cmocka_unit_test(else_what_is_said),
        cmocka_unit_test(else_the_last_number),
        cmocka_unit_test(references),
        cmocka_unit_test(equal_as_numbers),
        cmocka_unit_test(equal_as_text),
        cmocka_unit_test(hostile_text_takes_no_time),
        cmocka_unit_test(agrees_with_real_verdicts),
        cmocka_unit_test(problems_from_json_lines),
        cmocka_unit_test(problems_from_parquet),
        cmocka_unit_test(bad_problem_files_are_named),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
