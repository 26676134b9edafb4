/* What happens around answers inside the running batch: a prompt's way chosen while it is run, checks run
 * after answers, requests that are no longer wanted. None of it changes what an answer is. */
#include "infer/generate.h"
#include "tests/support/session_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { REQUESTS = 8, MAX_NEW = 20, MAX_TOKENS = 120, VOCAB = 70, WIDTH_MAX = 128, CHECK = 5 };

struct rig {
    struct session_rig g;
    struct session *alone; /* one stream, with the same states */
    uint32_t width;
};

struct run {
    struct rig *rig;
    struct request r[REQUESTS],
        other[REQUESTS]; /* other: what a request becomes where it goes the other way */
    int32_t token[REQUESTS][MAX_NEW], prompt[REQUESTS][64], second[REQUESTS][64];
    float state[REQUESTS][WIDTH_MAX];
    uint32_t pooled[REQUESTS];
    int routed[REQUESTS], checked[REQUESTS];
    bool together; /* whoever is routed first decides for all */
    int heard, stop_at;
    struct generate_stats stats;
};

static void rig_init(struct rig *rig, uint32_t streams, uint32_t pages)
{
    struct model_config m = tiny_config();
    struct session_config c = {.streams = streams,
                               .max_tokens = MAX_TOKENS,
                               .prefill = 16,
                               .pages = pages,
                               .states = {.depth = {1, STATES_FINAL}, .n = 2}};
    struct err e = {0};
    session_rig_init(&rig->g, &m, WT_BF16, 2, &c);
    c.streams = 1, c.pages = 0;
    assert_int_equal(session_create(&rig->alone, rig->g.r.m, rig->g.lora, &c, &e), 0);
    rig->width = m.width;
    assert_true(rig->width <= WIDTH_MAX);
}

static void rig_free(struct rig *rig)
{
    session_free(rig->alone);
    session_rig_free(&rig->g);
}

/* Requests whose prompts go on in one of two ways after 10 + 3 i tokens, adapted from there or not at all. */
static void run_init(struct run *t, struct rig *rig)
{
    memset(t, 0, sizeof *t);
    t->rig = rig;
    for (uint32_t i = 0; i < REQUESTS; i++) {
        uint32_t to = 10 + 3 * i;
        random_text(t->prompt[i], 64, 40 + i), random_text(t->second[i], 64, 80 + i);
        memcpy(t->second[i], t->prompt[i], to * sizeof(int32_t));
        t->r[i] =
            (struct request){.prompt = t->prompt[i],
                             .n_prompt = to + 4,
                             .adapt_from = to + 1,
                             .max_new = MAX_NEW - i,
                             .sampler = {.temperature = 0.9, .top_p = 1, .repetition_penalty = 1, .seed = 3},
                             .stream = i,
                             .answer = t->token[i]};
        t->other[i] = t->r[i];
        t->other[i].prompt = t->second[i], t->other[i].n_prompt = to + 7, t->other[i].adapt_from = UINT32_MAX;
    }
}

static int on_token(void *ctx, struct request *r, int32_t token)
{
    struct run *t = ctx;
    (void)token;
    assert_int_equal(r->route_to, 0);
    if (++t->heard == t->stop_at)
        for (uint32_t i = 0; i < REQUESTS; i += 2) t->r[i].unwanted = true;
    return 0;
}

/* Odd requests go the other way. */
static void take_way(struct run *t, uint32_t i)
{
    if (i % 2 == 0) return;
    t->r[i].prompt = t->other[i].prompt, t->r[i].n_prompt = t->other[i].n_prompt;
    t->r[i].adapt_from = t->other[i].adapt_from;
}

static void on_route(void *ctx, struct request *r, uint32_t stream)
{
    struct run *t = ctx;
    uint32_t i = (uint32_t)(r - t->r);
    t->pooled[i] = session_states(t->rig->g.s, stream, 1, POOL_MEAN, t->state[i]);
    t->routed[i]++;
    for (uint32_t k = 0; k < REQUESTS; k++) {
        if (!t->together && k != i) continue;
        take_way(t, k);
        t->r[k].route_to = 0;
    }
}

static int on_checked(void *ctx, struct request *r, uint32_t stream)
{
    struct run *t = ctx;
    uint32_t i = (uint32_t)(r - t->r);
    assert_true(r->finish == FINISH_LENGTH || r->finish == FINISH_STOP);
    enum pooling how = r->check->whole ? POOL_MEAN : POOL_LAST;
    t->pooled[i] = session_states(t->rig->g.s, stream, 0, how, t->state[i]);
    t->checked[i]++;
    return 0;
}

static void generate(struct run *t, uint32_t streams, bool release)
{
    struct generate_config c = {.streams = streams,
                                .vocab = VOCAB,
                                .on_token = on_token,
                                .on_route = on_route,
                                .on_checked = on_checked,
                                .ctx = t,
                                .release = release};
    struct err e = {0};
    for (uint32_t i = 0; i < streams; i++) session_rewind(t->rig->g.s, i, 0);
    if (generate_run(t->rig->g.s, &c, t->r, REQUESTS, &t->stats, &e)) fail_msg("%s", e.msg);
}

static void same_answers(const struct run *a, const struct run *b)
{
    for (uint32_t i = 0; i < REQUESTS; i++) {
        assert_int_equal(a->r[i].n_answer, b->r[i].n_answer);
        assert_memory_equal(a->token[i], b->token[i], a->r[i].n_answer * sizeof(int32_t));
    }
}

/* The states of [from, to) of ids, run alone. */
static void states_alone(struct rig *rig, const int32_t *ids, uint32_t n, uint32_t adapt_from, uint32_t from,
                         uint32_t to, uint32_t k, enum pooling how, float *out)
{
    struct err e = {0};
    session_rewind(rig->alone, 0, 0);
    session_watch(rig->alone, 0, from, to);
    assert_int_equal(session_sync(rig->alone, 0, ids, n, adapt_from, NULL, &e), 0);
    assert_int_equal(session_states(rig->alone, 0, k, how, out), to - from);
}

/* ---- routes -------------------------------------------------------------------------------------------- */

/* The answer is the one that the way taken gives by itself; the states are those of the tokens before; no
 * token is run twice. */
static void a_route_is_taken_as_the_prompt_is_run(void **state)
{
    static struct run plain, routed;
    static const uint32_t streams[] = {1, 3, 8};
    struct rig rig;
    float want[WIDTH_MAX];
    (void)state;
    rig_init(&rig, 8, 0);
    for (int k = 0; k < 3; k++) {
        uint64_t tokens = 0;
        run_init(&plain, &rig), run_init(&routed, &rig);
        for (uint32_t i = 0; i < REQUESTS; i++) {
            take_way(&plain, i);
            tokens += plain.r[i].n_prompt;
            routed.r[i].route_from = i % 3, routed.r[i].route_to = 10 + 3 * i;
        }
        generate(&plain, streams[k], false);
        generate(&routed, streams[k], false);
        same_answers(&plain, &routed);
        assert_int_equal(routed.stats.prompt_tokens, tokens);
        for (uint32_t i = 0; i < REQUESTS; i++) {
            uint32_t from = i % 3, to = 10 + 3 * i;
            assert_int_equal(routed.routed[i], 1);
            assert_int_equal(routed.pooled[i], to - from);
            states_alone(&rig, routed.prompt[i], to, UINT32_MAX, from, to, 1, POOL_MEAN, want);
            assert_memory_equal(want, routed.state[i], rig.width * sizeof(float));
        }
    }
    rig_free(&rig);
}

/* Answers to one prompt: it is run once, and decided on once where one decides for all; each may decide. */
static void followers_are_routed_too(void **state)
{
    static struct run plain, routed;
    struct rig rig;
    (void)state;
    rig_init(&rig, 4, 0);
    for (int together = 0; together < 2; together++) {
        run_init(&plain, &rig), run_init(&routed, &rig);
        for (uint32_t i = 0; i < REQUESTS; i++) {
            struct run *both[] = {&plain, &routed};
            for (int k = 0; k < 2; k++) {
                both[k]->r[i].prompt = both[k]->prompt[7], both[k]->other[i].prompt = both[k]->second[7];
                both[k]->r[i].n_prompt = 35, both[k]->r[i].adapt_from = 32, both[k]->other[i].n_prompt = 38;
            }
            take_way(&plain, i);
            routed.r[i].route_to = 31;
        }
        routed.together = together;
        generate(&plain, 4, false);
        generate(&routed, 4, false);
        same_answers(&plain, &routed);
        int decided = 0;
        for (uint32_t i = 0; i < REQUESTS; i++) decided += routed.routed[i];
        assert_int_equal(decided, together ? 1 : REQUESTS);
        /* the question is run once, whoever decides; what comes after it once an answer, or less */
        assert_true(routed.stats.prompt_tokens <= 31 + REQUESTS / 2 * (4 + 7));
    }
    rig_free(&rig);
}

/* Asked again, a question that the stream still holds is decided without being run. */
static void what_is_known_is_not_run_again(void **state)
{
    static struct run first, again;
    struct rig rig;
    struct err e = {0};
    (void)state;
    rig_init(&rig, 1, 0);
    struct generate_config c = {.streams = 1, .vocab = VOCAB, .on_token = on_token, .on_route = on_route};
    struct run *both[] = {&first, &again};
    for (int k = 0; k < 2; k++) {
        run_init(both[k], &rig);
        both[k]->r[3].route_to = 19, c.ctx = both[k];
        assert_int_equal(generate_run(rig.g.s, &c, &both[k]->r[3], 1, &both[k]->stats, &e), 0);
        assert_int_equal(both[k]->routed[3], 1);
        assert_int_equal(both[k]->pooled[3], 19);
    }
    assert_memory_equal(first.state[3], again.state[3], rig.width * sizeof(float));
    assert_memory_equal(first.token[3], again.token[3], first.r[3].n_answer * sizeof(int32_t));
    assert_int_equal(first.stats.prompt_tokens, 26);
    assert_int_equal(again.stats.prompt_tokens, 26 - 19);
    rig_free(&rig);
}

/* ---- checks -------------------------------------------------------------------------------------------- */

/* Answers are as without; the states are those of prompt, answer and check run alone. */
static void checks_are_run_after_answers(void **state)
{
    static struct run plain, checked;
    static const uint32_t streams[] = {1, 3, 8};
    struct request_check check[] = {{NULL, 0, false}, {NULL, CHECK, false}, {NULL, 0, true}};
    struct rig rig;
    int32_t ids[MAX_TOKENS], put[CHECK];
    float want[WIDTH_MAX];
    (void)state;
    rig_init(&rig, 8, 0);
    random_text(put, CHECK, 9);
    for (int k = 0; k < 3; k++) {
        run_init(&plain, &rig), run_init(&checked, &rig);
        for (uint32_t i = 0; i < REQUESTS; i++) checked.r[i].check = &check[i % 3];
        check[1].ids = put;
        generate(&plain, streams[k], false);
        generate(&checked, streams[k], k % 2);
        same_answers(&plain, &checked);
        for (uint32_t i = 0; i < REQUESTS; i++) {
            const struct request *r = &checked.r[i];
            uint32_t n = r->n_prompt + r->n_answer, end = n + r->check->n;
            assert_int_equal(checked.checked[i], 1);
            assert_int_equal(checked.pooled[i], r->check->whole ? r->n_answer : 1);
            memcpy(ids, r->prompt, r->n_prompt * sizeof *ids);
            memcpy(ids + r->n_prompt, r->answer, r->n_answer * sizeof *ids);
            if (r->check->n) memcpy(ids + n, put, r->check->n * sizeof *ids);
            states_alone(&rig, ids, end, r->adapt_from, r->check->whole ? r->n_prompt : end - 1, end, 0,
                         r->check->whole ? POOL_MEAN : POOL_LAST, want);
            assert_memory_equal(want, checked.state[i], rig.width * sizeof(float));
        }
        uint64_t extra = checked.stats.checked_tokens;
        assert_int_equal(extra, REQUESTS + 3 * CHECK);
        for (uint32_t i = 0; i < streams[k] && k % 2; i++) {
            uint32_t held;
            session_tokens(rig.g.s, i, &held);
            assert_true(held <= 10 + 3 * REQUESTS + 4); /* prompts only */
        }
    }
    rig_free(&rig);
}

/* An answer that fills the stream leaves room for its check; where there is none for a token and the check,
 * there is no check. */
static void a_check_has_its_room(void **state)
{
    static struct run t;
    struct rig rig;
    int32_t put[CHECK], prompt[MAX_TOKENS];
    struct request_check check = {put, CHECK, false};
    (void)state;
    rig_init(&rig, 2, 0);
    run_init(&t, &rig);
    random_text(put, CHECK, 9), random_text(prompt, MAX_TOKENS, 10);
    for (uint32_t i = 0; i < 3; i++)
        t.r[i].prompt = prompt, t.r[i].n_prompt = MAX_TOKENS - CHECK - 2 + i, t.r[i].check = &check;
    generate(&t, 2, false);
    assert_int_equal(t.r[0].n_answer, 2);
    assert_int_equal(t.r[1].n_answer, 1);
    assert_int_equal(t.r[2].n_answer, CHECK + 1);
    for (uint32_t i = 0; i < 3; i++) assert_int_equal(t.checked[i], i < 2);
    rig_free(&rig);
}

/* Pages for a check are reckoned with before an answer begins. */
static void checks_wait_for_pages(void **state)
{
    static struct run plain, tight;
    int32_t put[40];
    struct request_check check = {put, 40, false};
    struct rig rig;
    (void)state;
    random_text(put, 40, 9);
    for (int k = 0; k < 2; k++) {
        struct run *t = k ? &tight : &plain;
        rig_init(&rig, 4, k ? 3 : 0);
        run_init(t, &rig);
        for (uint32_t i = 0; i < REQUESTS; i++) t->r[i].check = &check;
        generate(t, 4, true);
        for (uint32_t i = 0; i < REQUESTS; i++) assert_int_equal(t->checked[i], 1);
        rig_free(&rig);
    }
    same_answers(&plain, &tight);
    assert_memory_equal(plain.state, tight.state, sizeof plain.state);
}

/* ---- no longer wanted ---------------------------------------------------------------------------------- */

static void the_unwanted_leave(void **state)
{
    static struct run whole, t;
    struct rig rig;
    (void)state;
    rig_init(&rig, 3, 0);
    run_init(&whole, &rig);
    generate(&whole, 3, false);
    for (int at = 1; at < whole.heard; at += 1 + at / 3) {
        run_init(&t, &rig);
        t.stop_at = at;
        generate(&t, 3, true);
        for (uint32_t i = 0; i < REQUESTS; i++) {
            const struct request *r = &t.r[i];
            assert_memory_equal(t.token[i], whole.token[i], r->n_answer * sizeof(int32_t));
            if (i % 2) assert_int_equal(r->n_answer, r->max_new);
            assert_int_equal(r->finish, r->n_answer == r->max_new ? FINISH_LENGTH : FINISH_CANCEL);
        }
        assert_true(at > 3 * 10 || t.heard < whole.heard);
    }
    rig_free(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_route_is_taken_as_the_prompt_is_run),
        cmocka_unit_test(followers_are_routed_too),
        cmocka_unit_test(what_is_known_is_not_run_again),
        cmocka_unit_test(checks_are_run_after_answers),
        cmocka_unit_test(a_check_has_its_room),
        cmocka_unit_test(checks_wait_for_pages),
        cmocka_unit_test(the_unwanted_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
