/* libterse as an app uses it, through terse.h alone: sessions, their streams, and who owns what. */
#include "tests/support/terse_rig.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static uint64_t encoded(const struct terse_session *s)
{
    struct terse_stats stats = {.size = sizeof stats};
    terse_session_get_stats(s, &stats);
    return stats.encoded_tokens;
}

/* The same by hand, token by token: the gate is found, streams fork, and every bit agrees. */
static void streams_do_what_ask_does(void **state)
{
    (void)state;
    enum { N = 3, LENGTH = 25 };
    struct terse_session *s = rig_session(N, rig.adapter), *t = rig_session(N, rig.adapter);
    struct terse_question q = rig_question(N, LENGTH);
    struct terse_answers *a = rig_ask(s, &q);
    uint32_t stream[N] = {0, 1, 2}, n, held;
    int32_t ids[300], token[N];
    size_t prompt;
    OK(terse_chat_tokenize(rig.model, &rig_said, 1, NULL, ids, 300, &prompt, &rig.e));
    OK(terse_stream_sync(t, 0, ids, (uint32_t)prompt, TERSE_GATE, &rig.e));
    for (uint32_t i = 0; i < N; i++) {
        if (i) OK(terse_stream_fork(t, 0, i, UINT32_MAX, &rig.e));
        OK(terse_stream_set_sampling(t, i, &rig_warm, i, &rig.e));
    }
    for (uint32_t k = 0; k < LENGTH; k++) {
        for (uint32_t i = 0; i < N; i++) {
            float logprob;
            const int32_t *want = terse_answers_tokens(a, i, &n);
            OK(terse_stream_sample(t, i, &token[i], &logprob, &rig.e));
            assert_true(terse_stream_logprob(t, i, token[i]) == logprob);
            if (k >= n) continue;
            assert_int_equal(token[i], want[k]);
            assert_true(logprob == terse_answers_logprobs(a, i)[k]);
        }
        OK(terse_session_step(t, stream, token, N, &rig.e));
    }
    assert_memory_equal(terse_stream_tokens(t, 1, &held), ids, prompt * sizeof *ids);
    assert_int_equal(held, prompt + LENGTH);
    terse_answers_free(a);
    terse_session_free(s);
    terse_session_free(t);
}

/* Switching costs what the adapter acts on: the header. */
static void adapters_switch(void **state)
{
    (void)state;
    char text[600];
    struct terse_message m = {"user", memset(text, 'a', sizeof text)};
    struct terse_session *s = rig_session(1, NULL);
    struct terse_question q = rig_question(1, 10);
    text[200] = 0;
    q.messages = &m;
    struct terse_answers *base = rig_ask(s, &q);
    uint64_t all = encoded(s), before = all;
    OK(terse_session_set_adapter(s, rig.adapter, &rig.e));
    struct terse_answers *with = rig_ask(s, &q);
    assert_true(encoded(s) - before < 20 && all > 60);
    assert_string_not_equal(terse_answers_text(base, 0, NULL), terse_answers_text(with, 0, NULL));
    q.mode = TERSE_CHAT;
    struct terse_answers *again = rig_ask(s, &q);
    rig_same_answer(base, 0, again, 0);
    terse_answers_free(again);
    q.mode = TERSE_REASON;
    OK(terse_session_set_adapter(s, rig.other, &rig.e)); /* acts everywhere: nothing can be kept */
    before = encoded(s);
    terse_answers_free(rig_ask(s, &q));
    assert_int_equal(encoded(s) - before, all);
    OK(terse_session_set_adapter(s, rig.adapter, &rig.e));
    again = rig_ask(s, &q);
    rig_same_answer(with, 0, again, 0);
    OK(terse_session_set_adapter(s, NULL, &rig.e));
    terse_answers_free(again);
    again = rig_ask(s, &q);
    rig_same_answer(base, 0, again, 0);
    terse_answers_free(again), terse_answers_free(base), terse_answers_free(with);
    terse_session_free(s);
}

static void what_streams_refuse(void **state)
{
    (void)state;
    struct terse_session *s = rig_session(2, NULL);
    int32_t ids[3] = {5, 6, 7}, token = 1;
    uint32_t twice[2] = {1, 1}, none[1] = {2}, n;
    FAILS("FIELD_RANGE", terse_stream_sync(s, 2, ids, 3, TERSE_GATE, &rig.e));
    FAILS("ROW_EMPTY", terse_stream_sync(s, 0, ids, 0, TERSE_GATE, &rig.e));
    FAILS("USAGE", terse_stream_sample(s, 0, &token, NULL, &rig.e));
    OK(terse_stream_sync(s, 0, ids, 3, TERSE_NEVER, &rig.e));
    OK(terse_stream_rewind(s, 0, 2, &rig.e));
    assert_null(terse_stream_logits(s, 0));
    assert_true(isnan(terse_stream_logprob(s, 0, 3)));
    assert_null(terse_stream_tokens(s, 2, &n));
    FAILS("FIELD_RANGE", terse_session_step(s, twice, ids, 2, &rig.e));
    FAILS("FIELD_RANGE", terse_session_step(s, none, ids, 1, &rig.e));
    ids[0] = -1;
    FAILS("TOKEN_RANGE", terse_session_step(s, twice, ids, 1, &rig.e));
    FAILS("FIELD_RANGE", terse_stream_fork(s, 0, 2, 1, &rig.e));
    terse_session_free(s);
    terse_session_free(NULL);
}

static void sessions_are_planned(void **state)
{
    (void)state;
    struct terse_session_options o = {.size = sizeof o, .streams = 2, .max_tokens = 128, .adapter_rank = 4};
    struct terse_stats stats = {.size = sizeof stats};
    struct terse_session *s;
    uint64_t bytes, less;
    OK(terse_session_plan(&bytes, rig.model, &o, &rig.e));
    o.memory_limit = bytes - 1;
    FAILS("PREFLIGHT_MEM", terse_session_create(&s, rig.model, &o, &rig.e));
    assert_null(s);
    o.memory_limit = bytes;
    OK(terse_session_create(&s, rig.model, &o, &rig.e));
    terse_session_get_stats(s, &stats);
    assert_int_equal(stats.bytes, bytes);
    FAILS("AD_RANK", terse_session_set_adapter(s, rig.adapter, &rig.e)); /* 8 */
    o.kv = TERSE_KV_INT8, o.cache_bytes = TERSE_NO_CACHE;
    OK(terse_session_plan(&less, rig.model, &o, &rig.e));
    assert_true(less < bytes / 4);
    o.streams = TERSE_MAX_STREAMS + 1;
    FAILS("FIELD_RANGE", terse_session_plan(&less, rig.model, &o, &rig.e));
    terse_session_free(s);
}

static void pages_are_shared(void **state)
{
    (void)state;
    char text[300];
    struct terse_message m = {"user", memset(text, 'b', sizeof text)};
    struct terse_session *s = rig_session(4, rig.adapter);
    struct terse_stats stats = {.size = sizeof stats};
    struct terse_question q = rig_question(4, 8);
    text[280] = 0;
    q.messages = &m;
    terse_answers_free(rig_ask(s, &q));
    terse_session_get_stats(s, &stats);
    assert_int_equal(stats.encoded_tokens, stats.prompt_tokens);
    assert_int_equal(stats.pages_shared, 3 * (stats.prompt_tokens / stats.page_tokens));
    assert_true(stats.pages_shared >= 3 && stats.answer_tokens > 8);
    assert_true(stats.prefill_seconds > 0 && stats.decode_seconds > 0 && stats.first_token_seconds > 0);
    terse_session_free(s);
}

/* Whoever is closed first. */
static void handles_close_in_any_order(void **state)
{
    (void)state;
    struct terse_model *m;
    struct terse_adapter *a;
    struct terse_session *s;
    struct terse_text *t;
    struct terse_question q = rig_question(1, 5);
    size_t bytes;
    OK(terse_model_open(&m, rig.files.model, NULL, &rig.e));
    OK(terse_adapter_load(&a, m, rig.files.adapter, &rig.e));
    OK(terse_session_create(&s, m, NULL, &rig.e));
    FAILS("BASE_HASH", terse_session_set_adapter(s, rig.adapter, &rig.e)); /* of another handle */
    OK(terse_session_set_adapter(s, a, &rig.e));
    OK(terse_text_create(&t, m, &rig.e));
    terse_model_close(m);
    terse_adapter_free(a);
    terse_answers_free(rig_ask(s, &q));
    terse_session_free(s);
    terse_text_push(t, 5, &bytes);
    terse_text_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_do_what_ask_does), cmocka_unit_test(adapters_switch),
        cmocka_unit_test(what_streams_refuse),      cmocka_unit_test(sessions_are_planned),
        cmocka_unit_test(pages_are_shared),         cmocka_unit_test(handles_close_in_any_order),
    };
    return cmocka_run_group_tests(tests, terse_rig_setup, terse_rig_teardown);
}
