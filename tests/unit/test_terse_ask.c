/* libterse as an app uses it, through terse.h alone: questions and the pieces of their answers. */
#include "tests/support/terse_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

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
    struct terse_session *s = rig_session(4, rig.adapter);
    struct heard h = {.stop_at = 999};
    struct terse_question q = rig_question(4, 40);
    q.think = 1, q.on_piece = hear, q.context = &h;
    struct terse_answers *a = rig_ask(s, &q);
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
    struct terse_session *s = rig_session(4, NULL);
    struct terse_question q = rig_question(4, 1);
    int cut = 0;
    for (; q.max_tokens < 25; q.max_tokens++) {
        struct heard h = {.stop_at = 999};
        q.on_piece = hear, q.context = &h;
        struct terse_answers *a = rig_ask(s, &q);
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
    struct terse_session *s = rig_session(4, NULL);
    struct terse_question q = rig_question(4, 20);
    struct terse_answers *whole = rig_ask(s, &q);
    for (uint32_t said_ = TERSE_STOP_ALL; said_ <= TERSE_STOP_THIS; said_++) {
        struct heard h = {.stop_at = 5, .said = said_};
        uint32_t n, before;
        q.on_piece = hear, q.context = &h;
        struct terse_answers *a = rig_ask(s, &q);
        terse_answers_tokens(a, 1, &n);
        assert_int_equal(n, 5);
        assert_int_equal(terse_answers_finish(a, 1), TERSE_CANCELLED);
        terse_answers_tokens(a, 0, &n), terse_answers_tokens(whole, 0, &before);
        assert_true(before > 5);
        if (said_ == TERSE_STOP_THIS)
            rig_same_answer(a, 0, whole, 0);
        else
            assert_int_equal(n, 5);
        terse_answers_free(a);
    }
    terse_answers_free(whole);
    q.on_piece = NULL;
    OK(terse_ask(s, &q, NULL, &rig.e)); /* nobody wants the answers */
    terse_session_free(s);
}

/* Many questions on few streams are the same questions, one by one. */
static void questions_share_the_streams(void **state)
{
    (void)state;
    struct terse_message m[3] = {{"user", "Hi"}, {"user", "What is 2 plus 3?"}, {"user", "Why?"}};
    struct terse_question q[3];
    struct terse_answers *a[3], *b;
    struct terse_session *s = rig_session(3, rig.adapter), *t = rig_session(1, rig.adapter);
    for (int i = 0; i < 3; i++) {
        q[i] = rig_question((uint32_t)i + 1, 10 + 5 * (uint32_t)i);
        q[i].messages = &m[i], q[i].mode = i == 1 ? TERSE_CHAT : TERSE_AUTO;
    }
    OK(terse_ask_many(s, q, 3, a, &rig.e));
    for (int i = 0; i < 3; i++) {
        b = rig_ask(t, &q[i]);
        for (uint32_t k = 0; k <= (uint32_t)i; k++) rig_same_answer(a[i], k, b, k);
        terse_answers_free(b);
        terse_answers_free(a[i]);
    }
    q[2].n_messages = 0;
    FAILS("ROLE_ORDER", terse_ask_many(s, q, 3, a, &rig.e));
    assert_true(!a[0] && !a[1] && !a[2]);
    OK(terse_ask_many(s, NULL, 0, NULL, &rig.e));
    terse_session_free(s);
    terse_session_free(t);
}

static int stop_at_once(void *context, const struct terse_piece *p)
{
    ++*(int *)context;
    assert_int_equal(p->token, -1);
    return TERSE_STOP_ALL;
}

/* Nobody is told anything after that, of no question. */
static void all_stop_before_the_first_token(void **state)
{
    (void)state;
    struct terse_session *s = rig_session(2, NULL);
    struct terse_question q[2] = {rig_question(2, 9), rig_question(1, 9)};
    struct terse_answers *a[2];
    int told = 0;
    for (int i = 0; i < 2; i++) q[i].think = 1, q[i].on_piece = stop_at_once, q[i].context = &told;
    OK(terse_ask_many(s, q, 2, a, &rig.e));
    assert_int_equal(told, 1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(terse_answers_finish(a[i], 0), TERSE_CANCELLED);
        assert_string_equal(terse_answers_text(a[i], 0, NULL), "<think>\n");
        terse_answers_free(a[i]);
    }
    terse_session_free(s);
}

static void what_cannot_be_asked(void **state)
{
    (void)state;
    char text[3000];
    struct terse_message m = {"user", memset(text, 'x', sizeof text)};
    struct terse_session *s = rig_session(2, NULL);
    struct terse_answers *a;
    struct terse_question q = rig_question(1, 4);
    struct terse_sampling hot = {.size = sizeof hot, .temperature = -1};
    int32_t ids[2] = {5, 1024};
    text[sizeof text - 1] = 0;
    q.messages = &m;
    FAILS("CTX_FULL", terse_ask(s, &q, &a, &rig.e));
    assert_null(a);
    FAILS("USAGE", terse_ask(s, NULL, &a, &rig.e));
    q.ids = ids, q.n_ids = 2;
    FAILS("USAGE", terse_ask(s, &q, &a, &rig.e)); /* messages too */
    q.messages = NULL;
    FAILS("TOKEN_RANGE", terse_ask(s, &q, &a, &rig.e));
    q.n_ids = 0;
    FAILS("ROW_EMPTY", terse_ask(s, &q, &a, &rig.e));
    q.n_ids = 1, q.sampling = &hot;
    FAILS("FIELD_RANGE", terse_ask(s, &q, &a, &rig.e));
    hot.temperature = 1, hot.reserved = 1;
    FAILS("VERSION", terse_ask(s, &q, &a, &rig.e));
    q.sampling = NULL;
    OK(terse_ask(s, &q, &a, &rig.e));
    terse_answers_free(a);
    terse_answers_free(NULL);
    terse_session_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_add_up),
        cmocka_unit_test(cut_characters_are_told),
        cmocka_unit_test(who_stops_whom),
        cmocka_unit_test(questions_share_the_streams),
        cmocka_unit_test(all_stop_before_the_first_token),
        cmocka_unit_test(what_cannot_be_asked),
    };
    return cmocka_run_group_tests(tests, terse_rig_setup, terse_rig_teardown);
}
