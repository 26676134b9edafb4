/* Evaluation: answers under a cap are those that a budget gives, in every company; and what is counted. */
#include "checkpoints/load.h"
#include "rl/eval.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N = 14, CAPS = 3, MAX_NEW = 60, TEXT = 1000 };
static const uint32_t caps[CAPS] = {5, 17, 40};

static struct loaded model;
static struct problems problems;

/* All answers of an evaluation: [0] those left alone, [1 + k] those under a cap. */
struct book {
    struct {
        char text[TEXT];
        uint32_t tokens;
        bool closed, truncated, correct;
    } answer[1 + CAPS][N];
    int heard;
};

static int setup(void **state)
{
    struct load_options o = {.model = "checkpoints/nano", .threads = 2, .context = 512};
    struct err e = {0};
    (void)state;
    if (load_all(&model, &o, &e) || problems_load(&problems, "data/nano/test.parquet", N, &e))
        fail_msg("%s", e.msg);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    problems_clear(&problems);
    load_clear(&model);
    return 0;
}

static int hear(void *ctx, const struct eval_sample *s, struct err *e)
{
    struct book *b = ctx;
    int at = 0;
    (void)e;
    for (int k = 0; k < CAPS; k++)
        if (s->cap == caps[k]) at = 1 + k;
    assert_true(s->len < TEXT);
    memcpy(b->answer[at][s->index].text, s->text, s->len);
    b->answer[at][s->index].tokens = s->tokens, b->answer[at][s->index].closed = s->closed;
    b->answer[at][s->index].truncated = s->truncated, b->answer[at][s->index].correct = s->correct;
    b->heard++;
    return 0;
}

static void run(struct book *b, struct eval_result *out, uint32_t streams, double temperature,
                uint32_t budget, uint32_t n_caps, bool think)
{
    struct budget forcing;
    struct eval_events ev = {.sample = hear, .ctx = b};
    struct err e = {0};
    struct eval_config c = {
        .session = {.streams = streams, .cache_bytes = streams << 18},
        .ask = {.mode = ASK_REASON,
                .think = think,
                .chains = 1,
                .max_new = MAX_NEW,
                .sampler = {.temperature = temperature, .top_p = 1, .repetition_penalty = 1.05, .seed = 3}},
        .forcing = &forcing,
        .caps = caps,
        .n_caps = n_caps,
    };
    memset(b, 0, sizeof *b);
    assert_int_equal(budget_init(&forcing, model.tokenizer, budget, 9, BUDGET_ASKING, &e), 0);
    if (eval_run(out, &model, &problems, &c, &ev, &e)) fail_msg("%s", e.msg);
    assert_int_equal(b->heard, N * (1 + n_caps));
    budget_clear(&forcing);
}

/* The base is made to think, which it has not learned, so that some answers end and some do not. */
static void a_cap_is_a_budget(void **state)
{
    static struct book capped, other, forced;
    struct eval_result r[1 + CAPS], one;
    int closed = 0, ended = 0;
    (void)state;
    for (int greedy = 0; greedy < 2; greedy++) {
        double t = greedy ? 0 : 0.9;
        run(&capped, r, 3, t, 0, CAPS, true);
        run(&other, r, 16, t, 0, CAPS, true);
        assert_memory_equal(&capped, &other, sizeof capped);
        for (int k = 0; k < CAPS; k++) {
            run(&forced, &one, 5, t, caps[k], 0, true);
            assert_memory_equal(capped.answer[1 + k], forced.answer[0], sizeof forced.answer[0]);
            assert_true(one.accuracy == r[1 + k].accuracy && one.tokens_mean == r[1 + k].tokens_mean);
            assert_true(one.closed == r[1 + k].closed && one.truncated == r[1 + k].truncated);
            for (int i = 0; i < N; i++)
                closed += capped.answer[1 + k][i].closed, ended += !capped.answer[1 + k][i].closed;
        }
    }
    assert_true(closed > 10 && ended > 5);
}

/* An answer that does not think is not closed, but ends as soon after the cap. */
static void who_does_not_think_is_cut(void **state)
{
    static struct book b;
    struct eval_result r[1 + CAPS];
    bool cut = false;
    (void)state;
    run(&b, r, 8, 0, 0, CAPS, false);
    for (int k = 0; k < CAPS; k++)
        for (int i = 0; i < N; i++) {
            uint32_t all = b.answer[0][i].tokens, most = caps[k] + 9;
            assert_false(b.answer[1 + k][i].closed);
            assert_int_equal(b.answer[1 + k][i].tokens, all < most ? all : most);
            assert_int_equal(b.answer[1 + k][i].truncated, all > most || b.answer[0][i].truncated);
            cut |= all > most;
        }
    assert_true(cut);
}

static void figures_are_those_of_the_answers(void **state)
{
    static struct book b;
    struct eval_result r[1 + CAPS];
    (void)state;
    run(&b, r, 8, 0.8, 0, CAPS, true);
    for (int k = 0; k <= CAPS; k++) {
        double tokens = 0, correct = 0, closed = 0, truncated = 0;
        for (int i = 0; i < N; i++) {
            tokens += b.answer[k][i].tokens, correct += b.answer[k][i].correct;
            closed += b.answer[k][i].closed, truncated += b.answer[k][i].truncated;
        }
        assert_int_equal(r[k].n, N);
        assert_int_equal(r[k].cap, k ? caps[k - 1] : 0);
        assert_true(fabs(r[k].accuracy - correct / N) < 1e-12);
        assert_true(fabs(r[k].stderr_ - sqrt(correct / N * (1 - correct / N) / (N - 1))) < 1e-12);
        assert_true(fabs(r[k].tokens_mean - tokens / N) < 1e-9);
        assert_true(fabs(r[k].closed - closed / N) < 1e-12);
        assert_true(fabs(r[k].truncated - truncated / N) < 1e-12);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cap_is_a_budget),
        cmocka_unit_test(who_does_not_think_is_cut),
        cmocka_unit_test(figures_are_those_of_the_answers),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
