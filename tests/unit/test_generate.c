/* Batched generation: an answer is what its prompt gives alone, whatever runs beside it; streams are left and
 * joined; stop tokens, lengths, cancelling. */
#include "infer/generate.h"
#include "tests/support/random_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { REQUESTS = 11, MAX_NEW = 30, MAX_TOKENS = 80, VOCAB = 70, NEVER = -1 };

struct rig {
    struct random_model r;
    struct adapter *adapter;
    struct lora *lora;
    struct session *s;
    struct sampler *sampler;
    struct sampler_config how;
    int32_t prompt[REQUESTS][MAX_TOKENS + 1];
};

struct answers {
    struct request r[REQUESTS];
    int32_t token[REQUESTS][MAX_NEW];
    float logprob[REQUESTS][MAX_NEW];
    int heard, cancel_at;
    int32_t last;
    struct generate_stats stats;
};

static void rig_init(struct rig *g, uint32_t streams, double temperature)
{
    struct model_config c = tiny_config();
    struct session_config sc = {.streams = streams, .max_tokens = MAX_TOKENS, .prefill = 16};
    struct err e = {0};
    sampler_config_init(&g->how);
    g->how.temperature = temperature, g->how.seed = 5, g->how.top_p = 0.95, g->how.repetition_penalty = 1.1;
    random_model_create(&g->r, &c, WT_BF16, 2, NULL, 1);
    g->adapter = random_adapter(&c, 8, LORA_ALL, 2);
    assert_int_equal(lora_create(&g->lora, g->r.m, g->adapter, &e), 0);
    assert_int_equal(session_create(&g->s, g->r.m, g->lora, &sc, &e), 0);
    assert_int_equal(sampler_create(&g->sampler, &g->r.m->kern, VOCAB, &e), 0);
    for (uint64_t i = 0; i < REQUESTS; i++)
        for (uint64_t t = 0; t < MAX_TOKENS; t++)
            g->prompt[i][t] = (int32_t)((random_at(40 + i, t) + 1) * 35);
}

static void rig_free(struct rig *g)
{
    sampler_free(g->sampler);
    session_free(g->s);
    lora_free(g->lora);
    adapter_free(g->adapter);
    random_model_free(&g->r);
}

/* Prompts of 1 to 41 tokens with gates at several places, answers of up to 7 to 30 tokens. */
static void requests_init(const struct rig *g, struct answers *a)
{
    memset(a, 0, sizeof *a);
    a->cancel_at = NEVER;
    for (uint32_t i = 0; i < REQUESTS; i++) {
        uint32_t n = 1 + i * 13 % 41;
        a->r[i] = (struct request){
            .prompt = g->prompt[i], .n_prompt = n, .stream = 1000 + i, .answer = a->token[i]};
        a->r[i].adapt_from = i % 3 == 0 ? UINT32_MAX : i % 3 == 1 ? n : n / 2;
        a->r[i].sampler = g->how;
        a->r[i].max_new = 7 + i * 5 % 24, a->r[i].logprob = a->logprob[i];
    }
}

static int hear(void *ctx, struct request *r, int32_t token)
{
    struct answers *a = ctx;
    assert_int_equal(r->answer[r->n_answer - 1], token);
    a->last = token;
    return ++a->heard == a->cancel_at;
}

static void generate(struct rig *g, uint32_t streams, const int32_t *stop, uint32_t n_stop, struct answers *a)
{
    struct err e = {0};
    struct generate_config c = {
        .streams = streams, .vocab = VOCAB, .stop = stop, .n_stop = n_stop, .on_token = hear, .ctx = a};
    if (generate_run(g->s, &c, a->r, REQUESTS, &a->stats, &e)) fail_msg("%s", e.msg);
}

static void same_answer(const struct answers *a, const struct answers *b, uint32_t i)
{
    assert_int_equal(a->r[i].n_answer, b->r[i].n_answer);
    assert_int_equal(a->r[i].finish, b->r[i].finish);
    assert_memory_equal(a->token[i], b->token[i], a->r[i].n_answer * sizeof(int32_t));
    assert_memory_equal(a->logprob[i], b->logprob[i], a->r[i].n_answer * sizeof(float));
}

/* One prompt, by session and sampler alone. */
static void by_hand(struct rig *g, const struct request *r, const struct answers *want, uint32_t i)
{
    uint32_t n, zero = 0;
    struct err e = {0};
    session_rewind(g->s, 0, 0);
    assert_int_equal(session_sync(g->s, 0, r->prompt, r->n_prompt, r->adapt_from, NULL, &e), 0);
    for (uint32_t t = 0; t < r->n_answer; t++) {
        const int32_t *history = session_tokens(g->s, 0, &n);
        assert_int_equal(n, r->n_prompt + t);
        int32_t token;
        assert_int_equal(sampler_pick(g->sampler, &r->sampler, session_logits(g->s, 0), history, n, r->stream,
                                      n, &token, &e),
                         0);
        float p = session_logprob(g->s, 0, token);
        assert_int_equal(token, want->token[i][t]);
        assert_memory_equal(&p, &want->logprob[i][t], sizeof p);
        assert_true(p <= 0);
        assert_int_equal(session_step(g->s, &zero, &token, 1, &e), 0);
    }
}

static void answers_do_not_depend_on_company(void **state)
{
    static struct answers one, many;
    (void)state;
    for (int greedy = 0; greedy < 2; greedy++) {
        struct rig g;
        rig_init(&g, 16, greedy ? 0 : 0.9);
        requests_init(&g, &one);
        generate(&g, 1, NULL, 0, &one);
        for (uint32_t i = 0; i < REQUESTS; i++) {
            assert_int_equal(one.r[i].finish, FINISH_LENGTH);
            assert_int_equal(one.r[i].n_answer, one.r[i].max_new);
            by_hand(&g, &one.r[i], &one, i);
        }
        static const uint32_t streams[] = {2, 3, 7, 11, 16};
        for (int k = 0; k < 5; k++) {
            requests_init(&g, &many);
            generate(&g, streams[k], NULL, 0, &many);
            for (uint32_t i = 0; i < REQUESTS; i++) same_answer(&one, &many, i);
            assert_int_equal(many.heard, many.stats.decoded_tokens);
        }
        rig_free(&g);
    }
}

static void answers_depend_on_their_stream_name(void **state)
{
    static struct answers one, other;
    struct rig g;
    (void)state;
    rig_init(&g, 4, 1);
    requests_init(&g, &one);
    requests_init(&g, &other);
    for (uint32_t i = 0; i < REQUESTS; i++) other.r[i].stream += 77;
    generate(&g, 4, NULL, 0, &one);
    generate(&g, 4, NULL, 0, &other);
    for (uint32_t i = 0; i < REQUESTS; i++)
        assert_memory_not_equal(one.token[i], other.token[i], one.r[i].max_new * sizeof(int32_t));
    rig_free(&g);
}

/* Each answer ends with its first stop token, which is kept. */
static void stop_tokens_end_answers(void **state)
{
    static const int32_t stop[] = {13, 40, 22, 7, 60};
    static struct answers whole, cut;
    struct rig g;
    int stopped = 0, kept = 0;
    (void)state;
    rig_init(&g, 3, 0.9);
    requests_init(&g, &whole);
    requests_init(&g, &cut);
    generate(&g, 3, NULL, 0, &whole);
    generate(&g, 3, stop, 5, &cut);
    for (uint32_t i = 0; i < REQUESTS; i++) {
        uint32_t end = 0;
        int found = 0;
        while (end < whole.r[i].n_answer && !found) {
            for (int k = 0; k < 5; k++) found |= whole.token[i][end] == stop[k];
            end++;
        }
        assert_int_equal(cut.r[i].n_answer, end);
        assert_int_equal(cut.r[i].finish, found ? FINISH_STOP : FINISH_LENGTH);
        assert_memory_equal(cut.token[i], whole.token[i], end * sizeof(int32_t));
        stopped += found, kept += !found;
    }
    assert_true(stopped > 1 && kept > 1);
    rig_free(&g);
}

/* A stop token in the last place is a stop; max_new 0 asks for nothing; max_new 1 for one. */
static void lengths_are_kept(void **state)
{
    static struct answers whole, a;
    struct rig g;
    (void)state;
    rig_init(&g, 3, 0.9);
    requests_init(&g, &whole);
    generate(&g, 3, NULL, 0, &whole);
    requests_init(&g, &a);
    a.r[1].max_new = 0, a.r[2].max_new = 1, a.r[10].max_new = 0;
    int32_t stop = whole.token[2][0];
    generate(&g, 2, &stop, 1, &a);
    assert_int_equal(a.r[1].n_answer, 0);
    assert_int_equal(a.r[1].finish, FINISH_LENGTH);
    assert_int_equal(a.r[10].n_answer, 0);
    assert_int_equal(a.r[2].n_answer, 1);
    assert_int_equal(a.r[2].finish, FINISH_STOP);
    rig_free(&g);
}

/* An answer that fills its stream ends there, and the others go on. */
static void a_full_stream_ends_its_answer(void **state)
{
    static struct answers whole, a;
    struct rig g;
    (void)state;
    rig_init(&g, 3, 0.9);
    requests_init(&g, &whole);
    requests_init(&g, &a);
    a.r[4].n_prompt = MAX_TOKENS - 3, a.r[4].max_new = MAX_NEW;
    a.r[5].n_prompt = MAX_TOKENS, a.r[5].max_new = MAX_NEW;
    generate(&g, 3, NULL, 0, &whole);
    generate(&g, 3, NULL, 0, &a);
    assert_int_equal(a.r[4].n_answer, 4); /* the last one needs no room */
    assert_int_equal(a.r[4].finish, FINISH_LENGTH);
    assert_int_equal(a.r[5].n_answer, 1);
    for (uint32_t i = 0; i < REQUESTS; i++)
        if (i != 4 && i != 5) same_answer(&whole, &a, i);
    rig_free(&g);
}

/* Cancelled at any token: finished answers stay whole, others are prefixes, those not begun are empty. */
static void cancelling_keeps_what_is_there(void **state)
{
    static struct answers whole, a;
    struct rig g;
    (void)state;
    rig_init(&g, 3, 0.9);
    requests_init(&g, &whole);
    generate(&g, 3, NULL, 0, &whole);
    for (int at = 1; at < whole.heard; at += 1 + at / 4) {
        int total = 0;
        requests_init(&g, &a);
        a.cancel_at = at;
        generate(&g, 3, NULL, 0, &a);
        for (uint32_t i = 0; i < REQUESTS; i++) {
            total += (int)a.r[i].n_answer;
            assert_memory_equal(a.token[i], whole.token[i], a.r[i].n_answer * sizeof(int32_t));
            assert_int_equal(a.r[i].finish,
                             a.r[i].n_answer == a.r[i].max_new ? FINISH_LENGTH : FINISH_CANCEL);
        }
        assert_int_equal(total, a.heard);
        assert_true(a.heard < at + 2 * 3);
    }
    rig_free(&g);
}

/* Many answers to one prompt: it is run once, and each answer is the one it would be alone. */
static void a_prompt_is_encoded_once(void **state)
{
    static struct answers one, many;
    struct rig g;
    (void)state;
    rig_init(&g, 6, 0.9);
    for (int k = 0; k < 2; k++) {
        struct answers *a = k ? &many : &one;
        requests_init(&g, a);
        for (uint32_t i = 0; i < REQUESTS; i++)
            a->r[i].prompt = g.prompt[4], a->r[i].n_prompt = 37, a->r[i].adapt_from = 30,
            a->r[i].max_new = 20;
        for (uint32_t i = 0; i < 6; i++) session_rewind(g.s, i, 0);
        generate(&g, k ? 6 : 1, NULL, 0, a);
    }
    for (uint32_t i = 0; i < REQUESTS; i++) same_answer(&one, &many, i);
    /* once for six streams; then one of them has all but the last token, and the other four follow it */
    assert_int_equal(many.stats.prompt_tokens, 37 + 1);
    rig_free(&g);
}

/* Fewer pages than the answers would take together: they wait for each other, and are the same. */
static void answers_wait_for_pages(void **state)
{
    static struct answers whole, a;
    struct rig g;
    struct session_config tight = {.streams = 6, .max_tokens = MAX_TOKENS, .prefill = 16, .pages = 3};
    struct err e = {0};
    (void)state;
    rig_init(&g, 3, 0.9);
    requests_init(&g, &whole);
    generate(&g, 3, NULL, 0, &whole);
    session_free(g.s);
    assert_int_equal(session_create(&g.s, g.r.m, g.lora, &tight, &e), 0);
    requests_init(&g, &a);
    generate(&g, 6, NULL, 0, &a);
    for (uint32_t i = 0; i < REQUESTS; i++) same_answer(&whole, &a, i);
    session_free(g.s);
    tight.pages = 1;
    assert_int_equal(session_create(&g.s, g.r.m, g.lora, &tight, &e), 0);
    requests_init(&g, &a);
    struct generate_config c = {.streams = 6, .vocab = VOCAB};
    a.r[3].n_prompt = 70; /* two pages: it does not fit, and those before it are done or not begun */
    assert_int_equal(generate_run(g.s, &c, a.r, REQUESTS, NULL, &e), ERR_CTX_FULL);
    for (uint32_t i = 0; i < REQUESTS; i++)
        if (a.r[i].finish != FINISH_NONE) same_answer(&whole, &a, i);
    assert_true(a.r[0].finish == FINISH_LENGTH);
    rig_free(&g);
}

/* Each request has its own way of choosing. */
static void requests_sample_each_their_own_way(void **state)
{
    static struct answers one, many;
    struct rig g;
    (void)state;
    rig_init(&g, 6, 0.9);
    for (int k = 0; k < 2; k++) {
        struct answers *a = k ? &many : &one;
        requests_init(&g, a);
        for (uint32_t i = 0; i < REQUESTS; i++)
            a->r[i].sampler.seed = i % 2, a->r[i].sampler.temperature = i % 3 ? 0.8 : 0,
            a->r[i].sampler.top_k = i % 4;
        generate(&g, k ? 6 : 1, NULL, 0, a);
    }
    for (uint32_t i = 0; i < REQUESTS; i++) same_answer(&one, &many, i);
    rig_free(&g);
}

static void errors_name_the_token(void **state)
{
    static struct answers a;
    struct rig g;
    struct err e = {0};
    struct generate_config c = {.streams = 3, .vocab = VOCAB};
    (void)state;
    rig_init(&g, 3, 0.9);
    requests_init(&g, &a);
    g.prompt[6][2] = 75;
    assert_int_equal(generate_run(g.s, &c, a.r, REQUESTS, NULL, &e), ERR_TOKEN_RANGE);
    assert_non_null(strstr(e.msg, "token 75 at 2"));
    g.prompt[6][2] = 3;
    e.code = 0;
    requests_init(&g, &a);
    a.r[2].n_prompt = MAX_TOKENS + 1;
    assert_int_equal(generate_run(g.s, &c, a.r, REQUESTS, NULL, &e), ERR_CTX_FULL);
    rig_free(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_do_not_depend_on_company),
        cmocka_unit_test(answers_depend_on_their_stream_name),
        cmocka_unit_test(stop_tokens_end_answers),
        cmocka_unit_test(lengths_are_kept),
        cmocka_unit_test(a_full_stream_ends_its_answer),
        cmocka_unit_test(cancelling_keeps_what_is_there),
        cmocka_unit_test(a_prompt_is_encoded_once),
        cmocka_unit_test(answers_wait_for_pages),
        cmocka_unit_test(requests_sample_each_their_own_way),
        cmocka_unit_test(errors_name_the_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
