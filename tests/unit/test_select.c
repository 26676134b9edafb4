/* Choosing rows from facts: filters, answers to a question, order, split; final answers as keys; words in
 * common with evaluation sets; recipes. */
#include "checkpoints/yaml.h"
#include "data/prepare/answer_key.h"
#include "data/prepare/measure.h"
#include "data/prepare/ngrams.h"
#include "data/prepare/question.h"
#include "data/prepare/recipe.h"
#include "data/prepare/stats.h"
#include "tests/support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- facts by hand ---------------------------------------------------------------------------------------
 */

enum { ROWS = 12 };

/* Question 1: rows 0 to 5, final answers 7 8 7 7 8 none; question 2: rows 6 to 9 without any (code); question
 * 3: one row, unfinished; question 4: one row, empty. Row 4 is row 1 again, word for word. */
static struct facts made(void)
{
    static char empty[] = "", one[] = "one", two[] = "two", math[] = "math", code[] = "code";
    static char *sources[] = {empty, one, two}, *domains[] = {empty, math, code};
    static struct fact rows[ROWS];
    const uint64_t question[ROWS] = {1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 4}, answer[ROWS] = {7, 8, 7, 7, 8};
    const uint32_t tokens[ROWS] = {90, 20, 70, 80, 20, 10, 50, 40, 30, 60, 100, 0};
    for (int i = 0; i < ROWS; i++)
        rows[i] = (struct fact){.question = question[i],
                                .content = i == 4 ? 101 : 100 + (uint64_t)i,
                                .answer = answer[i],
                                .tokens = tokens[i],
                                .response_at = 5,
                                .first_response = 5,
                                .bytes = 4 * tokens[i],
                                .source = (uint16_t)(1 + i % 2),
                                .domain = (uint8_t)(question[i] == 2 ? 2 : 1),
                                .flags = FACT_THINKS | FACT_FINISHED | (answer[i] ? FACT_BOXED : 0)};
    rows[10].flags = FACT_THINKS;
    rows[11].flags = DOCUMENT_EMPTY;
    return (struct facts){.at = rows, .n = ROWS, .sources = {sources, 3}, .domains = {domains, 3}};
}

/* Runs the rules, in the order of the rows, and compares the rows chosen with "0 1 2". */
static void assert_chosen(const struct select_rules *rules, const char *rows)
{
    static const uint64_t first[] = {0, 7, ROWS};
    struct facts f = made();
    struct selection s;
    struct err e = {0};
    char text[128] = "";
    if (select_rows(&s, &f, first, 2, rules, &e)) fail_msg("%s", e.msg);
    for (uint64_t i = 0; i < s.n; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%u", i ? " " : "",
                 s.at[i].row + (unsigned)first[s.at[i].file]);
    assert_string_equal(text, rows);
    uint64_t sum = 0;
    for (int i = 0; i < SELECT_REASONS; i++) sum += s.rows[i];
    assert_int_equal(sum, ROWS);
    assert_int_equal(s.rows[SELECT_KEPT], s.n);
    selection_clear(&s);
}

static struct select_rules all(void)
{
    return (struct select_rules){.cutoff_len = 1000, .seed = 1};
}

static void filters(void **state)
{
    (void)state;
    static char name[] = "code", first[] = "one", absent[] = "absent", *code[] = {name},
                *one[] = {first, absent};
    static const struct string_list codes = {code, 1}, ones = {one, 2};
    struct select_rules r = all();
    assert_chosen(&r, "0 1 2 3 5 6 7 8 9 10");
    r.keep_identical = true;
    assert_chosen(&r, "0 1 2 3 4 5 6 7 8 9 10");
    r.domains = &codes;
    assert_chosen(&r, "6 7 8 9");
    r.domains = NULL, r.sources = &ones;
    assert_chosen(&r, "0 2 4 6 8 10");
    r = all(), r.min_tokens = 40, r.max_tokens = 80;
    assert_chosen(&r, "2 3 6 7 9");
    r = all(), r.thinking = THINKING_FINISHED;
    assert_chosen(&r, "0 1 2 3 5 6 7 8 9");
    r = all(), r.boxed = true;
    assert_chosen(&r, "0 1 2 3");
    r = all(), r.cutoff_len = 5;
    struct facts f = made();
    struct selection s;
    struct err e = {0};
    assert_int_equal(select_rows(&s, &f, (const uint64_t[]){0, ROWS}, 1, &r, &e), ERR_DATA_EMPTY);
    assert_non_null(strstr(e.msg, "11 whose answer begins beyond cutoff_len"));
}

static void answers_to_a_question(void **state)
{
    (void)state;
    static const struct reference eight[] = {{1, 8}, {9, 1}};
    struct select_rules r = all();
    r.answers = 1;
    assert_chosen(&r, "0 6 10");
    r.answers = 2;
    assert_chosen(&r, "0 1 6 7 10");
    r.choose = CHOOSE_MAJORITY;
    assert_chosen(&r, "0 2 6 7 10");
    r.answers = 0; /* all that agree */
    assert_chosen(&r, "0 2 3 6 7 8 9 10");
    r.choose = CHOOSE_SHORTEST_CORRECT, r.answers = 1;
    assert_chosen(&r, "2 8 10");
    r.answers = 2;
    assert_chosen(&r, "2 3 7 8 10");
    r.references = eight, r.n_references = 2;
    assert_chosen(&r, "1 7 8 10");
    r.references = &(struct reference){1, 99}, r.n_references = 1; /* nobody is right */
    assert_chosen(&r, "7 8 10");
    r = all(), r.answers = 1, r.choose = CHOOSE_RANDOM;
    struct facts f = made();
    uint32_t seen = 0;
    for (r.seed = 0; r.seed < 64; r.seed++) { /* each of the six comes up */
        struct selection s;
        assert_int_equal(select_rows(&s, &f, (const uint64_t[]){0, ROWS}, 1, &r, NULL), 0);
        for (uint64_t i = 0; i < s.n; i++) seen |= 1u << s.at[i].row;
        assert_int_equal(s.n, 3);
        assert_int_equal(s.questions, 3);
        selection_clear(&s);
    }
    assert_int_equal(seen & 0x3f, 0x2f); /* but the one that says the same as another */
}

static void order_and_split(void **state)
{
    (void)state;
    struct facts f = made();
    struct select_rules r = all();
    struct selection a, b;
    r.shuffle = true, r.val_size = 1;
    assert_int_equal(select_rows(&a, &f, (const uint64_t[]){0, ROWS}, 1, &r, NULL), 0);
    assert_int_equal(select_rows(&b, &f, (const uint64_t[]){0, ROWS}, 1, &r, NULL), 0);
    assert_int_equal(a.n, 10);
    assert_memory_equal(a.at, b.at, a.n * sizeof *a.at);
    assert_true(a.held_out >= 1 && a.held_out < a.n);
    for (uint64_t i = 0; i < a.n; i++) /* whole questions */
        for (uint64_t k = 0; k < a.n; k++)
            if ((i < a.n - a.held_out) != (k < a.n - a.held_out))
                assert_true(f.at[a.at[i].row].question != f.at[a.at[k].row].question);
    selection_clear(&b);
    r.seed = 2;
    assert_int_equal(select_rows(&b, &f, (const uint64_t[]){0, ROWS}, 1, &r, NULL), 0);
    assert_true(memcmp(a.at, b.at, a.n * sizeof *a.at) != 0);
    assert_int_equal(a.held_out, b.held_out); /* the same questions */
    selection_clear(&a), selection_clear(&b);
    r.max_samples = 4, r.val_size = 0;
    assert_int_equal(select_rows(&a, &f, (const uint64_t[]){0, ROWS}, 1, &r, NULL), 0);
    assert_int_equal(a.n, 4);
    assert_int_equal(a.rows[SELECT_samples], 6);
    selection_clear(&a);
}

/* ---- questions and answers -------------------------------------------------------------------------------
 */

static uint64_t key(const char *text)
{
    struct answer a = answer_trim(text, strlen(text));
    return answer_key(&a);
}

static void equal_answers_have_equal_keys(void **state)
{
    (void)state;
    static const char *const same[][4] = {
        {"0.5", "1/2", "\\frac{1}{2}", "\\dfrac12"},
        {"1,234", "1234", "1234.0", "$1234$"},
        {"\\left( x, y \\right)", "(x,y)", "( x , y )", "\\left(x,\\,y\\right)"},
        {"x^{2}", "x^2", "x ^ 2", "x^{2}."},
        {"\\text{east}", "\\text{east}", "\\mathrm{east}", "\\text{ east }"},
        {"two hours", "two  hours", "two\nhours", " two hours "}};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        for (int k = 1; k < 4; k++)
            if (i || k < 3) assert_true(key(same[i][0]) && key(same[i][0]) == key(same[i][k]));
    assert_true(key("0.5") != key("0.51") && key("x^2") != key("x^3") && key("two hours") != key("twohours"));
    assert_true(key("\\leftarrow") != key("arrow"));
    assert_int_equal(key(""), 0);
    static const char chain[] = "<think>is it \\boxed{3}?</think>It is \\boxed{4}.",
                      none[] = "I saw 17 birds.";
    assert_true(answer_key_of(chain, sizeof chain - 1) == key("4"));
    assert_int_equal(answer_key_of(none, sizeof none - 1), 0);
}

static uint64_t hash_of(const char *text)
{
    static struct nfc *nfc;
    struct chat_turn turns[] = {
        {ROLE_SYSTEM, "Be kind.", 8}, {ROLE_USER, text, strlen(text)}, {ROLE_ASSISTANT, "?", 1}};
    char *out;
    size_t len;
    if (!nfc) assert_int_equal(nfc_create(&nfc, NULL), 0);
    assert_int_equal(question_text(&out, &len, turns, 3, nfc, NULL), 0);
    uint64_t h = question_hash(out, len);
    free(out);
    return h;
}

static void equal_questions_have_equal_hashes(void **state)
{
    (void)state;
    uint64_t h = hash_of("What is caf\xc3\xa9 + 1?");
    assert_true(h == hash_of("  what is\n\tCAF\xc3\xa9 + 1? "));
    assert_true(h == hash_of("What\xc2\xa0is cafe\xcc\x81\xe3\x80\x80+ 1?\r\n"));
    assert_true(h != hash_of("What is caf\xc3\xa9 + 2?") && h != hash_of("What iscaf\xc3\xa9 + 1?"));
}

static void thinking_is_measured(void **state)
{
    (void)state;
    static const char text[] = "<think>a</think>b</think>c < d";
    assert_int_equal(measure_thinking(text, sizeof text - 1), 25);
    assert_int_equal(measure_thinking("<think>a", 8), 0);
}

/* ---- evaluation sets
 * --------------------------------------------------------------------------------------- */

static bool hit(const struct ngrams *g, const char *text)
{
    return ngrams_hit(g, text, strlen(text));
}

static void questions_of_evaluation_sets_are_found(void **state)
{
    (void)state;
    static const char lines[] = "{\"problem\": \"One two three four five six seven.\", \"answer\": \"1\"}\n"
                                "{\"problem\": \"Short, indeed!\", \"answer\": \"2\"}\n";
    const char *file = scratch_write("eval.jsonl", lines, sizeof lines - 1);
    struct ngrams g, again;
    assert_int_equal(ngrams_load(&g, &file, 1, 5, NULL), 0);
    assert_int_equal(g.questions, 2);
    assert_true(hit(&g, "zero ONE, two: three four -- five and six"));
    assert_true(hit(&g, "and three four five six seven"));
    assert_false(hit(&g, "one two three four and five six seven"));
    assert_false(hit(&g, "two one three four five"));
    assert_true(hit(&g, "short indeed"));
    assert_false(hit(&g, "short indeed it is, and long"));
    assert_false(hit(&g, "indeed short"));
    assert_false(hit(&g, ""));
    assert_int_equal(ngrams_load(&again, &file, 1, 6, NULL), 0);
    assert_string_not_equal(g.digest, again.digest);
    ngrams_clear(&g), ngrams_clear(&again);
    const char *absent = "no/such.jsonl";
    assert_int_equal(ngrams_load(&g, &absent, 1, 5, NULL), ERR_FILE_MISSING);
}

/* ---- statistics, recipes
 * ----------------------------------------------------------------------------------- */

static void counts(void **state)
{
    (void)state;
    struct facts f = made();
    struct stats s;
    struct stats_cut cut;
    assert_int_equal(stats_make(&s, &f, NULL), 0);
    assert_int_equal(s.rows, 12);
    assert_int_equal(s.docs, 11);
    assert_int_equal(s.tokens, 570);
    assert_int_equal(s.longest, 100);
    assert_int_equal(s.median, 50);
    assert_int_equal(s.questions, 3);
    assert_int_equal(s.identical, 1);
    assert_true(s.answers[6] == 1 && s.answers[4] == 1 && s.answers[1] == 1);
    assert_true(s.thinks == 11 && s.finished == 10 && s.boxed == 5);
    assert_int_equal(stats_cut_make(&cut, &f, 100, NULL), 0);
    assert_int_equal(cut.rows, 6); /* 100, 90+10, 80+20, 70+30, 60+40, 50+20 */
    assert_true(cut.filled == 0.95);
    assert_int_equal(stats_cut_make(&cut, &f, 60, NULL), 0);
    assert_int_equal(cut.cut, 4);
    assert_int_equal(cut.lost, 30 + 10 + 20 + 40);
}

static void our_recipes_are_sound(void **state)
{
    (void)state;
    static const char *const recipes[] = {"recipes/openthoughts3.yaml", "recipes/openthoughts3-50k.yaml",
                                          "recipes/mixture-of-thoughts.yaml", "recipes/gsm8k.yaml",
                                          "recipes/deepscaler-rl.yaml"};
    for (size_t i = 0; i < sizeof recipes / sizeof *recipes; i++) {
        struct recipe r;
        struct options o;
        struct err e = {0};
        assert_int_equal(recipe_options_init(&o, &r, &e), 0);
        int code = yaml_load_options(recipes[i], &o, &e);
        if (!code) code = options_check_required(&o, &e);
        if (code) fail_msg("%s", e.msg);
        options_free(&o);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filters),
        cmocka_unit_test(answers_to_a_question),
        cmocka_unit_test(order_and_split),
        cmocka_unit_test(equal_answers_have_equal_keys),
        cmocka_unit_test(equal_questions_have_equal_hashes),
        cmocka_unit_test(thinking_is_measured),
        cmocka_unit_test(questions_of_evaluation_sets_are_found),
        cmocka_unit_test(counts),
        cmocka_unit_test(our_recipes_are_sound),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
