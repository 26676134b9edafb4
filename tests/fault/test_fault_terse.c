/* Memory runs out, or a file cannot be read, at any point of what an app does through terse.h: an error with
 * its kind, nothing leaks, and while an answer is made nothing is allocated. */
#include "infer/terse.h"
#include "tests/support/fault.h"
#include "tests/support/scratch.h"
#include "tests/support/small_gguf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct small_gguf files;

static int setup(void **state)
{
    int r = scratch_setup(state);
    small_gguf(&files, scratch("."));
    return r;
}

static int hear(void *context, const struct terse_piece *p)
{
    *(uint32_t *)context += p->token >= 0;
    return TERSE_GO_ON;
}

static int answer(struct terse_session *s, struct terse_error *e)
{
    struct terse_message said[] = {{"system", "Be brief."}, {"user", "Hi, how are you?"}};
    struct terse_question q = {
        .size = sizeof q, .n_messages = 2, .answers = 3, .max_tokens = 6, .logprobs = 1};
    struct terse_answers *a;
    uint32_t heard = 0;
    q.messages = said, q.think = 1, q.on_piece = hear, q.context = &heard;
    int r = terse_ask(s, &q, &a, e);
    if (!r) assert_true(heard > 3 && strlen(terse_answers_text(a, 2, NULL)) >= 8);
    if (r) assert_null(a);
    terse_answers_free(a);
    return r;
}

static int tokens(struct terse_model *m, struct terse_session *s, struct terse_error *e)
{
    struct terse_message said = {"user", "Hi \xe2\x82\xac"};
    struct terse_text *t;
    int32_t ids[300], token;
    char text[1000];
    size_t n, bytes;
    int r = terse_chat_tokenize(m, &said, 1, "Be brief.", ids, 300, &n, e);
    if (!r) r = terse_stream_sync(s, 0, ids, (uint32_t)n, TERSE_GATE, e);
    if (!r) r = terse_stream_sample(s, 0, &token, NULL, e);
    if (!r) r = terse_detokenize(m, ids, n, text, sizeof text, &bytes, e);
    if (!r) r = terse_text_create(&t, m, e);
    if (!r) terse_text_push(t, token, &bytes), terse_text_free(t);
    return r;
}

/* Everything, once. */
static int use(struct terse_error *e)
{
    struct terse_model_options mo = {.size = sizeof mo, .threads = 2, .context = 128};
    struct terse_session_options so = {.size = sizeof so, .streams = 2, .max_tokens = 100, .adapter_rank = 8};
    struct terse_model *m = NULL;
    struct terse_adapter *a = NULL;
    struct terse_session *s = NULL;
    uint64_t bytes;
    int r = terse_model_plan(&bytes, files.model, &mo, e);
    if (!r) r = terse_model_open(&m, files.model, &mo, e);
    if (!r) r = terse_adapter_load(&a, m, files.adapter, e);
    if (!r) r = terse_session_create(&s, m, &so, e);
    if (!r) r = terse_session_set_adapter(s, a, e);
    if (!r) r = answer(s, e);
    if (!r) r = tokens(m, s, e);
    terse_model_close(m);
    terse_adapter_free(a);
    terse_session_free(s);
    return r;
}

static void every(enum fault_kind kind, const char *name, long least)
{
    long n = 1;
    int open_files = fault_open_files();
    for (;; n++) {
        struct terse_error e = {0};
        fault_arm(kind, n);
        int r = use(&e);
        if (!fault_disarm()) {
            if (r) fail_msg("untouched, it fails: %s", e.message);
            break;
        }
        if (!r) fail_msg("fault %ld went unnoticed", n);
        assert_int_equal(r, e.code);
        assert_string_equal(e.kind, name);
        assert_true(strlen(e.message) > 5);
    }
    assert_true(n > least);
    assert_int_equal(fault_open_files(), open_files);
    assert_int_equal(fault_leaks(), 0);
}

static void memory_runs_out(void **state)
{
    (void)state;
    every(FAULT_ALLOC, "NOMEM", 40);
}

static void files_cannot_be_read(void **state)
{
    (void)state;
    every(FAULT_READ, "EIO", 2);
}

struct watch {
    uint32_t tokens;
    int allocated;
};

/* Armed from the first piece to the last. */
static int watch(void *context, const struct terse_piece *p)
{
    struct watch *w = context;
    w->tokens = p->tokens;
    if (p->tokens == 1) fault_arm(FAULT_ALLOC, 1);
    if (p->finish) w->allocated = fault_disarm();
    return TERSE_GO_ON;
}

static void tokens_allocate_nothing(void **state)
{
    (void)state;
    struct terse_message said = {"user", "Hi"};
    struct terse_sampling luck = {.size = sizeof luck, .temperature = 1, .top_p = 0.9};
    struct terse_question q = {.size = sizeof q, .n_messages = 1, .max_tokens = 90, .on_piece = watch};
    struct watch w = {.allocated = -1};
    struct terse_error e;
    struct terse_model *m;
    struct terse_session *s;
    q.messages = &said, q.sampling = &luck, q.context = &w;
    assert_int_equal(terse_model_open(&m, files.model, NULL, &e), 0);
    assert_int_equal(terse_session_create(&s, m, NULL, &e), 0);
    assert_int_equal(terse_ask(s, &q, NULL, &e), 0);
    assert_true(w.tokens > 20);
    assert_int_equal(w.allocated, 0);
    terse_session_free(s);
    terse_model_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_runs_out),
        cmocka_unit_test(files_cannot_be_read),
        cmocka_unit_test(tokens_allocate_nothing),
    };
    return cmocka_run_group_tests(tests, setup, scratch_teardown);
}
