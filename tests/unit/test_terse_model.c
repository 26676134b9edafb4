/* libterse as an app uses it, through terse.h alone: models, adapters, text and tokens. */
#include "infer/file_open.h"
#include "tests/support/scratch.h"
#include "tests/support/terse_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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
    terse_model_get_info(rig.model, &i);
    assert_int_equal(i.vocab, 1024);
    assert_int_equal(i.context, 512);
    assert_int_equal(i.threads, 2);
    assert_true(strlen(i.cpu) > 2);
    terse_model_get_info(rig.model, &part); /* an older program's struct: no more than it has */
    assert_int_equal(part.parameters, i.parameters);
    assert_int_equal(part.context, 0);
    OK(terse_model_plan(&bytes, rig.files.model, &o, &rig.e));
    OK(terse_model_open(&m, rig.files.model, &o, &rig.e));
    uint64_t bf16 = i.bytes;
    terse_model_get_info(m, &i);
    assert_int_equal(i.context, 100);
    assert_true(i.bytes < bf16);
    assert_true(bytes <= i.bytes && i.bytes - bytes < 4096);
    terse_model_close(m);
    o.memory_limit = bytes - 1;
    FAILS("PREFLIGHT_MEM", terse_model_open(&m, rig.files.model, &o, &rig.e));
    assert_null(m);
}

static void what_is_no_model(void **state)
{
    (void)state;
    struct terse_model *m = rig.model;
    struct terse_adapter *a = rig.adapter;
    struct {
        struct terse_model_options o;
        uint64_t new_in_version_9;
    } newer = {.o.size = sizeof newer};
    struct terse_model_options o = {.size = 3};
    FAILS("FILE_MISSING", terse_model_open(&m, scratch("none.gguf"), NULL, &rig.e));
    assert_null(m);
    FAILS("NOT_REGULAR", terse_model_open(&m, scratch("base"), NULL, &rig.e));
    assert_non_null(strstr(rig.e.message, "terse export --gguf"));
    FAILS("GG_MAGIC", terse_model_open(&m, scratch("base/config.json"), NULL, &rig.e));
    FAILS("USAGE", terse_model_open(&m, NULL, NULL, &rig.e));
    FAILS("USAGE", terse_model_open(&m, rig.files.model, &o, &rig.e));
    o = (struct terse_model_options){.size = sizeof o, .dtype = 6};
    FAILS("FIELD_RANGE", terse_model_open(&m, rig.files.model, &o, &rig.e));
    newer.new_in_version_9 = 1;
    FAILS("VERSION", terse_model_open(&m, rig.files.model, &newer.o, &rig.e));
    newer.new_in_version_9 = 0;
    OK(terse_model_open(&m, rig.files.model, &newer.o, &rig.e));
    FAILS("AD_TYPE", terse_adapter_load(&a, m, rig.files.model, &rig.e));
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
    struct terse_session *s, *t = rig_session(1, NULL);
    struct terse_question q = rig_question(1, 12);
    struct err why = {0};
    char *file;
    size_t n;
    assert_int_equal(file_load(rig.files.model, 1 << 24, &file, &n, &why), 0);
    FAILS("DATA_PAST_EOF", terse_model_open_memory(&m, file, n - 64, NULL, &rig.e));
    OK(terse_model_open_memory(&m, file, n, NULL, &rig.e));
    free(file);
    OK(terse_session_create(&s, m, NULL, &rig.e));
    terse_model_close(m); /* the session keeps it */
    struct terse_answers *a = rig_ask(s, &q), *b = rig_ask(t, &q);
    rig_same_answer(a, 0, b, 0);
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
    OK(terse_tokenize(rig.model, text, SIZE_MAX, 0, ids, 100, &n, &rig.e));
    FAILS("NEED", terse_tokenize(rig.model, text, SIZE_MAX, 0, few, 2, &m, &rig.e));
    assert_int_equal(m, n);
    assert_int_equal(few[1], ids[1]);
    assert_int_equal(few[2], -1);
    OK(terse_detokenize(rig.model, ids, n, back, sizeof back, &bytes, &rig.e));
    assert_string_equal(back, text);
    FAILS("NEED", terse_detokenize(rig.model, ids, n, back, sizeof text - 1, &bytes, &rig.e));
    assert_int_equal(bytes, sizeof text - 1);
    OK(terse_tokenize(rig.model, text, SIZE_MAX, TERSE_CONTROL, ids, 100, &m, &rig.e));
    assert_true(m < n);
    OK(terse_detokenize(rig.model, ids, m, back, sizeof back, &bytes, &rig.e));
    assert_null(strstr(back, "im_end"));
    FAILS("UTF8", terse_tokenize(rig.model, "\xff", 1, 0, ids, 100, &n, &rig.e));
    OK(terse_tokenize(rig.model, "<|im_end|>", 10, TERSE_CONTROL, ids, 100, &n, &rig.e));
    assert_int_equal(terse_token_is_end(rig.model, ids[0]), 1);
    assert_int_equal(terse_token_is_end(rig.model, 5), 0);
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
    OK(terse_tokenize(rig.model, "\xf0\x9f\x98\x80!", 5, 0, ids, 32, &n, &rig.e));
    assert_true(n >= 3);
    OK(terse_text_create(&t, rig.model, &rig.e));
    for (size_t i = 0; i < n; i++) {
        strcat(all, terse_text_push(t, ids[i], &bytes));
        empty += bytes == 0;
        assert_true(terse_token_bytes(rig.model, ids[i], &len) != NULL && len > 0);
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
    OK(terse_chat_tokenize(rig.model, m, 3, NULL, ids, 200, &n, &rig.e));
    FAILS("NEED", terse_chat_tokenize(rig.model, m, 3, NULL, ids, 4, &need, &rig.e));
    assert_int_equal(need, n);
    OK(terse_detokenize(rig.model, ids, n, text, sizeof text, &bytes, &rig.e));
    assert_string_equal(text, "system\nBe brief.\nuser\nHi <|im_end|>\nassistant\nHello\nassistant\n");
    m[2].role = "wizard";
    FAILS("ROLE", terse_chat_tokenize(rig.model, m, 3, NULL, ids, 200, &n, &rig.e));
    m[2].role = "system";
    FAILS("ROLE_ORDER", terse_chat_tokenize(rig.model, m, 3, NULL, ids, 200, &n, &rig.e));
    FAILS("ROLE_ORDER", terse_chat_tokenize(rig.model, m, 0, NULL, ids, 200, &n, &rig.e));
    m[1].content = NULL;
    FAILS("USAGE", terse_chat_tokenize(rig.model, m, 2, NULL, ids, 200, &n, &rig.e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_says_what_it_is), cmocka_unit_test(what_is_no_model),
        cmocka_unit_test(a_model_in_memory),       cmocka_unit_test(text_becomes_tokens_and_comes_back),
        cmocka_unit_test(characters_are_whole),    cmocka_unit_test(conversations_are_checked),
    };
    return cmocka_run_group_tests(tests, terse_rig_setup, terse_rig_teardown);
}
