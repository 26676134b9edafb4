/* The string rule of published tables. */
#include "data/grade_string.h"
#include "infer/answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void tidy_forms(void **state)
{
    static const char *const cases[][2] = {
        {"\\dfrac12", "\\frac{1}{2}"},
        {"\\tfrac{1}{72}", "\\frac{1}{72}"},
        {"\\frac1{72}", "\\frac{1}{72}"},
        {"0.5", "\\frac{1}{2}"},
        {".5", "\\frac{1}{2}"},
        {"3/4", "\\frac{3}{4}"},
        {"03/4", "03/4"},
        {"x = 5", "5"},
        {"abc=5", "abc=5"},
        {"\\sqrt3x", "\\sqrt{3}x"},
        {"5\\text{ cm}", "5"},
        {"90^\\circ", "90"},
        {"90^{\\circ}", "90"},
        {"\\$5", "5"},
        {"20\\%", "20"},
        {"\\left( 1, \\!2 \\right)", "(1,2)"},
        {"\\\\pi", "\\pi"},
        {"\\frac1", "\\frac1"},
        {"\\sqrté", "\\sqrt{é}"},
        {"", ""},
    };
    static const char *const refused[] = {"\\sqrt", "a/b", "5\\text{ cm}\\text{ or so}", "1/", "\\frac"};
    char out[GRADE_STRING_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(grade_string_tidy(out, cases[i][0], strlen(cases[i][0])));
        assert_string_equal(out, cases[i][1]);
    }
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (grade_string_tidy(out, refused[i], strlen(refused[i]))) fail_msg("%s became %s", refused[i], out);
}

static void answers(void **state)
{
    static const struct {
        const char *reference, *text;
        bool same;
    } cases[] = {
        {"\\frac{1}{2}", "So it is \\boxed{0.5}.", true},
        {"\\frac{1}{2}", "So it is \\boxed{\\frac{2}{4}}.", false},
        {"4", "first \\boxed{3}, then \\boxed{4}", true},
        {"3", "first \\boxed{3}, then \\boxed{4}", false},
        {"x+1", "we get \\[ x + 1 \\] in the end", true},
        {"7", "it is $7$", true},
        {"7", "7", true},
        {"7", "<think>\\boxed{7}</think> no idea", false},
        {"\\fbox", "\\fbox{\\fbox}", true},
        {"a/b", "\\boxed{a/b}", true},
        {"1", "", false},
    };
    char longest[ANSWER_MAX + 2];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (grade_string(cases[i].reference, strlen(cases[i].reference), cases[i].text,
                         strlen(cases[i].text)) != cases[i].same)
            fail_msg("%s and %s", cases[i].reference, cases[i].text);
    memset(longest, '/', sizeof longest);
    assert_true(grade_string(longest, ANSWER_MAX, longest, ANSWER_MAX));
    assert_false(grade_string(longest, ANSWER_MAX + 1, longest, ANSWER_MAX + 1));
    /* every fraction grows: no answer that is allowed is too long when it is tidy */
    for (size_t i = 0; i + 7 <= ANSWER_MAX; i += 7) memcpy(longest + i, "\\frac12", 7);
    char out[GRADE_STRING_MAX];
    assert_true(grade_string_tidy(out, longest, ANSWER_MAX / 7 * 7));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(tidy_forms), cmocka_unit_test(answers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
