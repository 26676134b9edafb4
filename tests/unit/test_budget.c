/* Budget forcing: thinking that is open at the budget is closed, in every company the same way, and only
 * then. */
#include "infer/budget.h"
#include "infer/generate.h"
#include "infer/terse.h"
#include "tests/support/random_model.h"
#include "tests/support/scratch.h"
#include "tests/support/small_gguf.h"
#include "tests/support/tiny_tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- watching -----------------------------------------------------------------------------------------*/

static bool thinks(const char *text, size_t piece)
{
    struct reply_watch w = {0};
    for (size_t n = strlen(text), i = 0; i < n; i += piece)
        reply_watch_feed(&w, text + i, n - i < piece ? n - i : piece);
    return w.thinking;
}

static void tags_are_found_in_pieces(void **state)
{
    static const struct {
        const char *text;
        bool open;
    } cases[] = {
        {"", false},
        {"2+2", false},
        {"<think>", true},
        {"<think>\n2+2", true},
        {"<think>\n2+2\n</think>", false},
        {"<think>\n2+2\n</think", true},
        {"<<think>", true},
        {"<think", false},
        {"<th<think>", true},
        {"<think></th</think>", false},
        {"<think></<</think>4", false},
        {"</think><think>", true},
        {"<think>a</think>b<think>c", true},
        {"<think><think></think>", false},
        {"< think>", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t piece = 1; piece < 12; piece++)
            if (thinks(cases[i].text, piece) != cases[i].open)
                fail_msg("%s in pieces of %zu", cases[i].text, piece);
}

static void closings_are_made_of_text(void **state)
{
    struct tokenizer *t = tiny_tokenizer();
    struct reply_watch w = {.thinking = true};
    struct err e = {0};
    struct budget b;
    (void)state;
    assert_int_equal(budget_init(&b, t, 5, 2, "<|im_end|>" BUDGET_ASKING, &e), 0);
    for (uint32_t i = 0; i < b.n; i++) {
        assert_true(tokenizer_kind(t, b.closing[i]) == TOKEN_NORMAL);
        budget_watch(&w, t, b.closing[i]);
    }
    assert_false(w.thinking);
    budget_clear(&b);
    assert_null(b.closing);
    assert_int_equal(budget_init(&b, t, 5, 2, "", &e), ERR_ROW_EMPTY);
    e = (struct err){0};
    assert_int_equal(budget_init(&b, t, 5, 2, "\xff", &e), ERR_UTF8);
    assert_null(b.closing);
    tokenizer_free(t);
}

/* ---- answers ------------------------------------------------------------------------------------------*/

enum { REQUESTS = 9, MAX_NEW = 40, MAX_TOKENS = 100, VOCAB = 70, CLOSING = 7 };

struct rig {
    struct random_model r;
    struct adapter *adapter;
    struct lora *lora;
    struct session *s;
    struct sampler *sampler;
    struct tokenizer *t;
    int32_t prompt[REQUESTS][MAX_TOKENS], closing[CLOSING];
    struct budget budget[REQUESTS];
};

struct answers {
    struct request r[REQUESTS];
    int32_t token[REQUESTS][MAX_NEW];
    float logprob[REQUESTS][MAX_NEW];
    uint32_t heard, leave_at; /* tokens of request 3; 0: never */
    struct generate_stats stats;
};

static void rig_init(struct rig *g, uint32_t streams, unsigned threads)
{
    struct model_config c = tiny_config();
    struct session_config sc = {.streams = streams, .max_tokens = MAX_TOKENS, .prefill = 16};
    struct err e = {0};
    random_model_create(&g->r, &c, WT_BF16, threads, NULL, 1);
    g->adapter = random_adapter(&c, 8, LORA_ALL, 2);
    assert_int_equal(lora_create(&g->lora, g->r.m, g->adapter, &e), 0);
    assert_int_equal(session_create(&g->s, g->r.m, g->lora, &sc, &e), 0);
    assert_int_equal(sampler_create(&g->sampler, &g->r.m->kern, VOCAB, &e), 0);
    g->t = tiny_tokenizer();
    for (uint64_t i = 0; i < REQUESTS; i++)
        for (uint64_t t = 0; t < MAX_TOKENS; t++)
            g->prompt[i][t] = (int32_t)((random_at(60 + i, t) + 1) * 35);
    for (int k = 0; k < CLOSING; k++) g->closing[k] = 3 + 9 * k;
    for (uint32_t i = 0; i < REQUESTS; i++) /* 6 to 20 tokens, several reached in one pass */
        g->budget[i] = (struct budget){6 + i / 3 * 7, i % 3 * 4, g->t, g->closing, CLOSING};
}

static void rig_free(struct rig *g)
{
    tokenizer_free(g->t);
    sampler_free(g->sampler);
    session_free(g->s);
    lora_free(g->lora);
    adapter_free(g->adapter);
    random_model_free(&g->r);
}

/* All think but request 4; request 8 has no budget. */
static void requests_init(struct rig *g, struct answers *a)
{
    memset(a, 0, sizeof *a);
    for (uint32_t i = 0; i < REQUESTS; i++) {
        uint32_t n = 1 + i * 13 % 41;
        a->r[i] =
            (struct request){.prompt = g->prompt[i], .n_prompt = n, .stream = 70 + i, .answer = a->token[i]};
        a->r[i].adapt_from = i % 2 ? n : n / 2;
        a->r[i].sampler =
            (struct sampler_config){.temperature = 0.9, .top_p = 0.95, .repetition_penalty = 1.1, .seed = 5};
        a->r[i].max_new = 30 + i, a->r[i].logprob = a->logprob[i];
        a->r[i].thinking = i != 4, a->r[i].budget = i == 8 ? NULL : &g->budget[i];
    }
}

static int hear(void *ctx, struct request *r, int32_t token)
{
    struct answers *a = ctx;
    assert_int_equal(r->answer[r->n_answer - 1], token);
    a->heard++;
    return r == &a->r[3] && r->n_answer == a->leave_at ? GENERATE_LEAVE : 0;
}

static void generate(struct rig *g, uint32_t streams, struct answers *a)
{
    struct err e = {0};
    struct generate_config c = {.streams = streams, .vocab = VOCAB, .on_token = hear, .ctx = a};
    if (generate_run(g->s, &c, a->r, REQUESTS, &a->stats, &e)) fail_msg("%s", e.msg);
    assert_int_equal(a->heard, a->stats.decoded_tokens);
}

static void same_answer(const struct answers *a, const struct answers *b, uint32_t i)
{
    assert_int_equal(a->r[i].n_answer, b->r[i].n_answer);
    assert_int_equal(a->r[i].finish, b->r[i].finish);
    assert_int_equal(a->r[i].closed, b->r[i].closed);
    assert_memory_equal(a->token[i], b->token[i], a->r[i].n_answer * sizeof(int32_t));
    assert_memory_equal(a->logprob[i], b->logprob[i], a->r[i].n_answer * sizeof(float));
}

/* The answer, token by token: chosen as ever, but those put in. */
static void by_hand(struct rig *g, const struct answers *a, uint32_t i)
{
    const struct request *r = &a->r[i];
    struct err e = {0};
    uint32_t n, zero = 0, from = r->closed ? r->budget->tokens : UINT32_MAX;
    session_rewind(g->s, 0, 0);
    assert_int_equal(session_sync(g->s, 0, r->prompt, r->n_prompt, r->adapt_from, NULL, &e), 0);
    for (uint32_t t = 0; t < r->n_answer; t++) {
        const int32_t *history = session_tokens(g->s, 0, &n);
        int32_t token = r->closed && t >= from && t < from + CLOSING ? g->closing[t - from] : -1;
        float p = 0;
        if (token < 0) {
            assert_int_equal(sampler_pick(g->sampler, &r->sampler, session_logits(g->s, 0), history, n,
                                          r->stream, n, &token, &e),
                             0);
            p = session_logprob(g->s, 0, token);
        }
        assert_int_equal(token, a->token[i][t]);
        assert_memory_equal(&p, &a->logprob[i][t], sizeof p);
        assert_int_equal(session_step(g->s, &zero, &token, 1, &e), 0);
    }
}

/* One after the other and by hand, then side by side in every number, on one thread and on three. */
static void a_closed_answer_does_not_depend_on_company(void **state)
{
    static struct answers one, many;
    static const uint32_t streams[] = {2, 5, 9, 16};
    struct rig g;
    (void)state;
    for (unsigned threads = 1; threads <= 3; threads += 2) {
        rig_init(&g, 16, threads);
        requests_init(&g, &many);
        if (threads == 1) {
            requests_init(&g, &one);
            generate(&g, 1, &one);
            for (uint32_t i = 0; i < REQUESTS; i++) by_hand(&g, &one, i);
        }
        for (int k = 0; k < 4; k++) {
            requests_init(&g, &many);
            generate(&g, streams[k], &many);
            for (uint32_t i = 0; i < REQUESTS; i++) same_answer(&one, &many, i);
        }
        rig_free(&g);
    }
    for (uint32_t i = 0; i < REQUESTS; i++) {
        const struct budget *b = one.r[i].budget;
        assert_int_equal(one.r[i].closed, i != 4 && i != 8);
        uint32_t want = one.r[i].max_new;
        if (b && b->answer) want = b->tokens + (one.r[i].closed ? CLOSING : 0) + b->answer;
        assert_int_equal(one.r[i].n_answer, want);
        assert_int_equal(one.r[i].finish, FINISH_LENGTH);
    }
}

/* Up to its budget an answer is the one it would be without. */
static void a_budget_changes_nothing_before_it(void **state)
{
    static struct answers free_, forced;
    struct rig g;
    (void)state;
    rig_init(&g, 4, 1);
    requests_init(&g, &free_);
    requests_init(&g, &forced);
    for (uint32_t i = 0; i < REQUESTS; i++) free_.r[i].budget = NULL;
    generate(&g, 4, &free_);
    generate(&g, 4, &forced);
    for (uint32_t i = 0; i < REQUESTS; i++) {
        uint32_t same = forced.r[i].closed ? g.budget[i].tokens : forced.r[i].n_answer;
        assert_memory_equal(free_.token[i], forced.token[i], same * sizeof(int32_t));
        assert_memory_equal(free_.logprob[i], forced.logprob[i], same * sizeof(float));
        if (forced.r[i].closed)
            assert_memory_equal(forced.token[i] + same, g.closing, CLOSING * sizeof(int32_t));
    }
    rig_free(&g);
}

/* Nothing is closed that could not be answered: a token of max_new and of the stream has to be left. */
static void without_room_nothing_is_closed(void **state)
{
    static struct answers a;
    struct rig g;
    (void)state;
    for (uint32_t left = 0; left < 3; left++) {
        rig_init(&g, 3, 1);
        requests_init(&g, &a);
        for (uint32_t i = 0; i < 3; i++) a.r[i].max_new = g.budget[i].tokens + CLOSING + left;
        for (uint32_t i = 3; i < 6; i++)
            a.r[i].thinking = true, a.r[i].n_prompt = MAX_TOKENS + 1 - g.budget[i].tokens - CLOSING - left;
        generate(&g, 3, &a);
        for (uint32_t i = 0; i < 6; i++) {
            assert_int_equal(a.r[i].closed, left > 0);
            uint32_t most = g.budget[i].tokens + CLOSING + left, answer = g.budget[i].answer;
            if (!left && answer && answer < CLOSING) most -= CLOSING - answer;
            assert_int_equal(a.r[i].n_answer, most);
        }
        rig_free(&g);
    }
}

/* Who listens may leave at any token, those put in too. */
static void leaving_is_possible_anywhere(void **state)
{
    static struct answers whole, a;
    struct rig g;
    (void)state;
    rig_init(&g, 5, 1);
    requests_init(&g, &whole);
    generate(&g, 5, &whole);
    for (uint32_t at = g.budget[3].tokens - 1; at <= g.budget[3].tokens + CLOSING + 1; at++) {
        requests_init(&g, &a);
        a.leave_at = at;
        generate(&g, 5, &a);
        assert_int_equal(a.r[3].n_answer, at);
        assert_int_equal(a.r[3].finish, FINISH_CANCEL);
        assert_int_equal(a.r[3].closed, at >= g.budget[3].tokens + CLOSING);
        assert_memory_equal(a.token[3], whole.token[3], at * sizeof(int32_t));
        for (uint32_t i = 0; i < REQUESTS; i++)
            if (i != 3) same_answer(&whole, &a, i);
    }
    rig_free(&g);
}

/* ---- libterse ----------------------------------------------------------------------------------------- */

static void an_app_may_set_a_budget(void **state)
{
    struct small_gguf files;
    struct terse_model_options mo = {.size = sizeof mo, .threads = 1};
    struct terse_session_options so = {.size = sizeof so, .streams = 3, .max_tokens = 300};
    struct terse_message said = {"user", "Tom has 5 apples. How many?"};
    struct terse_sampling warm = {.size = sizeof warm, .temperature = 1.2};
    struct terse_question q = {.size = sizeof q, .messages = &said, .n_messages = 1, .answers = 3};
    struct terse_model *m;
    struct terse_session *s;
    struct terse_answers *a;
    struct terse_error e;
    int32_t ids[64];
    size_t n;
    (void)state;
    small_gguf(&files, scratch("."));
    assert_int_equal(terse_model_open(&m, files.model, &mo, &e), 0);
    assert_int_equal(terse_session_create(&s, m, &so, &e), 0);
    q.sampling = &warm, q.logprobs = 1, q.budget = 9, q.answer_tokens = 4, q.max_tokens = 60;
    for (q.think = 0; q.think < 2; q.think++) {
        q.closing = q.think ? " So:\n</think>\n" : NULL;
        assert_int_equal(terse_ask(s, &q, &a, &e), 0);
        assert_int_equal(terse_tokenize(m, q.closing ? q.closing : "", SIZE_MAX, 0, ids, 64, &n, &e), 0);
        for (uint32_t i = 0; i < 3; i++) {
            uint32_t k;
            const int32_t *tokens = terse_answers_tokens(a, i, &k);
            if (k < 9) continue; /* it ended by itself */
            assert_int_equal(terse_answers_closed(a, i), q.think);
            assert_true(k <= 9 + n + 4);
            assert_memory_equal(tokens + 9, ids, n * sizeof *ids);
            for (size_t t = 0; t < n; t++) assert_true(terse_answers_logprobs(a, i)[9 + t] == 0);
            assert_true(terse_answers_logprobs(a, i)[8] < 0);
            if (q.think) assert_non_null(strstr(terse_answers_text(a, i, NULL), q.closing));
        }
        terse_answers_free(a);
    }
    q.closing = "";
    assert_true(terse_ask(s, &q, &a, &e) < 0);
    assert_string_equal(e.kind, "ROW_EMPTY");
    assert_null(a);
    terse_session_free(s);
    terse_model_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tags_are_found_in_pieces),
        cmocka_unit_test(closings_are_made_of_text),
        cmocka_unit_test(a_closed_answer_does_not_depend_on_company),
        cmocka_unit_test(a_budget_changes_nothing_before_it),
        cmocka_unit_test(without_room_nothing_is_closed),
        cmocka_unit_test(leaving_is_possible_anywhere),
        cmocka_unit_test(an_app_may_set_a_budget),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
