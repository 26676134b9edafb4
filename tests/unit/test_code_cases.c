/* LiveCodeBench's test cases: every shape that its files have, and hostile ones; outputs compared. */
#include "rl/code_cases.h"
#include "tests/support/pack_cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- reading ------------------------------------------------------------------------------------------- */

static int read_packed(const void *bytes, size_t n, struct err *e)
{
    struct js *v;
    char *text = pack_cases(bytes, n, 0);
    memset(e, 0, sizeof *e);
    int r = code_cases_read(&v, "here", text, strlen(text), e);
    if (!r) assert_int_equal(js_size(v), 1);
    js_free(v);
    free(text);
    return r;
}

#define CASE "[{\"input\": \"1\", \"output\": \"2\", \"testtype\": \"stdin\"}]"
#define SIZE "\x34" /* of CASE */

static void pickles(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        int code;
    } rows[] = {
#define ROW(text, code) {text, sizeof(text) - 1, code}
        ROW("\x80\x02X" SIZE "\0\0\0" CASE "q\0.", 0),
        ROW("\x80\x03X" SIZE "\0\0\0" CASE "r\0\0\0\0.", 0),
        ROW("\x80\x04\x95\x3c\0\0\0\0\0\0\0\x8c" SIZE CASE "\x94.", 0),
        ROW("\x80\x05\x8d" SIZE "\0\0\0\0\0\0\0" CASE ".", 0),
        ROW("\x80\x01X" SIZE "\0\0\0" CASE ".", ERR_MAGIC), /* another protocol */
        ROW("\x80\x06X" SIZE "\0\0\0" CASE ".", ERR_MAGIC),
        ROW("cos\nsystem\n(S'true'\ntR.", ERR_MAGIC), /* what pickles are known for */
        ROW("\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.", ERR_MAGIC),
        ROW("\x80\x02cos\nsystem\nX\x04\0\0\0true\x85R.", ERR_MAGIC),
        ROW("\x80\x04\x8c" SIZE CASE "\x8c" SIZE CASE ".", ERR_MAGIC), /* two */
        ROW("\x80\x04.", ERR_MAGIC),                                   /* none */
        ROW("\x80\x04\x8c" SIZE CASE "..", ERR_MAGIC),                 /* bytes behind */
        ROW("\x80\x04\x8c" SIZE CASE, ERR_MAGIC),                      /* no end */
        ROW("\x80\x04\x8c\x80" CASE ".", ERR_MAGIC),                   /* longer than there is */
        ROW("\x80\x05\x8d\xff\xff\xff\xff\xff\xff\xff\xff" CASE ".", ERR_MAGIC),
        ROW("\x80\x04\x95\0\0\0", ERR_MAGIC),
        ROW("\x80\x04X\0", ERR_MAGIC),
        ROW("\x80\x04", ERR_MAGIC),
        ROW("\x80", ERR_MAGIC),
        ROW("\x80\x04\x8c\x02[}.", ERR_JSON_SYNTAX),
        ROW("\x80\x04\x8c\x04[\"\xff\"\x94.", ERR_UTF8),
    };
    struct err e;
    (void)state;
    assert_int_equal(sizeof CASE - 1, SIZE[0]);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (read_packed(rows[i].bytes, rows[i].n, &e) != rows[i].code) fail_msg("row %zu: %s", i, e.msg);
}

static int read_text(const char *text, struct err *e)
{
    struct js *v;
    memset(e, 0, sizeof *e);
    int r = code_cases_read(&v, "here", text, strlen(text), e);
    if (r) assert_null(v);
    js_free(v);
    return r;
}

static void other_shapes(void **state)
{
    struct err e;
    (void)state;
    assert_int_equal(read_text(" \n" CASE, &e), 0);
    assert_int_equal(read_text("[]", &e), 0);
    assert_int_equal(read_text("", &e), ERR_MAGIC);
    assert_int_equal(read_text("abc", &e), ERR_MAGIC);
    assert_int_equal(read_text("ab-_", &e), ERR_MAGIC);
    assert_int_equal(read_text("====", &e), ERR_MAGIC);
    assert_int_equal(read_text("AAAA", &e), ERR_GZIP);
    assert_int_equal(read_text("[1]", &e), ERR_FIELD_MISSING);
    assert_int_equal(read_text("[{\"input\": \"\", \"output\": 1, \"testtype\": \"stdin\"}]", &e),
                     ERR_FIELD_TYPE);
    assert_int_equal(read_text("[{\"input\": \"\", \"testtype\": \"stdin\"}]", &e), ERR_FIELD_MISSING);
    assert_int_equal(read_text("[{\"input\": \"\", \"output\": \"\", \"testtype\": \"shell\"}]", &e),
                     ERR_FIELD_RANGE);
    char *cut = pack_cases(CASE, sizeof CASE, 6);
    assert_int_equal(read_text(cut, &e), ERR_GZIP);
    free(cut);
}

/* 300 MB of zeros in 300 KB, refused without holding them. */
static void a_bomb(void **state)
{
    size_t n = 300u << 20;
    struct err e;
    char *zeros = calloc(1, n);
    (void)state;
    assert_non_null(zeros);
    assert_int_equal(read_packed(zeros, n, &e), ERR_BOMB);
    free(zeros);
}

/* ---- comparing ----------------------------------------------------------------------------------------- */

static void outputs(void **state)
{
    static const struct {
        const char *expected, *printed;
        bool same;
    } rows[] = {
        {"1 2\n3\n", "1 2\n3", true},
        {"1 2\n3\n", "\n 1 2  \r\n3\t\n\n", true},
        {"1 2\n3\n", "1  2\n3", true}, /* numbers */
        {"a b", "a  b", false},        /* words */
        {"a\nb", "a\n\nb", false},
        {"1 2", "1\n2", false},
        {"1\n2", "1 2", false},
        {"", "", true},
        {"", " \n", true},
        {"1", "", false},
        {"", "1", false},
        {"Yes", "yes", false},
        {"0.5", ".50", true},
        {"0.5", "5e-1", true},
        {"0.5", "+0.05E1", true},
        {"0.5", "0.5000001", false},
        {"100", "1e2", true},
        {"100", "1e2x", false},
        {"100", "-100", false},
        {"100", "10", false},
        {"0", "-0.000", true},
        {"0", "0e99", true},
        {"0", ".", false},
        {"0.000123", "123e-6", true},
        {"123.45", "12345e-2", true},
        {"1234.5", "123.45", false},
        {"1000000000000000000000000000001", "1000000000000000000000000000001.0", true},
        {"1000000000000000000000000000001", "1000000000000000000000000000002", false},
        {"1 2 3", "1 2", false},
        {"1 x", "1.0 x", false}, /* not all are numbers */
        {"1.5.2", "1.5.20", false},
        {"1e", "1e ", true},
        {"nan", "NAN", false},
        {"1e999999999999", "1e999999999998", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (code_same_output(rows[i].expected, strlen(rows[i].expected), rows[i].printed,
                             strlen(rows[i].printed)) != rows[i].same)
            fail_msg("\"%s\" and \"%s\"", rows[i].expected, rows[i].printed);
}

static void values(void **state)
{
    static const struct {
        const char *expected, *returned;
        bool same;
    } rows[] = {
        {"1", "1.0", true},
        {"true", "1", true},
        {"[0, false]", "[false, 0.0]", true},
        {"1", "\"1\"", false},
        {"null", "null", true},
        {"null", "0", false},
        {"[1, [2, 3]]\n", "[1,[2,3]]", true},
        {"[1, 2]", "[1, 2, 3]", false},
        {"[1, 2]", "[2, 1]", false},
        {"[]", "{}", false},
        {"{\"a\": 1, \"b\": null}", "{\"b\": null, \"a\": 1}", true},
        {"{\"a\": null}", "{\"b\": null}", false},
        {"\"\\u00e9\"", "\"\xc3\xa9\"", true},
        {"\"a\\u0000b\"", "\"a\\u0000c\"", false},
        {"9007199254740993", "9007199254740992", false},
        {"0.1", "0.1000000000000000055", true},
        {"123456789012345678901234567890", "123456789012345678901234567890", true},
        {"123456789012345678901234567890", "123456789012345678901234567891", false},
        {"2.5", "2.50001", false},
        {"[1]", "", false},
        {"[1]", "[1", false},
        {"NaN", "[1]", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (code_same_value(rows[i].expected, strlen(rows[i].expected), rows[i].returned,
                            strlen(rows[i].returned)) != rows[i].same)
            fail_msg("%s and %s", rows[i].expected, rows[i].returned);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(pickles), cmocka_unit_test(other_shapes),
                                       cmocka_unit_test(a_bomb), cmocka_unit_test(outputs),
                                       cmocka_unit_test(values)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
