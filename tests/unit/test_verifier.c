/* Chains become rows: in order, graded and classed; their states those of the same tokens run alone; the same
 * bits for any number of streams, stopped or not. */
#include "checkpoints/file.h"
#include "data/grade.h"
#include "infer/check.h"
#include "infer/detok.h"
#include "infer/generate.h"
#include "infer/prompt.h"
#include "rl/cmd_heads.h"
#include "rl/verifier.h"
#include "tests/support/scratch.h"
#include "tests/support/small_base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PROBLEMS = 7, CHAINS = 6, ROWS = PROBLEMS * CHAINS, MAX_NEW = 12, DEPTHS = 2, TEXT = 500 };

static struct loaded model;
static struct problems problems;

/* Nano's base, with a random adapter; sums, one of which is asked twice. */
static int setup(void **state)
{
    static const char sums[] = "{\"problem\": \"What is 12 plus 7?\", \"answer\": \"19\"}\n"
                               "{\"problem\": \"What is 30 plus 9?\", \"answer\": \"39\"}\n"
                               "{\"problem\": \"What is 12 plus 7?\", \"answer\": \"20\"}\n"
                               "{\"problem\": \"What is 6 times 7?\", \"answer\": \"42\"}\n"
                               "{\"problem\": \"What is 33 minus 9?\", \"answer\": \"24\"}\n"
                               "{\"problem\": \"How much is 8 plus 8?\", \"answer\": \"\\\\boxed{16.0}\"}\n"
                               "{\"problem\": \"How much is 42 minus 2?\", \"answer\": \"40\"}\n"
                               "{\"problem\": \"What is 9 times 3?\", \"answer\": \"27\"}\n";
    struct load_options o = {.model = "checkpoints/nano", .threads = 2, .context = 128};
    struct err e = {0};
    scratch_setup(state);
    o.adapter = scratch("adapter");
    small_adapter(o.adapter, o.model, GATE_RESPONSE, 5);
    if (cmd_heads_load(&model, &o, &e) ||
        problems_load(&problems, scratch_write("sums.jsonl", sums, sizeof sums - 1), 0, &e))
        fail_msg("%s", e.msg);
    assert_int_equal(problems.n, PROBLEMS + 1);
    assert_int_equal(problems_unique(&problems, &e), 1);
    assert_int_equal(problems.n, PROBLEMS);
    assert_true(problems.at[1].row == 1 && problems.at[2].row == 3);
    assert_string_equal(problems.at[0].reference, "19");
    assert_int_equal(problems_unique(&problems, &e), 0);
    return 0;
}

static int teardown(void **state)
{
    problems_clear(&problems);
    load_clear(&model);
    return scratch_teardown(state);
}

static struct verifier_config config(void)
{
    return (struct verifier_config){
        .session = {.streams = 5},
        .depths = {{2, STATES_FINAL}, DEPTHS},
        .pooling = POOL_LAST,
        .prompt = HEAD_VERIFY_PROMPT,
        .made = "5e77",
        .chains = CHAINS,
        .max_new = MAX_NEW,
        .sampler = {.temperature = 0.9, .top_p = 1, .repetition_penalty = 1, .seed = 3},
    };
}

/* A set in memory. */
struct set {
    struct features *f;
    const struct feature *row;
    float *x[DEPTHS]; /* [ROWS][width] */
};

static void set_open(struct set *s, const char *name)
{
    struct err e = {0};
    if (features_open(&s->f, scratch(name), &e)) fail_msg("%s", e.msg);
    s->row = features_rows(s->f);
    assert_int_equal(features_count(s->f), ROWS);
    for (uint32_t k = 0; k < DEPTHS; k++) {
        s->x[k] = malloc(ROWS * model.m->c.width * sizeof(float));
        assert_int_equal(features_states(s->f, k, s->x[k], NULL), 0);
    }
}

static void set_close(struct set *s)
{
    for (int k = 0; k < DEPTHS; k++) free(s->x[k]);
    features_close(s->f);
}

static void make(struct set *s, const struct verifier_config *c, const char *name)
{
    struct err e = {0};
    if (verifier_features(&model, &problems, c, scratch(name), NULL, NULL, &e)) fail_msg("%s", e.msg);
    set_open(s, name);
}

static void assert_same_sets(const struct set *a, const struct set *b)
{
    for (uint32_t i = 0; i < ROWS; i++) {
        const struct feature *p = &a->row[i], *q = &b->row[i];
        assert_true(p->group == q->group && p->text == q->text && p->prompt_tokens == q->prompt_tokens &&
                    p->adapter_tokens == q->adapter_tokens && p->chain == q->chain &&
                    p->answer == q->answer && p->label == q->label);
    }
    for (int k = 0; k < DEPTHS; k++)
        assert_memory_equal(a->x[k], b->x[k], ROWS * model.m->c.width * sizeof(float));
}

/* ---- the rows, made again one by one ------------------------------------------------------------------- */

struct alone {
    struct session *s;
    struct prompt prompt;
    int32_t answer[MAX_NEW];
    struct request request;
    struct detok text[CHAINS];
};

/* Chain `i`, by itself. */
static void sample(struct alone *a, const struct verifier_config *c, uint32_t i)
{
    int32_t stop[PROMPT_MAX_STOPS];
    const struct problem *q = &problems.at[i / CHAINS];
    struct generate_config g = {.streams = 1,
                                .vocab = (uint32_t)tokenizer_vocab(model.tokenizer),
                                .stop = stop,
                                .n_stop = prompt_stops(model.tokenizer, stop)};
    prompt_clear(&a->prompt);
    assert_int_equal(prompt_chat(&a->prompt, &model, q->turns, 1, NULL, false, NULL), 0);
    a->request = (struct request){.prompt = a->prompt.ids,
                                  .n_prompt = a->prompt.n,
                                  .adapt_from = a->prompt.adapt_from,
                                  .max_new = MAX_NEW,
                                  .sampler = c->sampler,
                                  .stream = i,
                                  .answer = a->answer};
    assert_int_equal(generate_run(a->s, &g, &a->request, 1, NULL, NULL), 0);
    struct detok *d = &a->text[i % CHAINS];
    d->n = 0, d->t = model.tokenizer;
    for (uint32_t k = 0; k < a->request.n_answer; k++) assert_int_equal(detok_push(d, a->answer[k], NULL), 0);
    assert_int_equal(detok_end(d, NULL), 0);
}

/* What the row says of the chain. */
static void check_row(const struct alone *a, const struct feature *row, uint32_t i)
{
    const struct problem *q = &problems.at[i / CHAINS];
    const struct detok *d = &a->text[i % CHAINS];
    struct grade g = grade_text(q->reference, strlen(q->reference), d->text, d->n, NULL);
    int32_t class = g.answer.kind ? (int32_t)(i % CHAINS) : -1;
    for (uint32_t k = i % CHAINS; k-- > 0 && g.answer.kind;) { /* its first equal */
        struct answer b = answer_find(a->text[k].text, a->text[k].n);
        if (b.kind && grade_answers(b.s, b.n, g.answer.s, g.answer.n, NULL).verdict == GRADE_EQUAL)
            class = (int32_t)k;
    }
    assert_true(row->group == problem_hash(q->turns, q->n_turns) && row->text == q->row);
    assert_int_equal(row->chain, i % CHAINS);
    assert_int_equal(row->prompt_tokens, a->prompt.n);
    assert_int_equal(row->adapter_tokens, a->request.n_answer);
    assert_int_equal(row->label, g.verdict == GRADE_EQUAL);
    assert_int_equal(row->answer, class);
}

/* Prompt, answer and what verifies it as one prompt, watched. */
static void check_states(struct alone *a, const struct verifier_config *c, const struct set *s, uint32_t i)
{
    int32_t ids[256];
    struct request_check check;
    uint32_t n = a->prompt.n, from, width = model.m->c.width;
    float *x = malloc(width * sizeof *x);
    memcpy(ids, a->prompt.ids, n * sizeof *ids);
    memcpy(ids + n, a->answer, a->request.n_answer * sizeof *ids);
    from = n, n += a->request.n_answer;
    assert_int_equal(check_init(&check, model.tokenizer, c->pooling, c->prompt, NULL), 0);
    if (check.n) memcpy(ids + n, check.ids, check.n * sizeof *ids);
    n += check.n;
    if (!check.whole) from = n - 1;
    check_clear(&check);
    session_rewind(a->s, 0, 0);
    session_watch(a->s, 0, from, n);
    assert_int_equal(session_sync(a->s, 0, ids, n, a->prompt.adapt_from, NULL, NULL), 0);
    for (uint32_t k = 0; k < DEPTHS; k++) {
        assert_int_equal(session_states(a->s, 0, k, c->pooling, x), n - from);
        assert_memory_equal(x, s->x[k] + i * width, width * sizeof *x);
    }
    session_watch(a->s, 0, 0, 0);
    free(x);
}

static void check_all(const struct verifier_config *c, const struct set *s, uint32_t right[2])
{
    struct alone a = {0};
    struct session_config sc = {.streams = 1, .max_tokens = 128, .states = c->depths};
    assert_int_equal(session_create(&a.s, model.m, model.lora, &sc, NULL), 0);
    for (uint32_t i = 0; i < ROWS; i++) {
        sample(&a, c, i);
        check_row(&a, &s->row[i], i);
        check_states(&a, c, s, i);
        right[s->row[i].label]++;
    }
    for (int k = 0; k < CHAINS; k++) detok_clear(&a.text[k]);
    prompt_clear(&a.prompt);
    session_free(a.s);
}

static void rows_are_the_chains(void **state)
{
    (void)state;
    struct verifier_config c = config();
    struct set s;
    uint32_t right[2] = {0, 0};
    make(&s, &c, "last");
    check_all(&c, &s, right);
    assert_string_equal(features_origin(s.f)->wording, HEAD_VERIFY_PROMPT);
    assert_string_equal(features_origin(s.f)->adapter, model.info.self);
    assert_true(strlen(model.info.self) == 64);
    set_close(&s);

    /* the base alone, whose sums are right now and then */
    struct lora *lora = model.lora;
    struct adapter *adapter = model.adapter;
    model.lora = NULL, model.adapter = NULL;
    c.pooling = POOL_MEAN, right[0] = right[1] = 0;
    make(&s, &c, "mean");
    check_all(&c, &s, right);
    assert_in_range(right[0], 1, ROWS - 1);
    assert_string_equal(features_origin(s.f)->wording, "");
    assert_string_equal(features_origin(s.f)->adapter, "");
    set_close(&s);
    c.pooling = POOL_LAST, c.prompt = "";
    make(&s, &c, "own");
    check_all(&c, &s, right);
    set_close(&s);
    model.lora = lora, model.adapter = adapter;
}

/* ---- stopped ------------------------------------------------------------------------------------------- */

struct stop {
    uint64_t after, heard;
    size_t before, chains;
};

static int tick(void *ctx, const struct verifier_progress *at)
{
    struct stop *s = ctx;
    if (!s->heard++) s->before = at->before;
    s->chains = at->chains;
    return s->heard == s->after;
}

/* Streams do not matter; nor do stops, in the first block and in a later one. */
static void same_bits(void **state)
{
    (void)state;
    struct verifier_config c = config();
    struct set all, few, on;
    struct stop whole = {.after = 0}, rest = {.after = 0};
    make(&all, &c, "all");
    assert_false(file_exists(scratch("all.tmp")));

    c.session.streams = 2;
    assert_int_equal(verifier_features(&model, &problems, &c, scratch("few"), tick, &whole, NULL), 0);
    assert_int_equal(whole.chains, ROWS - 1); /* before the last token */
    set_open(&few, "few");
    assert_same_sets(&all, &few);
    set_close(&few);

    c.session.streams = 1; /* 32 chains a block: 6 problems, then one */
    struct stop stops[] = {{.after = 5}, {.after = whole.heard - 2}};
    for (int i = 0; i < 2; i++) {
        struct err e = {0};
        assert_int_equal(verifier_features(&model, &problems, &c, scratch("on"), tick, &stops[i], &e),
                         ERR_INTERRUPTED);
        assert_non_null(strstr(e.msg, "goes on"));
        assert_false(file_exists(scratch("on")));
        assert_int_equal(file_exists(scratch("on.tmp/manifest.json")), i);
        assert_int_equal(stops[i].before, 0);
    }
    assert_int_equal(verifier_features(&model, &problems, &c, scratch("on"), tick, &rest, NULL), 0);
    assert_int_equal(rest.before, 6 * CHAINS);
    set_open(&on, "on");
    assert_same_sets(&all, &on);
    set_close(&on);
    set_close(&all);
}

/* A process that was killed leaves whole shards, which may end within a problem. */
static void killed_within_a_problem(void **state)
{
    (void)state;
    struct verifier_config c = config();
    struct features_origin o = verifier_origin(&model, &c);
    struct features_writer *w;
    struct set all, on;
    uint32_t width = model.m->c.width;
    float *x = malloc(DEPTHS * width * sizeof *x);
    make(&all, &c, "all");
    assert_int_equal(features_writer_open(&w, scratch("on"), &o, NULL), 0);
    for (uint32_t i = 0; i < 2 * CHAINS + 4; i++) {
        for (uint32_t k = 0; k < DEPTHS; k++) memcpy(x + k * width, all.x[k] + i * width, width * sizeof *x);
        assert_int_equal(features_writer_add(w, &all.row[i], x, NULL), 0);
    }
    assert_int_equal(features_writer_leave(w, NULL), 0);
    make(&on, &c, "on");
    assert_same_sets(&all, &on);
    set_close(&on), set_close(&all);
    free(x);
}

/* ---- refused ------------------------------------------------------------------------------------------- */

static void refuses(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct verifier_config c = config();
        struct err e = {0};
        char endless[512];
        memset(endless, '?', sizeof endless - 1), endless[sizeof endless - 1] = 0;
        if (i == 0) c.depths.depth[0] = 5;
        if (i == 1) c.sampler.temperature = -1;
        if (i == 2) c.prompt = endless; /* the context is 128 tokens */
        int want = i == 2 ? ERR_CTX_FULL : ERR_FIELD_RANGE;
        assert_int_equal(verifier_features(&model, &problems, &c, scratch("bad"), NULL, NULL, &e), want);
        assert_true(e.msg[0] && (i != 2 || strstr(e.msg, "row 0")));
        assert_false(file_exists(scratch("bad")) || file_exists(scratch("bad.tmp")));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(rows_are_the_chains), cmocka_unit_test(same_bits),
                                       cmocka_unit_test(killed_within_a_problem), cmocka_unit_test(refuses)};
    int r = cmocka_run_group_tests(tests, setup, teardown);
    grade_thread_end();
    return r;
}
