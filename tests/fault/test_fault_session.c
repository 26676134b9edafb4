/* Memory runs out at any point of making a session or a run: an error, and nothing leaks. And while tokens
 * are made nothing is allocated at all. */
#include "infer/generate.h"
#include "tests/support/fault.h"
#include "tests/support/random_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { REQUESTS = 6, PROMPT = 90, MAX_NEW = 70, MAX_TOKENS = 200 };

struct rig {
    struct random_model r;
    struct adapter *adapter;
    struct lora *lora;
    int32_t prompt[REQUESTS][PROMPT];
    int32_t answer[REQUESTS][MAX_NEW];
    float logprob[REQUESTS][MAX_NEW];
};

static const struct session_config config = {
    .streams = 4, .max_tokens = MAX_TOKENS, .prefill = 50, .cache_bytes = 1 << 20};

static void rig_init(struct rig *g)
{
    struct model_config c = tiny_config();
    struct err e = {0};
    random_model_create(&g->r, &c, WT_BF16, 2, NULL, 1);
    g->adapter = random_adapter(&c, 8, LORA_ALL, 2);
    assert_int_equal(lora_create(&g->lora, g->r.m, g->adapter, &e), 0);
    for (uint64_t i = 0; i < REQUESTS; i++)
        for (uint64_t t = 0; t < PROMPT; t++) g->prompt[i][t] = (int32_t)((random_at(i / 2, t) + 1) * 37);
}

static void rig_free(struct rig *g)
{
    lora_free(g->lora);
    adapter_free(g->adapter);
    random_model_free(&g->r);
}

/* Six answers to three prompts, of max_new tokens. */
static int answers(struct rig *g, struct session *s, uint32_t max_new, struct err *e)
{
    struct request r[REQUESTS];
    struct generate_config c = {.streams = 4, .vocab = 70};
    for (uint32_t i = 0; i < REQUESTS; i++) {
        r[i] = (struct request){
            .prompt = g->prompt[i], .n_prompt = PROMPT, .adapt_from = 80, .max_new = max_new};
        r[i].sampler =
            (struct sampler_config){.temperature = 1, .top_p = i % 2 ? 0.9 : 1, .repetition_penalty = 1.1};
        r[i].stream = i, r[i].answer = g->answer[i], r[i].logprob = g->logprob[i];
    }
    return generate_run(s, &c, r, REQUESTS, NULL, e);
}

static int session_and_answers(struct rig *g, uint32_t max_new, struct err *e)
{
    struct session *s;
    int r = session_create(&s, g->r.m, g->lora, &config, e);
    if (!r) r = answers(g, s, max_new, e);
    session_free(s);
    return r;
}

/* Every allocation fails once. Returns how many there are. */
static long every_allocation(struct rig *g, uint32_t max_new)
{
    for (long n = 1;; n++) {
        struct err e = {0};
        fault_arm(FAULT_ALLOC, n);
        int r = session_and_answers(g, max_new, &e);
        if (!fault_disarm()) {
            assert_int_equal(r, 0);
            assert_int_equal(fault_leaks(), 0);
            return n - 1;
        }
        assert_int_equal(r, ERR_NOMEM);
    }
}

static void memory_that_runs_out_is_an_error(void **state)
{
    struct rig g;
    (void)state;
    rig_init(&g);
    assert_true(every_allocation(&g, 2) > 8);
    rig_free(&g);
}

/* As many allocations for 70 tokens an answer as for 2: none belongs to a token. */
static void tokens_allocate_nothing(void **state)
{
    struct rig g;
    struct err e = {0};
    (void)state;
    rig_init(&g);
    long n = every_allocation(&g, 2);
    fault_arm(FAULT_ALLOC, n + 1);
    assert_int_equal(session_and_answers(&g, MAX_NEW, &e), 0);
    assert_int_equal(fault_disarm(), 0);
    rig_free(&g);
}

/* Not one in all that a session does once it is there. */
static void a_session_allocates_nothing(void **state)
{
    struct rig g;
    struct session *s;
    struct err e = {0};
    uint32_t streams[] = {0, 1, 2};
    int32_t token[] = {3, 4, 5};
    (void)state;
    rig_init(&g);
    assert_int_equal(session_create(&s, g.r.m, g.lora, &config, &e), 0);
    fault_arm(FAULT_ALLOC, 1);
    assert_int_equal(session_sync(s, 0, g.prompt[0], PROMPT, 80, NULL, &e), 0);
    assert_int_equal(session_sync(s, 1, g.prompt[0], PROMPT, UINT32_MAX, NULL, &e), 0);
    session_fork(s, 0, 2, PROMPT);
    for (int t = 0; t < 100; t++) assert_int_equal(session_step(s, streams, token, 3, &e), 0);
    session_rewind(s, 0, 70);
    session_rewind(s, 1, 0);
    assert_int_equal(session_step(s, streams, token, 1, &e), 0);
    assert_int_equal(session_set_lora(s, NULL, &e), 0);
    assert_int_equal(session_sync(s, 3, g.prompt[0], PROMPT, 80, NULL, &e), 0);
    assert_int_equal(fault_disarm(), 0);
    session_free(s);
    rig_free(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_that_runs_out_is_an_error),
        cmocka_unit_test(tokens_allocate_nothing),
        cmocka_unit_test(a_session_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
