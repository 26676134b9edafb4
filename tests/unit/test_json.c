/* The JSON reader and writer: one row a hostile case, and round trips. */
#include "checkpoints/json.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static int parse(struct js **v, const char *text, size_t n, const struct js_limits *lim, struct err *e)
{
    memset(e, 0, sizeof *e);
    char *exact = malloc(n + !n); /* so that the sanitizer sees one byte too many */
    memcpy(exact, text, n);
    int rc = js_parse(v, "case", exact, n, lim, e);
    free(exact);
    assert_int_equal(rc, e->code);
    assert_true((rc == 0) == (*v != NULL));
    return rc;
}

#define T(text) text, sizeof text - 1
static const struct {
    const char *text;
    size_t n;
    int code;
    const char *names; /* what the message must contain */
} bad[] = {
    {T(""), ERR_JSON_TRUNC, "0 bytes"},
    {T("{"), ERR_JSON_TRUNC, "1 bytes"},
    {T("{\"a\":tr"), ERR_JSON_TRUNC, "line 1"},
    {T("[1"), ERR_JSON_TRUNC, ""},
    {T("[-"), ERR_JSON_TRUNC, ""},
    {T("[\"\\u12"), ERR_JSON_TRUNC, ""},
    {T("[\"\\ud83d"), ERR_JSON_TRUNC, ""},
    {T("[\"\\ud83d\\"), ERR_JSON_TRUNC, ""},
    {T("[\"\\ud83d\\ude"), ERR_JSON_TRUNC, ""},
    {T("[\"\xe4\xbd"), ERR_JSON_TRUNC, ""},
    {T("[\"\\"), ERR_JSON_TRUNC, ""},
    {T("[1,]"), ERR_JSON_SYNTAX, "byte 3"},
    {T("{\"a\" 1}"), ERR_JSON_SYNTAX, "byte 5"},
    {T("{a:1}"), ERR_JSON_SYNTAX, "byte 1"},
    {T("{\"a\":1,}"), ERR_JSON_SYNTAX, "byte 7"},
    {T("[1 2]"), ERR_JSON_SYNTAX, "byte 3"},
    {T("[1}"), ERR_JSON_SYNTAX, "byte 2"},
    {T("]"), ERR_JSON_SYNTAX, "byte 0"},
    {T("[truth]"), ERR_JSON_SYNTAX, "byte 1"},
    {T("\n\n['a']"), ERR_JSON_SYNTAX, "line 3"},
    {T("[\"\\x\"]"), ERR_JSON_SYNTAX, "byte 3"},
    {T("{} {}"), ERR_JSON_TRAILING, "byte 3"},
    {T("1 x"), ERR_JSON_TRAILING, "byte 2"},
    {T("{}\0"), ERR_JSON_TRAILING, "byte 2"},
    {T("[01]"), ERR_JSON_NUMBER, "byte 1"},
    {T("[+1]"), ERR_JSON_NUMBER, ""},
    {T("[0x10]"), ERR_JSON_NUMBER, ""},
    {T("[1.]"), ERR_JSON_NUMBER, ""},
    {T("[.5]"), ERR_JSON_NUMBER, ""},
    {T("[1e]"), ERR_JSON_NUMBER, ""},
    {T("[-]"), ERR_JSON_NUMBER, ""},
    {T("[1e999]"), ERR_JSON_NUMBER, "double"},
    {T("[NaN]"), ERR_JSON_NUMBER, ""},
    {T("[-Infinity]"), ERR_JSON_NUMBER, ""},
    {T("[\"a\nb\"]"), ERR_JSON_CTRL, "byte 3"},
    {T("[\"a\0b\"]"), ERR_NAME_CHAR, "byte 3"},
    {T("[\"\\u0000\"]"), ERR_NAME_CHAR, "byte 2"},
    {T("[\"\\ud800\"]"), ERR_JSON_SURROGATE, "byte 2"},
    {T("[\"\\udc00\"]"), ERR_JSON_SURROGATE, ""},
    {T("[\"\\ud800\\u0041\"]"), ERR_JSON_SURROGATE, ""},
    {T("[\"\\ud800\\n\"]"), ERR_JSON_SURROGATE, ""},
    {T("[\"\xff\"]"), ERR_UTF8, "byte 2"},
    {T("[\"\xc0\xaf\"]"), ERR_UTF8, ""},
    {T("[\"\xed\xa0\x80\"]"), ERR_UTF8, ""},
    {T("[\xff]"), ERR_UTF8, "byte 1"},
    {T("\xef\xbb\xbf{}"), ERR_JSON_BOM, "byte 0"},
    {T("{\"a\":1,\"b\":{},\"a\":1}"), ERR_DUP_KEY, "\"a\""},
    {T("{\"a\":1,\"\\u0061\":1}"), ERR_DUP_KEY, "\"a\""},
};

static void rejects(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct js *v;
        struct err e;
        int rc = parse(&v, bad[i].text, bad[i].n, NULL, &e);
        if (rc != bad[i].code || !strstr(e.msg, bad[i].names))
            fail_msg("%s: got %s (%s), expected %s and '%s'", bad[i].text, err_name(rc), e.msg,
                     err_name(bad[i].code), bad[i].names);
    }
}

static void every_cut_is_truncation(void **state)
{
    (void)state;
    const char text[] =
        "{\"k\\n\\ud83d\\ude00\xe4\xbd\xa0\": [-12.5e+3, true, null, \"\"], \"o\": {\"x\": {}}}";
    struct js *v;
    struct err e;
    for (size_t n = 0; n < sizeof text - 1; n++)
        if (parse(&v, text, n, NULL, &e) != ERR_JSON_TRUNC) fail_msg("cut at %zu: %s", n, e.msg);
    assert_int_equal(parse(&v, text, sizeof text - 1, NULL, &e), 0);
    js_free(v);
}

static void reads_values(void **state)
{
    (void)state;
    struct js *v;
    struct err e;
    assert_int_equal(
        parse(&v,
              T(" {\"i\":-9223372036854775808, \"u\": 18446744073709551614, \"b\": 18446744073709551616,"
                "\"r\":2.0,\"e\":1e3, \"t\":true, \"n\":null, \"s\":\"\\u00e9\\ud83d\\ude00\\t\", "
                "\"a\":[1,[2,{\"x\":3}],4], \"m\":-9223372036854775809} "),
              NULL, &e),
        0);
    int64_t i = 0;
    uint64_t u = 0;
    double d = 0;
    assert_int_equal(js_size(v), 10);
    assert_true(js_int(js_get(v, "i"), &i) && i == INT64_MIN);
    assert_true(js_uint(js_get(v, "u"), &u) && u == UINT64_MAX - 1 && !js_int(js_get(v, "u"), &i));
    assert_int_equal(js_type(js_get(v, "b")), JS_BIG);
    assert_int_equal(js_type(js_get(v, "m")), JS_BIG);
    assert_true(!js_int(js_get(v, "r"), &i) && js_number(js_get(v, "r"), &d) && d == 2.0);
    assert_true(js_type(js_get(v, "e")) == JS_REAL && js_true(js_get(v, "t")));
    assert_true(js_get(v, "n") && js_type(js_get(v, "n")) == JS_NULL && !js_get(v, "zz"));
    assert_true(js_is(js_get(v, "s"), "\xc3\xa9\xf0\x9f\x98\x80\t"));
    const struct js *a = js_get(v, "a");
    assert_int_equal(js_size(a), 3);
    assert_true(js_int(js_at(a, 2), &i) && i == 4);
    assert_true(js_int(js_get(js_at(js_at(a, 1), 1), "x"), &i) && i == 3);
    assert_null(js_at(a, 3));
    assert_int_equal(js_need_int(v, "case", "zz", 0, 9, &i, &e), ERR_FIELD_MISSING);
    assert_non_null(strstr(e.msg, "\"zz\""));
    e.code = 0;
    assert_int_equal(js_need_int(v, "case", "r", 0, 9, &i, &e), ERR_FIELD_TYPE);
    e.code = 0;
    assert_int_equal(js_need_int(v, "case", "b", 0, 9, &i, &e), ERR_FIELD_RANGE);
    e.code = 0;
    i = 7;
    assert_int_equal(js_want_int(v, "case", "n", 0, 9, &i, &e), 0);
    assert_int_equal(i, 7);
    js_free(v);
}

static void limits(void **state)
{
    (void)state;
    struct js *v;
    struct err e;
    enum { N = 1 << 20 };
    char *text = malloc(N);
    memset(text, '[', N);
    assert_int_equal(parse(&v, text, N, NULL, &e), ERR_DEPTH);
    assert_int_equal(parse(&v, "[[]]", 4, &(struct js_limits){.depth = 1}, &e), ERR_DEPTH);
    assert_int_equal(parse(&v, "[[]]", 4, &(struct js_limits){.depth = 2}, &e), 0);
    js_free(v);
    assert_int_equal(parse(&v, "[1,2]", 5, &(struct js_limits){.values = 2}, &e), ERR_TOO_MANY);
    assert_int_equal(parse(&v, "[1,2]", 5, &(struct js_limits){.values = 3}, &e), 0);
    js_free(v);
    assert_int_equal(parse(&v, "[1,2]", 5, &(struct js_limits){.bytes = 4}, &e), ERR_TOO_LARGE);
    memset(text, ' ', N);
    text[N - 1] = '0';
    assert_int_equal(parse(&v, text, N, NULL, &e), 0);
    js_free(v);
    free(text);
}

/* 1,000 keys use the hash table: found anywhere, also between keys that differ only in their last byte. */
static void duplicates_in_large_objects(void **state)
{
    (void)state;
    enum { KEYS = 1000 };
    char *text = malloc(KEYS * 40);
    for (int dup = -1; dup < KEYS - 1; dup += 37) {
        size_t n = 0;
        text[n++] = '{';
        for (int i = 0; i < KEYS; i++)
            n += (size_t)sprintf(text + n, "%s\"model.layers.%d\":[]", i ? "," : "",
                                 dup >= 0 && i == KEYS - 1 ? dup : i);
        text[n++] = '}';
        struct js *v;
        struct err e;
        assert_int_equal(parse(&v, text, n, NULL, &e), dup < 0 ? 0 : ERR_DUP_KEY);
        js_free(v);
    }
    free(text);
}

static void not_regular_files(void **state)
{
    (void)state;
    struct js *v;
    struct err e = {0};
    assert_int_equal(js_load(&v, "/dev/null", NULL, &e), ERR_NOT_REGULAR);
    e.code = 0;
    assert_int_equal(js_load(&v, ".", NULL, &e), ERR_NOT_REGULAR);
    e.code = 0;
    assert_int_equal(js_load(&v, "no/such.json", NULL, &e), ERR_FILE_MISSING);
    char fifo[] = "/tmp/terse-json-XXXXXX";
    assert_non_null(mkdtemp(fifo));
    rmdir(fifo);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    e.code = 0;
    assert_int_equal(js_load(&v, fifo, NULL, &e), ERR_NOT_REGULAR);
    unlink(fifo);
}

static void writes(void **state)
{
    (void)state;
    struct js_out w;
    struct err e = {0};
    js_out_init(&w, 2);
    js_object(&w, NULL);
    js_put_int(&w, "i", -3);
    js_array(&w, "a");
    js_put_real(&w, NULL, 0.1);
    js_put_real(&w, NULL, 2);
    js_put_real(&w, NULL, 1e-5);
    js_close(&w);
    js_object(&w, "empty");
    js_close(&w);
    js_put_string(&w, "s\"", "a\\\n\x01\xc3\xa9");
    js_close(&w);
    assert_int_equal(js_out_end(&w, &e), 0);
    assert_string_equal(w.text, "{\n  \"i\": -3,\n  \"a\": [\n    0.1,\n    2.0,\n    1e-05\n  ],\n"
                                "  \"empty\": {},\n  \"s\\\"\": \"a\\\\\\n\\u0001\xc3\xa9\"\n}");
    js_out_free(&w);
}

static void writer_refuses(void **state)
{
    (void)state;
    struct js_out w;
    struct err e = {0};
    js_out_init(&w, 0);
    js_put_real(&w, NULL, NAN);
    assert_int_equal(js_out_end(&w, &e), ERR_NONFINITE);
    js_out_free(&w);
    js_put_string(&w, NULL, "\xff");
    e.code = 0;
    assert_int_equal(js_out_end(&w, &e), ERR_UTF8);
    js_out_free(&w);
    js_object(&w, NULL);
    e.code = 0;
    assert_int_equal(js_out_end(&w, &e), ERR_INTERNAL);
    js_out_free(&w);
    js_object(&w, NULL);
    js_put_int(&w, NULL, 1);
    js_close(&w);
    e.code = 0;
    assert_int_equal(js_out_end(&w, &e), ERR_INTERNAL);
    js_out_free(&w);
}

static void copies(void **state)
{
    (void)state;
    const char text[] = "{\"a\":[1,18446744073709551615,2.5,true,false,null,\"x\"],\"o\":{\"k\":[]}}";
    struct js *v;
    struct js_out w;
    struct err e;
    assert_int_equal(parse(&v, text, sizeof text - 1, NULL, &e), 0);
    js_out_init(&w, 0);
    js_put(&w, NULL, v);
    assert_int_equal(js_out_end(&w, &e), 0);
    assert_string_equal(w.text, text);
    js_out_free(&w);
    js_free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rejects),
        cmocka_unit_test(every_cut_is_truncation),
        cmocka_unit_test(reads_values),
        cmocka_unit_test(limits),
        cmocka_unit_test(not_regular_files),
        cmocka_unit_test(duplicates_in_large_objects),
        cmocka_unit_test(writes),
        cmocka_unit_test(writer_refuses),
        cmocka_unit_test(copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
