/* What the tests of libterse share: a small model with two adapters, opened through terse.h alone. */
#ifndef TERSE_TESTS_TERSE_RIG_H
#define TERSE_TESTS_TERSE_RIG_H

#include "infer/terse.h"
#include "tests/support/small_gguf.h"

/* `adapter` acts from the last assistant's header on, `other` everywhere. e is of the last call that failed.
 */
struct terse_rig {
    struct small_gguf files;
    struct terse_model *model; /* 2 threads */
    struct terse_adapter *adapter, *other;
    struct terse_error e;
};
extern struct terse_rig rig;

/* Group setup and teardown of cmocka: the scratch folder too. */
int terse_rig_setup(void **state);
int terse_rig_teardown(void **state);

/* The call succeeds; it fills rig.e otherwise. */
#define OK(call)                                                                                             \
    do {                                                                                                     \
        if (call) fail_msg("%s: %s [%s]", #call, rig.e.message, rig.e.kind);                                 \
    } while (0)
/* The call fails with this kind, and a sentence that ends without one. */
#define FAILS(name, call) rig_failed(name, #call, call)
void rig_failed(const char *kind, const char *call, int result);

extern const struct terse_message rig_said;
extern const struct terse_sampling rig_warm;

/* 400 tokens a stream; close with terse_session_free. */
struct terse_session *rig_session(uint32_t streams, struct terse_adapter *a);
/* rig_said, sampled by rig_warm, with log-probabilities. */
struct terse_question rig_question(uint32_t answers, uint32_t max_tokens);
/* Free with terse_answers_free. */
struct terse_answers *rig_ask(struct terse_session *s, const struct terse_question *q);
/* Answer i of a is answer k of b, to the bit. */
void rig_same_answer(const struct terse_answers *a, uint32_t i, const struct terse_answers *b, uint32_t k);

#endif
