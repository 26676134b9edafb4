/* libterse as an app uses it: through terse.h alone. */
#include "infer/file_open.h"
#include "infer/terse.h"
#include "tests/support/scratch.h"
#include "tests/support/small_gguf.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct small_gguf files;
static struct terse_model *model;
static struct terse_adapter *adapter, *other;
static struct terse_error e;

#define OK(call)                                                                                             \
    do {                                                                                                     \
        if (call) fail_msg("%s: %s [%s]", #call, e.message, e.kind);                                         \
    } while (0)

/* The call fails with this kind, and a sentence that ends without one. */
#define FAILS(name, call)                                                                                    \
    do {                                                                                                     \
        int r_ = call;                                                                                       \
        assert_true(r_ < 0);                                                                                 \
        assert_int_equal(r_, e.code);                                                                        \
        assert_string_equal(e.kind, name);                                                                   \
        assert_true(strlen(e.message) > 10);                                                                 \
    } while (0)

static int setup(void **state)
{
    int r = scratch_setup(state);
    struct terse_model_options o = {.size = sizeof o, .threads = 2};
    small_gguf(&files, scratch("."));
    OK(terse_model_open(&model, files.model, &o, &e));
    OK(terse_adapter_load(&adapter, model, files.adapter, &e));
    OK(terse_adapter_load(&other, model, files.other, &e));
    return r;
}

static int teardown(void **state)
{
    terse_model_close(model);
    terse_adapter_free(adapter);
    terse_adapter_free(other);
    return scratch_teardown(state);
}

static struct terse_session *session(uint32_t streams, struct terse_adapter *a)
{
    struct terse_session_options o = {.size = sizeof o, .streams = streams, .max_tokens = 400};
    struct terse_session *s;
    OK(terse_session_create(&s, model, &o, &e));
    OK(terse_session_set_adapter(s, a, &e));
    return s;
}

static const struct terse_message said = {"user", "Tom has 5 apples. How many?"};
static const struct terse_sampling warm = {
    .size = sizeof warm, .temperature = 1.2, .top_p = 0.9, .repeat_penalty = 1.1, .seed = 7};

static struct terse_question question(uint32_t answers, uint32_t max_tokens)
{
    return (struct terse_question){
        .size = sizeof(struct terse_question),
        .messages = &said,
        .n_messages = 1,
        .answers = answers,
        .max_tokens = max_tokens,
        .sampling = &warm,
        .logprobs = 1,
    };
}

static struct terse_answers *ask(struct terse_session *s, const struct terse_question *q)
{
    struct terse_answers *a;
    OK(terse_ask(s, q, &a, &e));
    return a;
}

static void same_answer(const struct terse_answers *a, uint32_t i, const struct terse_answers *b, uint32_t k)
{
    uint32_t n, m;
    const int32_t *x = terse_answers_tokens(a, i, &n), *y = terse_answers_tokens(b, k, &m);
    assert_int_equal(n, m);
    assert_true(n > 0);
    assert_memory_equal(x, y, n * sizeof *x);
    if (terse_answers_logprobs(a, i) && terse_answers_logprobs(b, k))
        assert_memory_equal(terse_answers_logprobs(a, i), terse_answers_logprobs(b, k), n * sizeof(float));
    assert_string_equal(terse_answers_text(a, i, NULL), terse_answers_text(b, k, NULL));
}

/* ---- models -------------------------------------------------------------------------------------------- */

static void a_model_says_what_it_is(void **state)
{
    (void)state;
    struct terse_model_info i = {.size = sizeof i}, part = {.size = 2 * sizeof(size_t)};
    struct terse_model_options o = {
        .size = sizeof o, .threads = 1, .context = 100, .dtype = TERSE_DTYPE_Q8_0};
    struct terse_model *m;
    uint64_t bytes = 0;
    assert_string_equal(terse_version(), TERSE_VERSION);
    terse_model_get_info(model, &i);
    assert_int_equal(i.vocab, 1024);
    assert_int_equal(i.context, 512);
    assert_int_equal(i.threads, 2);
    assert_true(strlen(i.cpu) > 2);
    terse_model_get_info(model, &part); /* an older program's struct: no more than it has */
    assert_int_equal(part.parameters, i.parameters);
    assert_int_equal(part.context, 0);
    OK(terse_model_plan(&bytes, files.model, &o, &e));
    OK(terse_model_open(&m, files.model, &o, &e));
    uint64_t bf16 = i.bytes;
    terse_model_get_info(m, &i);
    assert_int_equal(i.context, 100);
    assert_true(i.bytes < bf16);
    assert_true(bytes <= i.bytes && i.bytes - bytes < 4096);
    terse_model_close(m);
    o.memory_limit = bytes - 1;
    FAILS("PREFLIGHT_MEM", terse_model_open(&m, files.model, &o, &e));
    assert_null(m);
}

static void what_is_no_model(void **state)
{
    (void)state;
    struct terse_model *m = model;
    struct terse_adapter *a = adapter;
    struct {
        struct terse_model_options o;
        uint64_t new_in_version_9;
    } newer = {.o.size = sizeof newer};
    struct terse_model_options o = {.size = 3};
    FAILS("FILE_MISSING", terse_model_open(&m, scratch("none.gguf"), NULL, &e));
    assert_null(m);
    FAILS("NOT_REGULAR", terse_model_open(&m, scratch("base"), NULL, &e));
    assert_non_null(strstr(e.message, "terse export --gguf"));
    FAILS("GG_MAGIC", terse_model_open(&m, scratch("base/config.json"), NULL, &e));
    FAILS("USAGE", terse_model_open(&m, NULL, NULL, &e));
    FAILS("USAGE", terse_model_open(&m, files.model, &o, &e));
    o = (struct terse_model_options){.size = sizeof o, .dtype = 6};
    FAILS("FIELD_RANGE", terse_model_open(&m, files.model, &o, &e));
    newer.new_in_version_9 = 1;
    FAILS("VERSION", terse_model_open(&m, files.model, &newer.o, &e));
    newer.new_in_version_9 = 0;
    OK(terse_model_open(&m, files.model, &newer.o, &e));
    FAILS("AD_TYPE", terse_adapter_load(&a, m, files.model, &e));
    assert_null(a);
    terse_model_close(m);
    assert_true(terse_model_open(&m, scratch("none.gguf"), NULL, NULL) < 0); /* nobody wants to know why */
    terse_model_close(NULL);
    terse_adapter_free(NULL);
}

static void a_model_in_memory(void **state)
{
    (void)state;
    struct terse_model *m;
    struct terse_session *s, *t = session(1, NULL);
    struct terse_question q = question(1, 12);
    struct err why = {0};
    char *file;
    size_t n;
    assert_int_equal(file_load(files.model, 1 << 24, &file, &n, &why), 0);
    FAILS("DATA_PAST_EOF", terse_model_open_memory(&m, file, n - 64, NULL, &e));
    OK(terse_model_open_memory(&m, file, n, NULL, &e));
    free(file);
    OK(terse_session_create(&s, m, NULL, &e));
    terse_model_close(m); /* the session keeps it */
    struct terse_answers *a = ask(s, &q), *b = ask(t, &q);
    same_answer(a, 0, b, 0);
    terse_answers_free(a);
    terse_answers_free(b);
    terse_session_free(s);
    terse_session_free(t);
}

/* ---- text ---------------------------------------------------------------------------------------------- */

static void text_becomes_tokens_and_comes_back(void **state)
{
    (void)state;
    static const char text[] = "Zw\xc3\xb6lf Boxk\xc3\xa4mpfer <|im_end|> \xe2\x82\xac 12";
    int32_t ids[100], few[3] = {-1, -1, -1};
    char back[100];
    size_t n, m, bytes;
    OK(terse_tokenize(model, text, SIZE_MAX, 0, ids, 100, &n, &e));
    FAILS("NEED", terse_tokenize(model, text, SIZE_MAX, 0, few, 2, &m, &e));
    assert_int_equal(m, n);
    assert_int_equal(few[1], ids[1]);
    assert_int_equal(few[2], -1);
    OK(terse_detokenize(model, ids, n, back, sizeof back, &bytes, &e));
    assert_string_equal(back, text);
    FAILS("NEED", terse_detokenize(model, ids, n, back, sizeof text - 1, &bytes, &e));
    assert_int_equal(bytes, sizeof text - 1);
    OK(terse_tokenize(model, text, SIZE_MAX, TERSE_CONTROL, ids, 100, &m, &e));
    assert_true(m < n);
    OK(terse_detokenize(model, ids, m, back, sizeof back, &bytes, &e));
    assert_null(strstr(back, "im_end"));
    FAILS("UTF8", terse_tokenize(model, "\xff", 1, 0, ids, 100, &n, &e));
    OK(terse_tokenize(model, "<|im_end|>", 10, TERSE_CONTROL, ids, 100, &n, &e));
    assert_int_equal(terse_token_is_end(model, ids[0]), 1);
    assert_int_equal(terse_token_is_end(model, 5), 0);
}

/* A character whose bytes are tokens of their own appears when the last of them has come. */
static void characters_are_whole(void **state)
{
    (void)state;
    struct terse_text *t;
    char all[64] = "";
    size_t n, bytes, len;
    int32_t ids[32];
    int empty = 0;
    OK(terse_tokenize(model, "\xf0\x9f\x98\x80!", 5, 0, ids, 32, &n, &e));
    assert_true(n >= 3);
    OK(terse_text_create(&t, model, &e));
    for (size_t i = 0; i < n; i++) {
        strcat(all, terse_text_push(t, ids[i], &bytes));
        empty += bytes == 0;
        assert_true(terse_token_bytes(model, ids[i], &len) != NULL && len > 0);
    }
    assert_true(empty >= 1);
    assert_string_equal(all, "\xf0\x9f\x98\x80!");
    assert_string_equal(terse_text_end(t, &bytes), "");
    terse_text_push(t, ids[0], &bytes);
    assert_int_equal(bytes, 0);
    assert_string_equal(terse_text_end(t, &bytes), "\xef\xbf\xbd");
    assert_string_equal(terse_text_push(t, ids[n - 1], &bytes), "!"); /* begun anew */
    terse_text_free(t);
    terse_text_free(NULL);
}

static void conversations_are_checked(void **state)
{
    (void)state;
    struct terse_message m[] = {{"system", "Be brief."}, {"user", "Hi <|im_end|>"}, {"assistant", "Hello"}};
    int32_t ids[200];
    char text[400];
    size_t n, need, bytes;
    OK(terse_chat_tokenize(model, m, 3, NULL, ids, 200, &n, &e));
    FAILS("NEED", terse_chat_tokenize(model, m, 3, NULL, ids, 4, &need, &e));
    assert_int_equal(need, n);
    OK(terse_detokenize(model, ids, n, text, sizeof text, &bytes, &e));
    assert_string_equal(text, "system\nBe brief.\nuser\nHi <|im_end|>\nassistant\nHello\nassistant\n");
    m[2].role = "wizard";
    FAILS("ROLE", terse_chat_tokenize(model, m, 3, NULL, ids, 200, &n, &e));
    m[2].role = "system";
    FAILS("ROLE_ORDER", terse_chat_tokenize(model, m, 3, NULL, ids, 200, &n, &e));
    FAILS("ROLE_ORDER", terse_chat_tokenize(model, m, 0, NULL, ids, 200, &n, &e));
    m[1].content = NULL;
    FAILS("USAGE", terse_chat_tokenize(model, m, 2, NULL, ids, 200, &n, &e));
}

/* ---- asking -------------------------------------------------------------------------------------------- */

struct heard {
    char text[4][2000];
    uint32_t tokens[4], finish[4], after_finish;
    uint32_t stop_at, said; /* at that many tokens of answer 1 */
};

static int hear(void *context, const struct terse_piece *p)
{
    struct heard *h = context;
    assert_true(p->answer < 4);
    assert_int_equal(strlen(p->text), p->bytes);
    strcat(h->text[p->answer], p->text);
    h->after_finish += h->finish[p->answer] != TERSE_UNFINISHED;
    h->tokens[p->answer] += p->token >= 0;
    assert_int_equal(h->tokens[p->answer], p->tokens);
    assert_true(p->token < 0 || (p->logprob <= 0 && p->logprob > -50));
    h->finish[p->answer] = p->finish;
    return p->answer == 1 && p->tokens == h->stop_at ? (int)h->said : TERSE_GO_ON;
}

static void pieces_add_up(void **state)
{
    (void)state;
    struct terse_session *s = session(4, adapter);
    struct heard h = {.stop_at = 999};
    struct terse_question q = question(4, 40);
    q.think = 1, q.on_piece = hear, q.context = &h;
    struct terse_answers *a = ask(s, &q);
    assert_int_equal(terse_answers_count(a), 4);
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t n;
        size_t bytes;
        assert_string_equal(h.text[i], terse_answers_text(a, i, &bytes));
        assert_int_equal(strlen(h.text[i]), bytes);
        assert_int_equal(strncmp(h.text[i], "<think>\n", 8), 0);
        assert_int_equal(terse_answers_reply(a, i), bytes); /* the thinking never ends */
        terse_answers_tokens(a, i, &n);
        assert_int_equal(n, h.tokens[i]);
        assert_int_equal(h.finish[i], terse_answers_finish(a, i));
        assert_true(n == 40 ? h.finish[i] == TERSE_LENGTH : h.finish[i] == TERSE_END);
    }
    assert_int_equal(h.after_finish, 0);
    assert_string_not_equal(h.text[0], h.text[1]);
    terse_answers_free(a);
    terse_session_free(s);
}

/* Wherever an answer is cut, the last piece brings what a cut character leaves. */
static void cut_characters_are_told(void **state)
{
    (void)state;
    struct terse_session *s = session(4, NULL);
    struct terse_question q = question(4, 1);
    int cut = 0;
    for (; q.max_tokens < 25; q.max_tokens++) {
        struct heard h = {.stop_at = 999};
        q.on_piece = hear, q.context = &h;
        struct terse_answers *a = ask(s, &q);
        for (uint32_t i = 0; i < 4; i++) {
            size_t n = strlen(h.text[i]);
            assert_string_equal(h.text[i], terse_answers_text(a, i, NULL));
            cut += n >= 3 && !strcmp(h.text[i] + n - 3, "\xef\xbf\xbd");
        }
        terse_answers_free(a);
    }
    assert_true(cut > 0);
    terse_session_free(s);
}

static void who_stops_whom(void **state)
{
    (void)state;
    struct terse_session *s = session(4, NULL);
    struct terse_question q = question(4, 20);
    struct terse_answers *whole = ask(s, &q);
    for (uint32_t said_ = TERSE_STOP_ALL; said_ <= TERSE_STOP_THIS; said_++) {
        struct heard h = {.stop_at = 5, .said = said_};
        uint32_t n, before;
        q.on_piece = hear, q.context = &h;
        struct terse_answers *a = ask(s, &q);
        terse_answers_tokens(a, 1, &n);
        assert_int_equal(n, 5);
        assert_int_equal(terse_answers_finish(a, 1), TERSE_CANCELLED);
        terse_answers_tokens(a, 0, &n), terse_answers_tokens(whole, 0, &before);
        assert_true(before > 5);
        if (said_ == TERSE_STOP_THIS)
            same_answer(a, 0, whole, 0);
        else
            assert_int_equal(n, 5);
        terse_answers_free(a);
    }
    terse_answers_free(whole);
    q.on_piece = NULL;
    OK(terse_ask(s, &q, NULL, &e)); /* nobody wants the answers */
    terse_session_free(s);
}

/* The same by hand, token by token: the gate is found, streams fork, and every bit agrees. */
static void streams_do_what_ask_does(void **state)
{
    (void)state;
    enum { N = 3, LENGTH = 25 };
    struct terse_session *s = session(N, adapter), *t = session(N, adapter);
    struct terse_question q = question(N, LENGTH);
    struct terse_answers *a = ask(s, &q);
    uint32_t stream[N] = {0, 1, 2}, n, held;
    int32_t ids[300], token[N];
    size_t prompt;
    OK(terse_chat_tokenize(model, &said, 1, NULL, ids, 300, &prompt, &e));
    OK(terse_stream_sync(t, 0, ids, (uint32_t)prompt, TERSE_GATE, &e));
    for (uint32_t i = 0; i < N; i++) {
        if (i) OK(terse_stream_fork(t, 0, i, UINT32_MAX, &e));
        OK(terse_stream_set_sampling(t, i, &warm, i, &e));
    }
    for (uint32_t k = 0; k < LENGTH; k++) {
        for (uint32_t i = 0; i < N; i++) {
            float logprob;
            const int32_t *want = terse_answers_tokens(a, i, &n);
            OK(terse_stream_sample(t, i, &token[i], &logprob, &e));
            assert_true(terse_stream_logprob(t, i, token[i]) == logprob);
            if (k >= n) continue;
            assert_int_equal(token[i], want[k]);
            assert_true(logprob == terse_answers_logprobs(a, i)[k]);
        }
        OK(terse_session_step(t, stream, token, N, &e));
    }
    assert_memory_equal(terse_stream_tokens(t, 1, &held), ids, prompt * sizeof *ids);
    assert_int_equal(held, prompt + LENGTH);
    terse_answers_free(a);
    terse_session_free(s);
    terse_session_free(t);
}

static uint64_t encoded(const struct terse_session *s)
{
    struct terse_stats stats = {.size = sizeof stats};
    terse_session_get_stats(s, &stats);
    return stats.encoded_tokens;
}

/* Switching costs what the adapter acts on: the header. */
static void adapters_switch(void **state)
{
    (void)state;
    char text[600];
    struct terse_message m = {"user", memset(text, 'a', sizeof text)};
    struct terse_session *s = session(1, NULL);
    struct terse_question q = question(1, 10);
    text[200] = 0;
    q.messages = &m;
    struct terse_answers *base = ask(s, &q);
    uint64_t all = encoded(s), before = all;
    OK(terse_session_set_adapter(s, adapter, &e));
    struct terse_answers *with = ask(s, &q);
    assert_true(encoded(s) - before < 20 && all > 60);
    assert_string_not_equal(terse_answers_text(base, 0, NULL), terse_answers_text(with, 0, NULL));
    q.base_only = 1;
    struct terse_answers *again = ask(s, &q);
    same_answer(base, 0, again, 0);
    terse_answers_free(again);
    q.base_only = 0;
    OK(terse_session_set_adapter(s, other, &e)); /* acts everywhere: nothing can be kept */
    before = encoded(s);
    terse_answers_free(ask(s, &q));
    assert_int_equal(encoded(s) - before, all);
    OK(terse_session_set_adapter(s, adapter, &e));
    again = ask(s, &q);
    same_answer(with, 0, again, 0);
    OK(terse_session_set_adapter(s, NULL, &e));
    terse_answers_free(again);
    again = ask(s, &q);
    same_answer(base, 0, again, 0);
    terse_answers_free(again), terse_answers_free(base), terse_answers_free(with);
    terse_session_free(s);
}

/* Many questions on few streams are the same questions, one by one. */
static void questions_share_the_streams(void **state)
{
    (void)state;
    struct terse_message m[3] = {{"user", "Hi"}, {"user", "What is 2 plus 3?"}, {"user", "Why?"}};
    struct terse_question q[3];
    struct terse_answers *a[3], *b;
    struct terse_session *s = session(3, adapter), *t = session(1, adapter);
    for (int i = 0; i < 3; i++) {
        q[i] = question((uint32_t)i + 1, 10 + 5 * (uint32_t)i);
        q[i].messages = &m[i], q[i].base_only = i == 1;
    }
    OK(terse_ask_many(s, q, 3, a, &e));
    for (int i = 0; i < 3; i++) {
        b = ask(t, &q[i]);
        for (uint32_t k = 0; k <= (uint32_t)i; k++) same_answer(a[i], k, b, k);
        terse_answers_free(b);
        terse_answers_free(a[i]);
    }
    q[2].n_messages = 0;
    FAILS("ROLE_ORDER", terse_ask_many(s, q, 3, a, &e));
    assert_true(!a[0] && !a[1] && !a[2]);
    OK(terse_ask_many(s, NULL, 0, NULL, &e));
    terse_session_free(s);
    terse_session_free(t);
}

static void what_cannot_be_asked(void **state)
{
    (void)state;
    char text[3000];
    struct terse_message m = {"user", memset(text, 'x', sizeof text)};
    struct terse_session *s = session(2, NULL);
    struct terse_answers *a;
    struct terse_question q = question(1, 4);
    struct terse_sampling hot = {.size = sizeof hot, .temperature = -1};
    int32_t ids[2] = {5, 1024};
    text[sizeof text - 1] = 0;
    q.messages = &m;
    FAILS("CTX_FULL", terse_ask(s, &q, &a, &e));
    assert_null(a);
    FAILS("USAGE", terse_ask(s, NULL, &a, &e));
    q.ids = ids, q.n_ids = 2;
    FAILS("USAGE", terse_ask(s, &q, &a, &e)); /* messages too */
    q.messages = NULL;
    FAILS("TOKEN_RANGE", terse_ask(s, &q, &a, &e));
    q.n_ids = 0;
    FAILS("ROW_EMPTY", terse_ask(s, &q, &a, &e));
    q.n_ids = 1, q.sampling = &hot;
    FAILS("FIELD_RANGE", terse_ask(s, &q, &a, &e));
    hot.temperature = 1, hot.reserved = 1;
    FAILS("VERSION", terse_ask(s, &q, &a, &e));
    q.sampling = NULL;
    OK(terse_ask(s, &q, &a, &e));
    terse_answers_free(a);
    terse_answers_free(NULL);
    terse_session_free(s);
}

static void what_streams_refuse(void **state)
{
    (void)state;
    struct terse_session *s = session(2, NULL);
    int32_t ids[3] = {5, 6, 7}, token = 1;
    uint32_t twice[2] = {1, 1}, none[1] = {2}, n;
    FAILS("FIELD_RANGE", terse_stream_sync(s, 2, ids, 3, TERSE_GATE, &e));
    FAILS("ROW_EMPTY", terse_stream_sync(s, 0, ids, 0, TERSE_GATE, &e));
    FAILS("USAGE", terse_stream_sample(s, 0, &token, NULL, &e));
    OK(terse_stream_sync(s, 0, ids, 3, TERSE_NEVER, &e));
    OK(terse_stream_rewind(s, 0, 2, &e));
    assert_null(terse_stream_logits(s, 0));
    assert_true(isnan(terse_stream_logprob(s, 0, 3)));
    assert_null(terse_stream_tokens(s, 2, &n));
    FAILS("FIELD_RANGE", terse_session_step(s, twice, ids, 2, &e));
    FAILS("FIELD_RANGE", terse_session_step(s, none, ids, 1, &e));
    ids[0] = -1;
    FAILS("TOKEN_RANGE", terse_session_step(s, twice, ids, 1, &e));
    FAILS("FIELD_RANGE", terse_stream_fork(s, 0, 2, 1, &e));
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
    OK(terse_session_plan(&bytes, model, &o, &e));
    o.memory_limit = bytes - 1;
    FAILS("PREFLIGHT_MEM", terse_session_create(&s, model, &o, &e));
    assert_null(s);
    o.memory_limit = bytes;
    OK(terse_session_create(&s, model, &o, &e));
    terse_session_get_stats(s, &stats);
    assert_int_equal(stats.bytes, bytes);
    FAILS("AD_RANK", terse_session_set_adapter(s, adapter, &e)); /* 8 */
    o.kv = TERSE_KV_INT8, o.cache_bytes = TERSE_NO_CACHE;
    OK(terse_session_plan(&less, model, &o, &e));
    assert_true(less < bytes / 4);
    o.streams = TERSE_MAX_STREAMS + 1;
    FAILS("FIELD_RANGE", terse_session_plan(&less, model, &o, &e));
    terse_session_free(s);
}

static void pages_are_shared(void **state)
{
    (void)state;
    char text[300];
    struct terse_message m = {"user", memset(text, 'b', sizeof text)};
    struct terse_session *s = session(4, adapter);
    struct terse_stats stats = {.size = sizeof stats};
    struct terse_question q = question(4, 8);
    text[280] = 0;
    q.messages = &m;
    terse_answers_free(ask(s, &q));
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
    struct terse_question q = question(1, 5);
    size_t bytes;
    OK(terse_model_open(&m, files.model, NULL, &e));
    OK(terse_adapter_load(&a, m, files.adapter, &e));
    OK(terse_session_create(&s, m, NULL, &e));
    FAILS("BASE_HASH", terse_session_set_adapter(s, adapter, &e)); /* of another handle */
    OK(terse_session_set_adapter(s, a, &e));
    OK(terse_text_create(&t, m, &e));
    terse_model_close(m);
    terse_adapter_free(a);
    terse_answers_free(ask(s, &q));
    terse_session_free(s);
    terse_text_push(t, 5, &bytes);
    terse_text_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_says_what_it_is),
        cmocka_unit_test(what_is_no_model),
        cmocka_unit_test(a_model_in_memory),
        cmocka_unit_test(text_becomes_tokens_and_comes_back),
        cmocka_unit_test(characters_are_whole),
        cmocka_unit_test(conversations_are_checked),
        cmocka_unit_test(pieces_add_up),
        cmocka_unit_test(cut_characters_are_told),
        cmocka_unit_test(who_stops_whom),
        cmocka_unit_test(streams_do_what_ask_does),
        cmocka_unit_test(adapters_switch),
        cmocka_unit_test(questions_share_the_streams),
        cmocka_unit_test(what_cannot_be_asked),
        cmocka_unit_test(what_streams_refuse),
        cmocka_unit_test(sessions_are_planned),
        cmocka_unit_test(pages_are_shared),
        cmocka_unit_test(handles_close_in_any_order),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
