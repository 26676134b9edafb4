/* Which answers mean the same: our own cases, kind by kind. */
#include "tests/support/compare.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

struct pair {
    const char *reference, *candidate;
};

static void expect(enum grade_verdict v, const struct pair *p, size_t n, bool both_ways)
{
    for (size_t i = 0; i < 2 * n; i++) {
        const struct pair *q = &p[i / 2];
        if (i % 2 && !both_ways) continue;
        struct grade g = i % 2 ? compare(q->candidate, q->reference) : compare(q->reference, q->candidate);
        if (g.verdict != v)
            fail_msg("%s and %s%s: %s (%s), expected %s", q->reference, q->candidate, i % 2 ? " turned" : "",
                     grade_verdict_name(g.verdict), g.rule, grade_verdict_name(v));
    }
}

#define EQUAL(table)     expect(GRADE_EQUAL, table, sizeof(table) / sizeof *(table), true)
#define DIFFERENT(table) expect(GRADE_DIFFERENT, table, sizeof(table) / sizeof *(table), true)

static void numbers(void **state)
{
    (void)state;
    static const struct pair same[] = {
        {"58", "58.0"},
        {"1,000", "1000"},
        {"0.5", "\\frac{1}{2}"},
        {"1/2", "0.50"},
        {"\\dfrac{3}{6}", "1/2"},
        {".5", "0.5"},
        {"$18$", "18."},
        {"\\$18", "18"},
        {"-3", "-6/2"},
        {"+7", "7"},
        {"-\\frac{1}{4}", "-0.25"},
        {"007", "7"},
        {"-0", "0"},
        {"1 000 000", "1000000"},
        {"12{,}500", "12500"},
        {"12,\\!500", "12500"},
        {"10000000000000000", "10,000,000,000,000,000.0"},
        {"99999999999999999999", "99,999,999,999,999,999,999"},
        {"\\frac43", "4/3"},
        {"\\frac 59", "5/9"},
        {"\\frac9{19}", "9/19"},
        {"1\\frac{3}{4}", "7/4"},
        {"1 3/4", "1.75"},
        {"-2\\frac{1}{2}", "-2.5"},
        {"0.\\overline{3}", "1/3"},
        {"0.1\\overline{6}", "\\frac16"},
        {"1.5e3", "1500"},
        {"6.72 \\times 10^{-5}", ".0000672"},
        {"2^{10}", "1024"},
        {"2^10", "1024"},
        {"5!", "120"},
        {"\\binom{5}{2}", "10"},
        {"\\lfloor 3.7 \\rfloor", "3"},
        {"|-5|", "5"},
        {"\\sqrt{49}", "7"},
        {"\\sqrt[3]{-8}", "-2"},
        {"8^{2/3}", "4"},
        {"2 + 3 \\cdot 4", "14"},
        {"(2+3)(4)", "20"},
        {"10 - 2 - 3", "5"},
        {"2^{3^2}", "512"},
        {"-2^2", "-4"},
        {"3^{400} - 3^{400} + 1", "1"},
    };
    static const struct pair different[] = {
        {"58", "57"},
        {"-5", "5"},
        {"12", "1"},
        {"99999999999999999999", "99999999999999999998"},
        {"0.3333", "1/3"},
        {"10 - 2 - 3", "11"},
        {"2^{3^2}", "64"},
        {"-2^2", "4"},
        {"\\frac12", "12"},
        {"\\frac{1}{23}", "\\frac{12}{3}"},
        {"2^{12}", "2^{1}2"},
        {"1\\frac{3}{4}", "3/4"},
        {"2^{10000}", "2^{10000}+1"},
        {"1,000", "1"},
    };
    EQUAL(same);
    DIFFERENT(different);
}

/* A decimal agrees with another form to six digits, with another decimal only exactly. */
static void decimals(void **state)
{
    (void)state;
    static const struct pair same[] = {{"1/3", "0.333333"},
                                       {"\\frac{1}{12}", "0.0833333"},
                                       {"\\pi", "3.141593"},
                                       {"\\sqrt{2}", "1.414214"},
                                       {"(1/3, 2)", "(0.333333, 2)"}};
    static const struct pair different[] = {{"1/3", "0.33333"},          {"\\pi", "3.14"},
                                            {"0.333333", "0.3333333"},   {"1/30000000", "0.00000003"},
                                            {"12345678", "12345678.25"}, {"\\frac{1}{1000000}", "0.000002"}};
    struct grade_options exact = grade_defaults, two = grade_defaults;
    exact.digits = 0, two.digits = 2;
    EQUAL(same);
    DIFFERENT(different);
    assert_int_equal(grade_answers("1/3", 3, "0.333333", 8, &exact).verdict, GRADE_DIFFERENT);
    assert_int_equal(grade_answers("1/4", 3, "0.25", 4, &exact).verdict, GRADE_EQUAL);
    assert_int_equal(grade_answers("1/3", 3, "0.33", 4, &two).verdict, GRADE_EQUAL);
    assert_int_equal(grade_answers("1/3", 3, "0.34", 4, &two).verdict, GRADE_DIFFERENT);
}

static void dressing(void **state)
{
    (void)state;
    static const struct pair same[] = {
        {"15 \\text{ cm}^2", "15"},
        {"5.4\\text{ cents}", "$5.4$"},
        {"\\frac{270}{7} \\text{ degrees}", "\\frac{270}7^\\circ"},
        {"864 \\mbox{ inches}^2", "864"},
        {"90^\\circ", "90"},
        {"90°", "90^{\\circ}"},
        {"30^\\circ", "\\frac{\\pi}{6}"},
        {"12 apples", "12"},
        {"7 miles per hour", "7"},
        {"60 \\text{ km/h}", "60"},
        {"28\\%", "28 percent"},
        {"28\\%", "28"},
        {"28\\%", "0.28"},
        {"\\$18.90", "18.9"},
        {"\\left(3, 4\\right)", "(3,4)"},
        {"\\dfrac{\\pi}{2}", "\\frac{\\pi}{2}"},
        {"\\boxed{\\mathbf{7}}", "7"},
        {"\\displaystyle\\frac{1}{2}\\,x", "x/2"},
        {"\\text{(B)}", "B"},
        {"3 \\; \\text{or}\\; 4", "3,4"},
        {"\\\\frac{1}{2}", "0.5"}, /* escaped once too often */
    };
    static const struct pair different[] = {{"28\\%", "0.028"},
                                            {"28\\%", "29\\%"},
                                            {"90^\\circ", "9"},
                                            {"\\text{(B)}", "C"},
                                            {"15 \\text{ cm}", "16"}};
    EQUAL(same);
    DIFFERENT(different);
}

static void algebra(void **state)
{
    (void)state;
    static const struct pair same[] = {
        {"2x + 3", "3 + x + x"},
        {"(x+1)^2", "x^2 + 2x + 1"},
        {"(a+5)(b+2)", "ab + 2a + 5b + 10"},
        {"\\frac{x^2-1}{x-1}", "x+1"},
        {"\\frac{1}{\\sqrt2}", "\\frac{\\sqrt{2}}{2}"},
        {"3\\sqrt{13}", "\\sqrt{117}"},
        {"\\sqrt{3+2\\sqrt{2}}", "1+\\sqrt2"},
        {"\\sin^2 x + \\cos^2 x", "1"},
        {"2\\sin b\\cos a", "2 \\cos(a) \\sin(b)"},
        {"\\tan x", "\\frac{\\sin x}{\\cos x}"},
        {"\\sin 30^\\circ", "1/2"},
        {"\\cot x", "1/\\tan(x)"},
        {"\\ln(e^3)", "3"},
        {"\\log_2 8", "3"},
        {"\\log 1000", "3"},
        {"\\ln 6", "\\ln 2 + \\ln 3"},
        {"e^{i\\pi}", "-1"},
        {"6-5i", "-5i+6"},
        {"(1+i)^2", "2i"},
        {"\\frac{1}{1+i}", "\\frac{1-i}{2}"},
        {"\\sqrt{-4}", "2i"},
        {"\\sqrt[3]{x}^2", "x^{2/3}"},
        {"\\arctan 1", "\\pi/4"},
        {"\\cosh 0", "1"},
        {"\\frac{\\pi r}{h+r}", "\\pi r / (r + h)"},
        {"sqrt(2)/2", "\\frac{\\sqrt{2}}{2}"},
        {"x**2", "x^2"},
        {"2*pi", "2π"},
        {"\\alpha + \\beta_1", "\\beta_{1}+\\alpha"},
        {"f(x+1)", "f(1+x)"},
        {"|x|", "\\sqrt{x^2}"},
        {"\\sqrt{x-20}", "\\sqrt{-20+x}"},
        {"3R^2", "3 R^2"},
    };
    static const struct pair different[] = {
        {"2x+3", "2x+4"},
        {"x", "y"},
        {"3R^2", "3r^2"},
        {"|x|", "x"},
        {"(x+1)^2", "x^2+1"},
        {"6-5i", "6+5i"},
        {"\\sin 30", "1/2"},
        {"\\sqrt{2}", "2"},
        {"4", "4\\sqrt{2}"},
        {"\\pi", "22/7"},
        {"e^{\\pi\\sqrt{163}}", "262537412640768744"}, /* they agree to 12 decimals */
        {"10^{-60}", "0"},
        {"x_1", "x_2"},
    };
    EQUAL(same);
    DIFFERENT(different);
}

static void collections(void **state)
{
    (void)state;
    static const struct pair same[] = {
        {"1,-2", "-2, 1"},
        {"\\{1,2,3\\}", "3, 2 \\text{ and } 1"},
        {"3, 5, 7", "\\{3,5,7\\}"},
        {"1 \\pm \\sqrt{19}", "1+\\sqrt{19}, 1-\\sqrt{19}"},
        {"\\{1\\pm\\sqrt5, -2\\}", "-2, 1-\\sqrt5, 1+\\sqrt5"},
        {"\\pm 3", "3, -3"},
        {"1,1,2", "1,2"},
        {"1,2,\\ldots,10", "1, 2, ..., 10"},
        {"(1,2)", "(1.0, \\frac{4}{2})"},
        {"(1,2),(3,4)", "(3,4) \\text{ and } (1,2)"},
        {"(1;2;3)", "(1,2,3)"},
        {"(1,200)", "(1, 200)"},
        {"1,200", "1, 200"},
        {"1,200", "1200"},
        {"\\langle 1, 2 \\rangle", "(1,2)"},
        {"\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}", "(1,2)"},
        {"\\begin{pmatrix} -1/3 \\\\ 2/3 \\end{pmatrix}",
         "\\begin{bmatrix} -\\frac13 \\\\ \\frac23 \\end{bmatrix}"},
        {"\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}", "\\begin{array}{cc}1&2\\\\3&4\\\\\\end{array}"},
        {"\\begin{pmatrix}2&4\\end{pmatrix}", "2\\begin{pmatrix}1&2\\end{pmatrix}"},
        {"\\begin{pmatrix}1&1\\\\0&1\\end{pmatrix}\\begin{pmatrix}1&1\\\\0&1\\end{pmatrix}",
         "\\begin{pmatrix}1&2\\\\0&1\\end{pmatrix}"},
        {"[2,\\infty)", "[2, infinity)"},
        {"(-\\infty,2)\\cup(3,\\infty)", "(3,\\infty) \\cup (-\\infty,2)"},
        {"\\left(\\frac35, \\frac83\\right]", "(0.6, 8/3]"},
        {"\\boxed{1} and \\boxed{2}", "1,2"},
    };
    static const struct pair different[] = {
        {"1,-2", "1,2"},
        {"1,2,3", "1,2"},
        {"1,2,10", "1, 2, ..., 10"},
        {"(1,2)", "(2,1)"},
        {"(0,9)", "[0,9)"},
        {"(0,9]", "[0,9)"},
        {"(1,2)", "(1,2,3)"},
        {"(1,2)", "3"},
        {"\\{0\\}", "\\emptyset"},
        {"\\pm 3", "3"},
        {"(2,\\infty)", "(2,-\\infty)"},
        {"\\begin{pmatrix}1&2\\end{pmatrix}", "\\begin{pmatrix}1\\\\2\\end{pmatrix}"},
        {"\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}", "\\begin{pmatrix}1&2\\\\3&5\\end{pmatrix}"},
        {"(0,9)\\cup(9,36)", "(0,36)"},
    };
    EQUAL(same);
    DIFFERENT(different);
}

static void relations(void **state)
{
    (void)state;
    static const struct pair same[] = {
        {"x=5", "5"},
        {"f(x) = 2x", "2x"},
        {"\\angle ABC = 30^\\circ", "30"},
        {"x = 2+3 = 5", "5"},
        {"x = \\frac13 \\approx 0.33", "1/3"},
        {"(p,q)=(3,2)", "(3,2)"},
        {"x = 1, y = 2", "1, 2"},
        {"x = 1, y = 2", "y = 2, x = 1"},
        {"x_1 = 1, x_2 = 2", "2, 1"},
        {"y = 2x+3", "2x - y + 3 = 0"},
        {"5x-7y+11z+4=0", "-10x+14y-22z=8"},
        {"x^2+y^2=4", "4 = y^2+x^2"},
        {"x \\le 5", "5 \\ge x"},
        {"x < 1", "-x > -1"},
        {"x \\ne 3", "x != 3"},
        {"x \\in [-2,7]", "-2 \\le x \\le 7"},
        {"x \\in [-2,7]", "[-2,7]"},
        {"(2,\\infty)", "x > 2"},
        {"(-\\infty,1)\\cup(2,\\infty)", "x<1 \\text{ or } x>2"},
        {"-2<x<7", "7>x>-2"},
        {"f(2) < f(1) < f(4)", "f(4)>f(1)>f(2)"},
        {"V_1 : V_2 = 11:21", "11:21"},
        {"1:2", "3:6"},
        {"1:2:4", "2:4:8"},
        {"12:30", "12:30 \\text{ p.m.}"},
        {"12:30 PM", "12:30 p.m."},
        {"(-\\infty,\\infty)", "\\mathbb{R}"},
        {"\\text{all real numbers}", "\\mathbb R"},
        {"(-\\infty,3)\\cup(3,\\infty)", "x \\neq 3"},
        {"\\mathbb{R} \\setminus \\{3\\}", "(3,\\infty)\\cup(-\\infty,3)"},
        {"\\{x \\mid x > 3\\}", "(3,\\infty)"},
        {"x = 1 \\pm 2", "3, -1"},
    };
    static const struct pair different[] = {
        {"x=5", "6"},
        {"x=5", "y=5"},
        {"a+3z=0", "0"},
        {"x = 1, y = 2", "2, 1"},
        {"x = 1, y = 2", "x = 2, y = 1"},
        {"y = 2x+3", "y = 2x+4"},
        {"x \\le 5", "x \\ge 5"},
        {"x < 5", "x \\le 5"},
        {"x < 1", "-x < -1"},
        {"x \\ne 3", "x = 3"},
        {"(2,\\infty)", "x \\ge 2"},
        {"x > 2", "2"},
        {"12:00", "1:00"},
        {"10:30 \\text{ a.m.}", "10:30 p.m."},
        {"(-\\infty,3)\\cup(3,\\infty)", "x \\neq 2"},
        {"1:2:4", "1:4:2"},
        {"f(2) < f(1) < f(4)", "f(1)<f(2)<f(4)"},
    };
    struct grade_options strict = grade_defaults;
    strict.relations = false;
    EQUAL(same);
    DIFFERENT(different);
    assert_int_equal(grade_answers("(2,\\infty)", 10, "x > 2", 5, &strict).verdict, GRADE_DIFFERENT);
}

/* A candidate's letters are units where the reference has none. */
static void units_of_one_letter(void **state)
{
    (void)state;
    static const struct pair same[] = {
        {"5", "5 m"}, {"5 \\text{ m/s}", "5 m/s"}, {"9.8", "9.8 m/s^2"}, {"2\\pi", "2\\pi m"}};
    static const struct pair different[] = {{"5", "5x"}, {"5m", "5"}, {"5", "6 m"}, {"5", "m"}, {"5m", "5s"}};
    expect(GRADE_EQUAL, same, 4, false);
    expect(GRADE_DIFFERENT, different, 5, false);
}

/* Where a letter is asked for, what stands behind the candidate's does not count. */
static void choices(void **state)
{
    (void)state;
    static const struct pair same[] = {{"B", "(B) 12 apples"},
                                       {"\\text{(B)}", "B. 12"},
                                       {"(B)", "\\textbf{(B)}\\ 12"},
                                       {"B", "\\mathrm{B}"},
                                       {"E", "E"},
                                       {"A", "A: none of these"}};
    static const struct pair different[] = {{"B", "(C) B"}, {"(A)", "B."}, {"B", "12"},
                                            {"B", "BC"},    {"BC", "B"},   {"B+C", "B"}};
    expect(GRADE_EQUAL, same, 6, false);
    expect(GRADE_DIFFERENT, different, 6, false);
    assert_string_equal(compare("B", "(C) B").rule, "another choice");
}

static void words(void **state)
{
    (void)state;
    static const struct pair same[] = {{"\\text{Evelyn}", "evelyn"},
                                       {"\\text{even}", "Even"},
                                       {"\\text{the red one}", "\\textbf{The red one.}"},
                                       {"\\text{e}", "e"},
                                       {"\\emptyset", "\\varnothing"},
                                       {"\\emptyset", "\\{\\}"},
                                       {"\\mathbb{R}", "\\mathbb{R}"}};
    static const struct pair different[] = {
        {"\\text{Evelyn}", "Briana"}, {"\\text{even}", "odd"}, {"\\text{east}", "12"}, {"d", "\\text{E}"}};
    EQUAL(same);
    DIFFERENT(different);
}

/* A candidate may leave the base out, but not convert it away: that was the question. */
static void bases(void **state)
{
    (void)state;
    static const struct pair same[] = {
        {"204_5", "204_{5}"}, {"204_5", "204"}, {"52_8", "42_{10}"}, {"54", "204_5"}};
    static const struct pair different[] = {{"204_5", "54"}, {"204_5", "204_6"}, {"204_5", "205"}};
    expect(GRADE_EQUAL, same, 4, false);
    expect(GRADE_DIFFERENT, different, 3, false);
}

/* Word for word: what is no answer to look for. */
static void replies(void **state)
{
    (void)state;
    static const struct {
        const char *reference, *text;
        bool same;
    } cases[] = {
        {"Coal is black.", "Coal is black.", true},
        {"Coal is black.", "coal  is\n BLACK", true},
        {"Coal is black.", "<think>\nCoal is white.\n</think>\n\nCoal is black.", true},
        {"Coal is black.", "<think>\nCoal is black.", false}, /* still thinking */
        {"Coal is black.", "Coal is black. And so am I.", false},
        {"Coal is black.", "Coal is", false},
        {"Coal is black.", "Coal isblack.", false},
        {"Coal is black.", "Coal is blac1.", false},
        {"5 @ 6", "5 ` 6", false}, /* 32 apart, no letters */
        {"Coal is black.", "", false},
        {"", "", false},
        {".", "!", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (grade_reply(cases[i].reference, strlen(cases[i].reference), cases[i].text,
                        strlen(cases[i].text)) != cases[i].same)
            fail_msg("case %zu", i);
}

static void verdicts_say_why(void **state)
{
    (void)state;
    struct grade g = grade_text("12", 2, "I do not know", 13, NULL);
    assert_int_equal(g.verdict, GRADE_NO_ANSWER);
    assert_int_equal(g.answer.kind, ANSWER_NONE);
    g = grade_text("12", 2, "so \\boxed{12}", 13, NULL);
    assert_int_equal(g.verdict, GRADE_EQUAL);
    assert_string_equal(g.rule, "the same number");
    assert_int_equal(g.answer.kind, ANSWER_BOXED);
    assert_int_equal(compare("12", "").verdict, GRADE_NO_ANSWER);
    assert_int_equal(compare("", "12").verdict, GRADE_UNDECIDED);
    assert_int_equal(compare("12", "3 + + / 2").verdict, GRADE_UNDECIDED);
    assert_string_equal(compare("12", "((3)").rule, "brackets that do not match");
    assert_int_equal(compare("12", "1/0").verdict, GRADE_UNDECIDED);
    assert_string_equal(compare("12", "1/0").rule, "cannot be evaluated");
    assert_int_equal(compare("\\int_0^1 x dx", "1/2").verdict, GRADE_UNDECIDED);
    assert_int_equal(compare("\\sum_{i=1}^{3} i", "6").verdict, GRADE_UNDECIDED);
    assert_int_equal(compare("\\sum_{i=1}^{n} i", "\\sum_{i=1}^n i").verdict, GRADE_UNDECIDED);
    assert_int_equal(compare("2,74", "2.74").verdict, GRADE_DIFFERENT); /* two values */
    assert_int_equal(compare("2.74", "2,74").verdict, GRADE_EQUAL);     /* a decimal comma */
    assert_int_equal(compare("1 23", "12 3").verdict, GRADE_UNDECIDED);
    assert_int_equal(compare("1/0", "1/0").verdict, GRADE_EQUAL); /* the same text */
    assert_string_equal(compare("x^2", "x*x").rule, "the same value");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),
        cmocka_unit_test(decimals),
        cmocka_unit_test(dressing),
        cmocka_unit_test(algebra),
        cmocka_unit_test(collections),
        cmocka_unit_test(relations),
        cmocka_unit_test(units_of_one_letter),
        cmocka_unit_test(choices),
        cmocka_unit_test(words),
        cmocka_unit_test(bases),
        cmocka_unit_test(replies),
        cmocka_unit_test(verdicts_say_why),
    };
    int r = cmocka_run_group_tests(tests, NULL, NULL);
    grade_thread_end();
    return r;
}
