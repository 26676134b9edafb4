#include "tests/support/terse_rig.h"
#include "tests/support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

struct terse_rig rig;

void rig_failed(const char *kind, const char *call, int result)
{
    if (result >= 0 || result != rig.e.code || strcmp(rig.e.kind, kind) || strlen(rig.e.message) <= 10)
        fail_msg("%s: %d \"%s\" [%s], expected %s", call, result, rig.e.message, rig.e.kind, kind);
}

int terse_rig_setup(void **state)
{
    int r = scratch_setup(state);
    struct terse_model_options o = {.size = sizeof o, .threads = 2};
    small_gguf(&rig.files, scratch("."));
    OK(terse_model_open(&rig.model, rig.files.model, &o, &rig.e));
    OK(terse_adapter_load(&rig.adapter, rig.model, rig.files.adapter, &rig.e));
    OK(terse_adapter_load(&rig.other, rig.model, rig.files.other, &rig.e));
    return r;
}

int terse_rig_teardown(void **state)
{
    terse_model_close(rig.model);
    terse_adapter_free(rig.adapter);
    terse_adapter_free(rig.other);
    return scratch_teardown(state);
}

struct terse_session *rig_session(uint32_t streams, struct terse_adapter *a)
{
    struct terse_session_options o = {.size = sizeof o, .streams = streams, .max_tokens = 400};
    struct terse_session *s;
    OK(terse_session_create(&s, rig.model, &o, &rig.e));
    OK(terse_session_set_adapter(s, a, &rig.e));
    return s;
}

const struct terse_message rig_said = {"user", "Tom has 5 apples. How many?"};
const struct terse_sampling rig_warm = {
    .size = sizeof rig_warm, .temperature = 1.2, .top_p = 0.9, .repeat_penalty = 1.1, .seed = 7};

struct terse_question rig_question(uint32_t answers, uint32_t max_tokens)
{
    return (struct terse_question){
        .size = sizeof(struct terse_question),
        .messages = &rig_said,
        .n_messages = 1,
        .answers = answers,
        .max_tokens = max_tokens,
        .sampling = &rig_warm,
        .logprobs = 1,
    };
}

struct terse_answers *rig_ask(struct terse_session *s, const struct terse_question *q)
{
    struct terse_answers *a;
    OK(terse_ask(s, q, &a, &rig.e));
    return a;
}

void rig_same_answer(const struct terse_answers *a, uint32_t i, const struct terse_answers *b, uint32_t k)
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
