/* libterse from several threads: one model, a session each, the bits of one after the other. `MODE=tsan` runs
 * this under the thread sanitizer. */
#include "infer/terse.h"
#include "tests/support/scratch.h"
#include "tests/support/small_gguf.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { THREADS = 3, ROUNDS = 4 };

static struct small_gguf files;

static int setup(void **state)
{
    int r = scratch_setup(state);
    small_gguf(&files, scratch("."));
    return r;
}

/* What one thread does: questions in a session of its own, some with the adapter. Errors are told at the end:
 * cmocka fails in its own thread only. */
struct asker {
    struct terse_model *m;
    struct terse_adapter *a;
    int index;
    char text[ROUNDS][2][1500];
    float logprob[ROUNDS][2];
    struct terse_error e;
    int failed;
};

static int ask(struct asker *k, struct terse_session *s, int round)
{
    static const char *const said[ROUNDS] = {"Hi", "Tom has 5 apples.", "Caf\xc3\xa9 \xe2\x82\xac?", "Why?"};
    struct terse_message m = {"user", said[(round + k->index) % ROUNDS]};
    struct terse_sampling luck = {.size = sizeof luck, .temperature = 1, .top_k = 40, .seed = 3};
    struct terse_question q = {
        .size = sizeof q, .n_messages = 1, .answers = 2, .max_tokens = 30, .logprobs = 1};
    struct terse_answers *a;
    q.messages = &m, q.sampling = &luck;
    int r = terse_session_set_adapter(s, round % 2 ? k->a : NULL, &k->e);
    if (!r) r = terse_ask(s, &q, &a, &k->e);
    if (r) return r;
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t n;
        terse_answers_tokens(a, i, &n);
        strncpy(k->text[round][i], terse_answers_text(a, i, NULL), sizeof k->text[0][0] - 1);
        for (uint32_t t = 0; t < n; t++) k->logprob[round][i] += terse_answers_logprobs(a, i)[t];
    }
    terse_answers_free(a);
    return 0;
}

static void *asker_main(void *arg)
{
    struct asker *k = arg;
    struct terse_session_options o = {.size = sizeof o, .streams = 2, .max_tokens = 300};
    struct terse_session *s;
    k->failed = terse_session_create(&s, k->m, &o, &k->e);
    for (int i = 0; !k->failed && i < ROUNDS; i++) k->failed = ask(k, s, i);
    terse_session_free(s);
    return NULL;
}

static void beside_each_other(uint32_t model_threads)
{
    struct terse_model_options o = {.size = sizeof o, .threads = model_threads};
    struct terse_model *m;
    struct terse_adapter *a;
    struct terse_error e;
    struct asker *k = calloc(2 * THREADS, sizeof *k);
    pthread_t thread[THREADS];
    assert_int_equal(terse_model_open(&m, files.model, &o, &e), 0);
    assert_int_equal(terse_adapter_load(&a, m, files.adapter, &e), 0);
    for (int i = 0; i < 2 * THREADS; i++) k[i].m = m, k[i].a = a, k[i].index = i % THREADS;
    for (int i = 0; i < THREADS; i++) asker_main(&k[i]);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, asker_main, &k[THREADS + i]), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
    terse_adapter_free(a);
    for (int i = 0; i < THREADS; i++) {
        if (k[THREADS + i].failed) fail_msg("%s", k[THREADS + i].e.message);
        assert_true(strlen(k[i].text[0][0]) > 0);
        assert_memory_equal(k[i].text, k[THREADS + i].text, sizeof k[i].text);
        assert_memory_equal(k[i].logprob, k[THREADS + i].logprob, sizeof k[i].logprob);
    }
    terse_model_close(m);
    free(k);
}

static void taking_turns_at_the_threads(void **state)
{
    (void)state;
    beside_each_other(2);
}

static void each_on_its_own_thread(void **state)
{
    (void)state;
    beside_each_other(1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(taking_turns_at_the_threads),
        cmocka_unit_test(each_on_its_own_thread),
    };
    return cmocka_run_group_tests(tests, setup, scratch_teardown);
}
