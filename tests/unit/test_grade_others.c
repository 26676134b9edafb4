/* Others' cases of equal and different answers, which stand in ../shared/data, and are counted. */
#include "checkpoints/file.h"
#include "checkpoints/json.h"
#include "data/grade.h"
#include "infer/vote.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct tally {
    size_t n, agree;
};

static void each_line(const char *path, void (*row)(const struct js *, struct tally *), struct tally *t)
{
    char *data;
    size_t n;
    struct err e = {0};
    if (!file_exists(path)) {
        printf("skip: %s is not there\n", path);
        skip();
    }
    assert_int_equal(file_load(path, 1 << 28, &data, &n, &e), 0);
    for (char *line = strtok(data, "\n"); line; line = strtok(NULL, "\n")) {
        struct js *v;
        assert_int_equal(js_parse(&v, path, line, strlen(line), NULL, &e), 0);
        row(v, t);
        js_free(v);
    }
    free(data);
}

static bool right(const char *reference, const char *text, const struct grade_options *o)
{
    struct answer r = answer_reference(reference, strlen(reference));
    return grade_text(r.s, r.n, text, strlen(text), o).verdict == GRADE_EQUAL;
}

static void count(struct tally *t, bool got, bool expected, const char *reference)
{
    t->n++;
    t->agree += got == expected;
    if (got != expected) print_message("reference %.60s: expected %d\n", reference, expected);
}

static void equivalence_row(const struct js *v, struct tally *t)
{
    struct grade_options o = grade_defaults;
    const char *gold = js_string(js_get(v, "gold"), NULL), *pred = js_string(js_get(v, "pred"), NULL);
    const struct js *sets = js_get(v, "allow_set_relation_comp");
    int64_t expected, digits;
    if (!js_int(js_get(v, "expected"), &expected)) assert_true(js_int(js_get(v, "result"), &expected));
    if (js_int(js_get(v, "precision"), &digits)) o.digits = (int)digits;
    if (sets) o.relations = js_true(sets);
    count(t, right(gold, pred, &o), expected != 0, gold);
}

static void chains_row(const struct js *v, struct tally *t)
{
    const char *reference = js_string(js_get(v, "gt"), NULL);
    for (size_t i = 0; i < js_size(js_get(v, "code")); i++)
        count(t, right(reference, js_string(js_at(js_get(v, "code"), i), NULL), NULL),
              js_true(js_at(js_get(v, "score"), i)), reference);
}

/* Chains of one question vote, answers compared by what they mean; right by the labels of the file. */
struct election {
    struct answer answer[8];
    struct vote_chain chain[8];
    uint32_t n;
};
static int votes_right[2]; /* majority, weighted by the reward model's sigmoid */

static bool same_answer(void *ctx, uint32_t a, uint32_t b)
{
    const struct election *q = ctx;
    const struct answer *x = &q->answer[a], *y = &q->answer[b];
    return grade_answers(x->s, x->n, y->s, y->n, NULL).verdict == GRADE_EQUAL;
}

static void votes_row(const struct js *v, struct tally *t)
{
    struct election q = {.n = (uint32_t)js_size(js_get(v, "code"))};
    assert_true(q.n == 8);
    for (uint32_t i = 0; i < q.n; i++) {
        const char *text = js_string(js_at(js_get(v, "code"), i), NULL);
        double score = 0;
        assert_true(js_number(js_at(js_at(js_get(v, "pred_score"), i), 0), &score));
        q.answer[i] = answer_find(text, strlen(text));
        q.chain[i] = (struct vote_chain){VOTE_NONE, (float)(1 / (1 + exp(-score)))};
        if (q.answer[i].kind) q.chain[i].answer = vote_class(q.chain, q.n, i, same_answer, &q);
    }
    for (int k = 0; k < 2; k++) {
        struct vote w = vote_count(k ? VOTE_WEIGHTED : VOTE_MAJORITY, q.chain, q.n);
        votes_right[k] += js_true(js_at(js_get(v, "score"), w.chain));
    }
    t->n++;
}

/* 91.0 of 100 by one chain; the majority has 93, weighted by the reward model 94, as its labels and scores
 * say. */
static void real_votes(void **state)
{
    struct tally t = {0};
    (void)state;
    each_line("../shared/data/answers/qwen25math_rm_maj_math_cot_100.jsonl", votes_row, &t);
    assert_int_equal(t.n, 100);
    assert_int_equal(votes_right[0], 93);
    assert_int_equal(votes_right[1], 94);
}

static void solution_row(const struct js *v, struct tally *t)
{
    const char *answer = js_string(js_get(v, "answer"), NULL);
    count(t, right(answer, js_string(js_get(v, "solution"), NULL), NULL), true, answer);
}

/* docs/grading.md argues the two that are missed. */
static void equivalence_cases(void **state)
{
    (void)state;
    struct tally t = {0};
    each_line("../shared/data/answers/equivalence_cases.jsonl", equivalence_row, &t);
    assert_int_equal(t.n, 145);
    assert_true(t.agree >= 143);
}

/* One label is wrong: 10000 for 10{,}000. */
static void real_chains(void **state)
{
    (void)state;
    struct tally t = {0};
    each_line("../shared/data/answers/qwen25math_rm_maj_math_cot_100.jsonl", chains_row, &t);
    assert_int_equal(t.n, 800);
    assert_true(t.agree >= 799);
}

static void solutions_have_their_answers(void **state)
{
    (void)state;
    struct tally t = {0};
    each_line("../shared/data/math500/math500.jsonl", solution_row, &t);
    assert_int_equal(t.agree, t.n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equivalence_cases),
        cmocka_unit_test(real_chains),
        cmocka_unit_test(real_votes),
        cmocka_unit_test(solutions_have_their_answers),
    };
    int r = cmocka_run_group_tests(tests, NULL, NULL);
    grade_thread_end();
    return r;
}
