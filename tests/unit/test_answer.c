/* Finding the answer in a text, and files of problems. */
#include "checkpoints/file.h"
#include "checkpoints/json.h"
#include "data/problems.h"
#include "infer/answer.h"
#include "infer/utf8.h"
#include "tests/support/clock.h"
#include "tests/support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    found(ANSWER_OPEN, "13", "\\boxed{13\nand more");
    found(ANSWER_NUMBER, "4", "\\boxed{} 4");
}

/* Boxes with little between them are one answer. */
static void boxes_side_by_side(void **state)
{
    (void)state;
    found(ANSWER_BOXED, "\\boxed{3} and \\boxed{4}", "so \\boxed{3} and \\boxed{4}.");
    found(ANSWER_BOXED, "\\boxed{3}$ or $\\boxed{4}", "so $\\boxed{3}$ or $\\boxed{4}$.");
    found(ANSWER_BOXED, "\\boxed{3},\\quad \\boxed{4}", "\\boxed{3},\\quad \\boxed{4}");
    found(ANSWER_BOXED, "\\boxed{2} dogs and \\boxed{1}", "\\boxed{2} dogs and \\boxed{1} cat");
    found(ANSWER_BOXED, "\\boxed{2}\\) and \\(y_2 = \\boxed{1}", "\\boxed{2}\\) and \\(y_2 = \\boxed{1}\\)");
    found(ANSWER_BOXED, "4", "\\boxed{3}. And \\boxed{4}");
    found(ANSWER_BOXED, "4", "\\boxed{3} brand \\boxed{4}");
    found(ANSWER_BOXED, "4", "\\boxed{3}\n\n\\boxed{4}");
}

static void else_what_is_marked_or_said(void **state)
{
    (void)state;
    found(ANSWER_MARKED, "18", "9 * 2 = 18, not 17.\n#### 18\n");
    found(ANSWER_MARKED, "1,234", "#### 5\n#### 1,234");
    found(ANSWER_SAID, "58", "So the answer is 58.\n</think>\n\nLucy pays for 12.");
    found(ANSWER_SAID, "-1,250.5", "The final Answer is: $-1,250.5$ dollars");
    found(ANSWER_SAID, "(B)", "the answer is (B). Not (C).");
    found(ANSWER_SAID, "3/4", "Answer: 3/4");
    found(ANSWER_SAID, "2\\sqrt{3}", "The answer is $2\\sqrt{3}$");
    found(ANSWER_SAID, "8", "the answer is 7. No, the answer is **8**.");
    found(ANSWER_SAID, "7", "The answer is 7. What answer is");
    found(ANSWER_SAID, "12$ and $13", "The answer is: $12$ and $13$.");
    found(ANSWER_SAID, "3x+2", "The answer is 3x+2.");
    found(ANSWER_SAID, "12", "**Answer:** 12 apples");
    found(ANSWER_SAID, "120", "Final answer: the area of the box $ABCD$ is 120. I hope so.");
    found(ANSWER_SAID, "3", "Final answer: they met 3 hours ago.");
    found(ANSWER_SAID, "Evelyn", "The answer is Evelyn.");
    found(ANSWER_BOXED, "5", "The final answer is \\boxed{5}");
    found(ANSWER_SAID, "9", "we get \\boxed{5}, so the final answer is $9$.");
    found(ANSWER_BOXED, "5", "we get \\boxed{5}, an answer is $9$.");
}

static void else_a_choice(void **state)
{
    (void)state;
    found(ANSWER_CHOICE, "B", "The correct option is (B) since 4 is even.");
    found(ANSWER_CHOICE, "D", "so choice D is 7");
    found(ANSWER_CHOICE, "C", "C) 12");
    found(ANSWER_CHOICE, "A", "(A)");
    found(ANSWER_NUMBER, "12", "A man has 12");
    found(ANSWER_NUMBER, "12", "no option is 12");
}

static void else_the_last_formula_or_number(void **state)
{
    (void)state;
    found(ANSWER_NUMBER, "79", "79.");
    found(ANSWER_NUMBER, "1,234", "12 of 1,234, or so");
    found(ANSWER_NUMBER, "-3", "from 5 down to -3 degrees");
    found(ANSWER_FORMULA, "5-3", "5-3");
    found(ANSWER_NUMBER, "3", "take 5-3");
    found(ANSWER_NUMBER, "0.5", "0.5");
    found(ANSWER_NUMBER, "4", "these are 1,2,3,4"); /* a list, not a number */
    found(ANSWER_NUMBER, "1/2", "or 1/2.");
    found(ANSWER_NUMBER, "2,74", "it costs 2,74 by now");
    found(ANSWER_FORMULA, "x+1", "we have 12 and so $x+1$.");
    found(ANSWER_FORMULA, "x+1", "we have 12 and so \\(x+1\\).");
    found(ANSWER_FORMULA, "\\text{no way out}", "this leaves $\\text{no way out}$");
    found(ANSWER_NUMBER, "12", "of $x+1$ there are 12");
    found(ANSWER_NUMBER, "9", "of $8 and he paid $9");
    found(ANSWER_NONE, "", "I do not know.");
    found(ANSWER_NONE, "", "");
}

static void what_follows_the_thinking_counts_first(void **state)
{
    (void)state;
    static const char said[] = "<think>\\boxed{1}</think>so the answer is 2";
    static const char only[] = "<think>\\boxed{1}</think>so 2";
    static const char chat[] = "\\boxed{1}<|im_end|>\n<|im_start|>user \\boxed{2}";
    assert_false(answer_find(said, strlen(said)).in_thinking);
    found(ANSWER_SAID, "2", said);
    assert_true(answer_find(only, strlen(only)).in_thinking);
    found(ANSWER_BOXED, "1", only);
    found(ANSWER_BOXED, "1", chat);
}

static void only_where_it_may_stand(void **state)
{
    (void)state;
    static const char text[] = "we have 12, \\boxed{1}. The answer is 3";
    size_t n = strlen(text);
    assert_int_equal(answer_search(text, n, ANSWER_FIND_ALL & ~ANSWER_FIND_BOXED).kind, ANSWER_SAID);
    assert_int_equal(answer_search(text, n, ANSWER_FIND_LAST).kind, ANSWER_NUMBER);
    assert_int_equal(answer_search(text, n, ANSWER_FIND_MARKED).kind, ANSWER_NONE);
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

/* A megabyte of the piece, and a tail. */
static struct answer long_answer(const char *piece, const char *tail)
{
    enum { N = 1 << 20 };
    size_t k = strlen(piece), m = strlen(tail);
    char *text = malloc(N);
    for (size_t i = 0; i < N; i++) text[i] = piece[i % k];
    memcpy(text + N - m, tail, m);
    double start = cpu_seconds();
    struct answer a = answer_find(text, N);
    if (cpu_seconds() - start > slowness())
        fail_msg("%s ... %.9s takes %.1f s", piece, tail, cpu_seconds() - start);
    assert_true(a.n <= ANSWER_MAX);
    free(text);
    return a;
}

/* Whoever writes boxes that never close, or says "answer:" a million times, gains nothing. */
static void hostile_text_takes_no_time(void **state)
{
    (void)state;
    static const char *const pieces[] = {"\\boxed{",
                                         "answer:",
                                         "answer is ",
                                         "1,",
                                         "-",
                                         "{",
                                         "\\",
                                         "$",
                                         "1/",
                                         " ",
                                         "#### ",
                                         "\\boxed{1}",
                                         "$a",
                                         "option ",
                                         "<",
                                         "\\(",
                                         "final answer is "};
    char letters[2049];
    memset(letters, 'a', sizeof letters - 1);
    letters[sizeof letters - 1] = 0;
    for (size_t p = 0; p < sizeof pieces / sizeof *pieces; p++) {
        long_answer(pieces[p], "");
        long_answer(pieces[p], letters);
    }
    assert_int_equal(long_answer("1", ".1.1").n, 3); /* the last number, not the megabyte before it */
    assert_int_equal(long_answer("1", "").kind, ANSWER_NONE);
    long_answer("#", letters);
    long_answer("answer is 5$", letters);
}

/* Where a text is cut for being too long, no character is. */
static void characters_stay_whole(void **state)
{
    (void)state;
    enum { SPACES = 5000, ROOM = SPACES + 400 };
    static const char *const before[] = {"\\boxed{", "#### ", "answer is ", "answer: x"};
    char *text = malloc(ROOM);
    for (size_t b = 0; b < sizeof before / sizeof *before; b++)
        for (size_t spaces = 1000; spaces < SPACES; spaces++) {
            size_t n = strlen(strcpy(text, before[b]));
            memset(text + n, ' ', spaces), n += spaces;
            for (int i = 0; i < 100; i++, n += 3) memcpy(text + n, "\xe2\x82\xac", 3);
            struct answer a = answer_find(text, n);
            if (a.kind && !utf8_valid(a.s, a.n))
                fail_msg("%s, %zu spaces: a character is cut", before[b], spaces);
        }
    free(text);
}

/* A number that is too long for an answer is none, wherever it is said. */
static void what_is_too_long(void **state)
{
    (void)state;
    char text[ANSWER_MAX + 40];
    for (size_t digits = ANSWER_MAX; digits <= ANSWER_MAX + 1; digits++) {
        static const char *const before[] = {"The answer is ", "#### ", ""};
        for (size_t b = 0; b < 3; b++) {
            size_t n = strlen(strcpy(text, before[b]));
            memset(text + n, '7', digits);
            assert_int_equal(answer_find(text, n + digits).n, digits > ANSWER_MAX ? 0 : digits);
        }
    }
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
        cmocka_unit_test(boxes_side_by_side),
        cmocka_unit_test(else_what_is_marked_or_said),
        cmocka_unit_test(else_a_choice),
        cmocka_unit_test(else_the_last_formula_or_number),
        cmocka_unit_test(what_follows_the_thinking_counts_first),
        cmocka_unit_test(only_where_it_may_stand),
        cmocka_unit_test(references),
        cmocka_unit_test(hostile_text_takes_no_time),
        cmocka_unit_test(characters_stay_whole),
        cmocka_unit_test(what_is_too_long),
        cmocka_unit_test(problems_from_json_lines),
        cmocka_unit_test(problems_from_parquet),
        cmocka_unit_test(bad_problem_files_are_named),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
