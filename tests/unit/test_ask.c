/* Asking: what the switcher and the verifier read is what they would read alone; an answer does not know how
 * its question was routed; a vote that ends early is the vote of all. */
#include "infer/ask.h"
#include "infer/check.h"
#include "tests/support/scratch.h"
#include "tests/support/small_gguf.h"
#include "tests/support/small_head.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { STREAMS = 5, MAX_TOKENS = 256, MAX_NEW = 24, QUESTIONS = 6 };

static struct rig {
    struct loaded l;
    struct asker asker;
    struct err e;
} rig;

static void must(int r)
{
    if (r) fail_msg("%s", rig.e.msg);
}

static int setup(void **state)
{
    struct small_gguf files;
    scratch_setup(state);
    small_gguf(&files, scratch("."));
    struct load_options o = {.model = files.model, .adapter = files.adapter, .threads = 2};
    must(load_gguf(&rig.l, &o, &rig.e));
    rig.l.head[HEAD_SWITCHER] = small_head(HEAD_SWITCHER, rig.l.m->c.width, 4, true, 3);
    rig.l.head[HEAD_VERIFIER] = small_head(HEAD_VERIFIER, rig.l.m->c.width, 0, false, 5);
    rig.l.head[HEAD_VERIFIER]->c.pooling = POOL_LAST;
    rig.l.head[HEAD_VERIFIER]->c.temperature = 40; /* so that scores are neither 0 nor 1 */
    struct session_config c = {.streams = STREAMS, .max_tokens = MAX_TOKENS, .prefill = 24};
    must(asker_open(&rig.asker, &rig.l, c, &rig.e));
    return 0;
}

static int teardown(void **state)
{
    asker_clear(&rig.asker);
    loaded_clear(&rig.l);
    return scratch_teardown(state);
}

static struct ask_config config(enum ask_mode mode, uint32_t chains)
{
    return (struct ask_config){
        .mode = mode,
        .think = true,
        .threshold = -1,
        .chains = chains,
        .max_new = MAX_NEW,
        .sampler = {.temperature = 1.3, .top_p = 1, .repetition_penalty = 1, .seed = 4}};
}

static const char *const said[QUESTIONS] = {
    "What is 2 plus 3?", "Hi", "Tom has 5 apples and eats 2. How many?", "Why?", "hello hello hello", "7"};

static void ask_all(struct ask *q, const struct ask_config *c, struct generate_stats *stats)
{
    for (int i = 0; i < QUESTIONS; i++) {
        struct chat_turn turn = {ROLE_USER, said[i], strlen(said[i])};
        must(ask_chat(&q[i], &rig.asker, c, &turn, 1, NULL, &rig.e));
        q[i].draw = 100 * (uint64_t)i;
    }
    for (uint32_t i = 0; i < STREAMS; i++) session_rewind(rig.asker.s, i, 0);
    must(ask_run(&rig.asker, q, QUESTIONS, NULL, stats, &rig.e));
}

static void clear_all(struct ask *q)
{
    for (int i = 0; i < QUESTIONS; i++) ask_clear(&q[i]);
}

static void same_chain(const struct ask *a, uint32_t i, const struct ask *b, uint32_t k)
{
    assert_int_equal(a->request[i].n_answer, b->request[k].n_answer);
    assert_memory_equal(a->request[i].answer, b->request[k].answer, a->request[i].n_answer * sizeof(int32_t));
    assert_string_equal(a->text[i].text, b->text[k].text);
}

/* What a head says of positions [from, to) of ids, run alone. */
static double alone(enum head_task task, const int32_t *ids, uint32_t n, uint32_t adapt_from, uint32_t from,
                    uint32_t to)
{
    const struct head *h = rig.l.head[task];
    struct session_config c = {.streams = 1, .max_tokens = MAX_TOKENS, .states = h->c.states};
    struct session *s;
    float x[4096];
    must(session_create(&s, rig.l.m, rig.l.lora, &c, &rig.e));
    session_watch(s, 0, from, to);
    must(session_sync(s, 0, ids, n, adapt_from, NULL, &rig.e));
    for (uint32_t k = 0; k < h->c.states.n; k++)
        assert_int_equal(session_states(s, 0, k, h->c.pooling, x + k * h->c.width), to - from);
    session_free(s);
    return head_apply(h, x);
}

/* ---- routing ------------------------------------------------------------------------------------------- */

/* In mode auto a question is answered as in chat or as in reason, bit for bit, the way being what the
 * switcher makes of its own reading; each prompt is run once. */
static void a_question_goes_the_switchers_way(void **state)
{
    struct ask chat[QUESTIONS], reason[QUESTIONS], q[QUESTIONS];
    struct ask_config c = config(ASK_CHAT, 3);
    struct generate_stats stats;
    double p[QUESTIONS], middle = 0;
    int thought = 0;
    (void)state;
    ask_all(chat, &c, NULL);
    c.mode = ASK_REASON;
    ask_all(reason, &c, NULL);
    for (int i = 0; i < QUESTIONS; i++) {
        uint32_t from, to;
        const struct prompt *way = &reason[i].reason;
        must(prompt_asked(&from, &to, rig.l.tokenizer, way->ids, way->n, &rig.e));
        p[i] = alone(HEAD_SWITCHER, way->ids, to, UINT32_MAX, from, to);
        middle += p[i] / QUESTIONS;
        assert_true(chat[i].probability < 0 && chat[i].chains == 3);
    }
    c.mode = ASK_AUTO, c.threshold = middle;
    ask_all(q, &c, &stats);
    uint64_t tokens = 0;
    for (int i = 0; i < QUESTIONS; i++) {
        assert_true(q[i].probability == p[i]);
        assert_int_equal(q[i].reasons, p[i] >= middle);
        assert_int_equal(q[i].chains, q[i].reasons ? 3 : 1);
        for (uint32_t k = 0; k < q[i].chains; k++)
            same_chain(&q[i], k, q[i].reasons ? &reason[i] : &chat[i], k);
        thought += q[i].reasons;
        tokens += ask_way(&q[i])->n;
        assert_true(q[i].settled);
    }
    assert_true(thought > 0 && thought < QUESTIONS);
    /* the system's page may be found again; a chain that joins late runs a prompt's last token */
    assert_true(stats.prompt_tokens <= tokens + 3 * (uint64_t)QUESTIONS);
    clear_all(chat), clear_all(reason), clear_all(q);
}

/* The first token comes after one prefill, whichever way: with one question, no prompt token is run twice. */
static void one_prefill_is_enough(void **state)
{
    (void)state;
    for (int way = 0; way < 2; way++) {
        struct ask_config c = config(ASK_AUTO, 1);
        struct generate_stats stats;
        struct ask q;
        struct chat_turn turn = {ROLE_USER, said[2], strlen(said[2])};
        struct asker a;
        struct session_config sc = {.streams = 1, .max_tokens = MAX_TOKENS};
        c.threshold = way ? 0 : 1, c.max_new = 1;
        must(asker_open(&a, &rig.l, sc, &rig.e));
        must(ask_chat(&q, &a, &c, &turn, 1, NULL, &rig.e));
        must(ask_run(&a, &q, 1, NULL, &stats, &rig.e));
        assert_int_equal(q.reasons, way);
        assert_int_equal(stats.prompt_tokens, ask_way(&q)->n);
        assert_int_equal(q.request[0].n_answer, 1);
        ask_clear(&q);
        asker_clear(&a);
    }
}

/* ---- verifying and voting ------------------------------------------------------------------------------ */

/* The score of a chain is what the verifier says of prompt, chain and its question run alone. */
static void chains_are_read_as_alone(void **state)
{
    struct ask q[QUESTIONS];
    struct ask_config c = config(ASK_REASON, 4);
    struct request_check check;
    int32_t ids[MAX_TOKENS];
    (void)state;
    c.votes = true, c.vote = VOTE_WEIGHTED, c.all = true;
    must(check_init(&check, rig.l.tokenizer, POOL_LAST, HEAD_VERIFY_PROMPT, &rig.e));
    ask_all(q, &c, NULL);
    for (int i = 0; i < QUESTIONS; i++)
        for (uint32_t k = 0; k < 4; k++) {
            const struct request *r = &q[i].request[k];
            uint32_t n = r->n_prompt + r->n_answer, end = n + check.n;
            memcpy(ids, r->prompt, r->n_prompt * sizeof *ids);
            memcpy(ids + r->n_prompt, r->answer, r->n_answer * sizeof *ids);
            memcpy(ids + n, check.ids, check.n * sizeof *ids);
            assert_true(q[i].chain[k].score >= 0);
            assert_true(q[i].chain[k].score ==
                        (float)alone(HEAD_VERIFIER, ids, end, r->adapt_from, end - 1, end));
        }
    check_clear(&check);
    clear_all(q);
}

/* Answers whose class is the length of their text in one of three: votes happen, and differ. */
static bool same_third(const struct answer *a, const struct answer *b)
{
    return a->n % 3 == b->n % 3;
}

static void an_early_vote_is_the_vote_of_all(void **state)
{
    struct ask all[QUESTIONS], early[QUESTIONS];
    int given_up = 0, answered = 0;
    (void)state;
    for (uint64_t seed = 0; seed < 6; seed++)
        for (int kind = VOTE_MAJORITY; kind <= VOTE_BEST; kind++) {
            struct ask_config c = config(ASK_REASON, 7);
            c.votes = true, c.vote = (enum vote_kind)kind, c.sampler.seed = seed, c.same = same_third;
            c.all = true;
            ask_all(all, &c, NULL);
            c.all = false;
            ask_all(early, &c, NULL);
            for (int i = 0; i < QUESTIONS; i++) {
                assert_true(all[i].settled && early[i].settled && !all[i].early);
                const struct vote *x = &all[i].vote, *y = &early[i].vote;
                answered += x->answer >= 0;
                assert_int_equal(x->answer >= 0, y->answer >= 0);
                for (uint32_t k = 0; k < 7; k++) {
                    if (early[i].chain[k].answer == VOTE_PENDING) continue;
                    same_chain(&all[i], k, &early[i], k);
                    assert_true(all[i].chain[k].score == early[i].chain[k].score);
                    /* classes may have other names: that of the chain that was over first */
                    assert_int_equal(all[i].chain[k].answer == x->answer,
                                     early[i].chain[k].answer == y->answer);
                }
                given_up += early[i].early;
            }
            clear_all(all), clear_all(early);
        }
    assert_true(answered > 20);
    print_message("%d of %d votes were over early\n", given_up, answered);
    assert_true(given_up > 0);
}

struct heard {
    int routed, settled, tokens[8];
    uint32_t leave;
};

static void on_routed(void *ctx, struct ask *q)
{
    struct heard *h = ctx;
    (void)q;
    h->routed++;
}
static int on_token(void *ctx, struct ask *q, uint32_t i, int32_t token)
{
    struct heard *h = ctx;
    assert_int_equal(q->request[i].answer[q->request[i].n_answer - 1], token);
    return ++h->tokens[i] == 3 && i == h->leave ? GENERATE_LEAVE : 0;
}
static int on_settled(void *ctx, struct ask *q)
{
    struct heard *h = ctx;
    assert_true(q->settled);
    h->settled++;
    return 0;
}

/* A chain that its listener leaves has no vote, and the question is settled without it. */
static void events_are_told_once(void **state)
{
    (void)state;
    for (uint32_t leave = 0; leave < 5; leave++) {
        struct heard h = {.leave = leave};
        struct ask_events ev = {on_routed, on_token, on_settled, &h};
        struct ask_config c = config(ASK_REASON, 4);
        struct chat_turn turn = {ROLE_USER, "Hi", 2};
        struct ask q;
        c.votes = true, c.all = true;
        must(ask_chat(&q, &rig.asker, &c, &turn, 1, NULL, &rig.e));
        must(ask_run(&rig.asker, &q, 1, &ev, NULL, &rig.e));
        assert_int_equal(h.routed, 1);
        assert_int_equal(h.settled, 1);
        for (uint32_t i = 0; i < 4; i++) {
            assert_int_equal(h.tokens[i], q.request[i].n_answer);
            if (i == leave) assert_int_equal(q.request[i].finish, FINISH_CANCEL);
            if (i == leave) assert_int_equal(q.chain[i].answer, VOTE_NONE);
        }
        ask_clear(&q);
    }
}

/* ---- what cannot be asked ------------------------------------------------------------------------------ */

static void what_is_missing_is_said(void **state)
{
    struct loaded l = rig.l;
    struct ask_config c = config(ASK_AUTO, 4);
    (void)state;
    must(ask_config_check(&c, &l, &rig.e));
    l.head[HEAD_SWITCHER] = NULL;
    assert_int_equal(ask_config_check(&c, &l, &rig.e), ERR_USAGE);
    assert_non_null(strstr(rig.e.msg, "asks a switcher"));
    l = rig.l, l.lora = NULL, l.adapter = NULL, rig.e = (struct err){0};
    assert_int_equal(ask_config_check(&c, &l, &rig.e), ERR_USAGE);
    assert_non_null(strstr(rig.e.msg, "no adapter"));
    c.mode = ASK_CHAT, c.votes = true, c.vote = VOTE_WEIGHTED, rig.e = (struct err){0};
    assert_int_equal(ask_config_check(&c, &rig.l, &rig.e), ERR_USAGE);
    assert_non_null(strstr(rig.e.msg, "in chat"));
    l = rig.l, l.head[HEAD_VERIFIER] = NULL, c.mode = ASK_REASON, rig.e = (struct err){0};
    assert_int_equal(ask_config_check(&c, &l, &rig.e), ERR_USAGE);
    assert_non_null(strstr(rig.e.msg, "say majority"));
    rig.e = (struct err){0};
}

static void no_room_is_said(void **state)
{
    static char text[4 * MAX_TOKENS];
    struct ask_config c = config(ASK_AUTO, 2);
    struct ask q;
    (void)state;
    memset(text, '7', sizeof text - 1);
    struct chat_turn turn = {ROLE_USER, text, strlen(text)};
    assert_int_equal(ask_chat(&q, &rig.asker, &c, &turn, 1, NULL, &rig.e), ERR_CTX_FULL);
    assert_null(q.ids);
    rig.e = (struct err){0};
}

static void answers_are_the_same_by_value_or_text(void **state)
{
    static const struct {
        const char *a, *b;
        bool same;
    } rows[] = {
        {"12", "12", true},    {"12", "12.0", true}, {"1,200", "1200", true},
        {"1/2", "0.5", true},  {"12", "13", false},  {"x + 1", "x+1", true},
        {"x+1", "x+2", false}, {"x+1", "x+", false}, {"\\sqrt{2}", "\\sqrt 2", false},
        {" B", "B ", true},    {"", " ", true},      {"7 7", "77", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct answer a = {.s = rows[i].a, .n = strlen(rows[i].a)},
                      b = {.s = rows[i].b, .n = strlen(rows[i].b)};
        if (ask_same_text(&a, &b) != rows[i].same || ask_same_text(&b, &a) != rows[i].same)
            fail_msg("%s and %s", rows[i].a, rows[i].b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_goes_the_switchers_way),
        cmocka_unit_test(one_prefill_is_enough),
        cmocka_unit_test(chains_are_read_as_alone),
        cmocka_unit_test(an_early_vote_is_the_vote_of_all),
        cmocka_unit_test(events_are_told_once),
        cmocka_unit_test(what_is_missing_is_said),
        cmocka_unit_test(no_room_is_said),
        cmocka_unit_test(answers_are_the_same_by_value_or_text),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
