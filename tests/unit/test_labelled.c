/* Labelled prompts: what is asked of rows, references of either kind, near-duplicates, what is refused. */
#include "data/features.h"
#include "data/labelled.h"
#include "tests/support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct labelled_rules label = {2, 0, true, false}, answer = {2, 0, false, true},
                                   both = {2, 0, true, true};

static struct labelled load(const char *text, const struct labelled_rules *rules)
{
    struct labelled p = {0};
    struct err e = {0};
    if (labelled_load(&p, scratch_write("p.jsonl", text, strlen(text)), rules, &e)) fail_msg("%s", e.msg);
    return p;
}

static void lines(void **state)
{
    (void)state;
    static const char text[] = "{\"prompt\": \"2+2?\", \"answer\": \"so\\n#### 4\", \"label\": \"reason\"}\n"
                               "{\"prompt\": \"Sky?\", \"reply\": \" It is blue. \", \"label\": 0}\n"
                               "{\"prompt\": \"\", \"answer\": \"4\", \"label\": 0}\n"
                               "{\"prompt\": \"Hm?\", \"reply\": \" . \", \"label\": 1}\n";
    struct labelled p = load(text, &both);
    assert_int_equal(p.n, 2);
    assert_int_equal(p.without, 2);
    assert_string_equal(p.at[0].reference, "4");
    assert_true(!p.at[0].whole && p.at[0].label == 1 && p.at[0].row == 0);
    assert_string_equal(p.at[1].reference, "It is blue");
    assert_true(p.at[1].whole && p.at[1].label == 0 && p.at[1].row == 1);
    assert_memory_equal(p.at[1].turns[0].content, "Sky?", 4);
    labelled_clear(&p);

    p = load(text, &label); /* nobody asks for references */
    assert_int_equal(p.n, 3);
    assert_null(p.at[0].reference);
    labelled_clear(&p);

    p = load(text, &(struct labelled_rules){2, 1, true, true});
    assert_int_equal(p.n, 1);
    labelled_clear(&p);

    p = load("{\"prompt\": \"2+2?\", \"answer\": \"4\"}", &answer); /* nor for a label */
    assert_int_equal(p.at[0].label, FEATURE_UNKNOWN);
    labelled_clear(&p);
}

static void refused(void **state)
{
    (void)state;
    static const struct {
        const char *line, *says;
        const struct labelled_rules *rules;
        int code;
    } cases[] = {
        {"{\"prompt\": \"a\", \"label\": 1}", "\"answer\"", &both, ERR_FIELD_MISSING},
        {"{\"prompt\": \"a\", \"answer\": \"1\"}", "no \"label\"", &both, ERR_FIELD_MISSING},
        {"{\"prompt\": \"a\", \"answer\": 1}", "answer", &answer, ERR_FIELD_TYPE},
        {"{\"prompt\": \"a\", \"reply\": null}", "reply", &answer, ERR_FIELD_TYPE},
        {"{\"prompt\": \"a\", \"answer\": \"1\", \"label\": 7}", "none of", &answer, ERR_FIELD_RANGE},
        {"{\"prompt\": \"a\", \"answer\": \" \"}", "a question and a reference answer", &answer,
         ERR_DATA_EMPTY},
        {"{\"prompt\": \"\", \"answer\": \"1\", \"label\": 1}",
         "a question and a label and a reference answer", &both, ERR_DATA_EMPTY},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct labelled p = {0};
        struct err e = {0};
        const char *path = scratch_write("p.jsonl", cases[i].line, strlen(cases[i].line));
        assert_int_equal(labelled_load(&p, path, cases[i].rules, &e), cases[i].code);
        if (!strstr(e.msg, cases[i].says)) fail_msg("\"%s\" does not say \"%s\"", e.msg, cases[i].says);
        labelled_clear(&p);
    }
}

/* Nano's mix: problems have a box, all else is judged whole. */
static void parquet(void **state)
{
    (void)state;
    struct labelled p = {0};
    struct err e = {0};
    size_t whole = 0;
    if (labelled_load(&p, "data/nano/mix-test.parquet", &both, &e)) fail_msg("%s", e.msg);
    assert_int_equal(p.n, 600);
    assert_int_equal(p.without, 0);
    for (size_t i = 0; i < p.n; i++) {
        whole += p.at[i].whole;
        assert_int_equal(p.at[i].whole, !p.at[i].label);
        assert_true(p.at[i].reference[0] && p.at[i].row == i);
        if (p.at[i].label) assert_in_range(atoi(p.at[i].reference), 2, 99);
    }
    assert_in_range(whole, 250, 350);
    size_t n = p.n;
    if (labelled_load(&p, "data/nano/test.parquet", &answer, &e)) fail_msg("%s", e.msg); /* adds */
    assert_int_equal(p.n, n + 1200);
    assert_string_equal(p.at[n].reference, "61");
    assert_false(p.at[n].whole);
    struct labelled_rules few = {2, 5, false, true}; /* of each file */
    for (int k = 0; k < 2; k++)
        if (labelled_load(&p, k ? "data/nano/mix.parquet" : "data/nano/test.parquet", &few, &e))
            fail_msg("%s", e.msg);
    assert_int_equal(p.n, n + 1200 + 10);
    labelled_clear(&p);
}

static void joined(void **state)
{
    (void)state;
    size_t n;
    struct labelled p =
        load("{\"prompt\": \"Tell me all about the life of bees in winter please\", \"label\": 0}\n"
             "{\"prompt\": \"Add the numbers from one to ten and say it\", \"label\": 1}\n"
             "{\"prompt\": \"tell me all about the life of bees, in winter, please!\", \"label\": 0}\n",
             &label);
    uint64_t first = p.at[0].group, second = p.at[1].group;
    assert_true(p.at[2].group != first);
    assert_int_equal(labelled_join(&p, 0.8, &n, NULL), 0);
    assert_int_equal(n, 1);
    assert_true(p.at[0].group == first && p.at[1].group == second && p.at[2].group == first);
    labelled_clear(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(lines), cmocka_unit_test(refused),
                                       cmocka_unit_test(parquet), cmocka_unit_test(joined)};
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
