/* Rows as texts by name: the same out of CSV, JSON lines and Parquet; and CSV that is none. */
#include "data/text_rows.h"
#include "tests/support/packed.h"
#include "tests/support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char got[4096];
static uint64_t stop_at;

static int note(void *ctx, uint64_t row, const struct text_cell *cells, const char *what, struct err *e)
{
    size_t at = strlen(got);
    (void)ctx, (void)e;
    assert_non_null(strstr(what, "row"));
    for (int k = 0; k < 2; k++) {
        assert_true(!cells[k].s || strlen(cells[k].s) == cells[k].n);
        at += (size_t)snprintf(got + at, sizeof got - at, "%s%c", cells[k].s ? cells[k].s : "(null)",
                               k ? ';' : '|');
    }
    return row == stop_at ? TEXT_ROWS_ENOUGH : 0;
}

static int jsonl_note(void *ctx, uint64_t row, const struct text_cell *cells, const char *what, struct err *e)
{
    (void)what;
    return note(ctx, row, cells, "row", e);
}

static int read_rows(const char *path, struct err *e)
{
    static const char *const keys[] = {"q", "a"};
    bool csv = strstr(path, ".csv");
    got[0] = 0;
    memset(e, 0, sizeof *e);
    return text_rows_each(path, keys, 2, csv ? note : jsonl_note, NULL, e);
}

static void all_formats(void **state)
{
    static const char csv[] = "\xef\xbb\xbf"
                              "id,a,q\r\n1,4,two and two\r\n\r\n2,\"a, \"\"b\"\"\nc\",x\n3,,\"\"\n4,last,é";
    static const char jsonl[] =
        "{\"q\": \"two and two\", \"a\": 4, \"id\": 1}\n{\"a\": \"a, \\\"b\\\"\\nc\", \"q\": "
        "\"x\"}\n{\"q\": \"\", \"a\": \"\"}\n{\"a\": \"last\", \"q\": \"é\"}\n{\"q\": [1]}\n";
    struct err e;
    (void)state;
    stop_at = UINT64_MAX;
    assert_int_equal(read_rows(scratch_write("t.csv", csv, sizeof csv - 1), &e), 0);
    assert_string_equal(got, "two and two|4;x|a, \"b\"\nc;|;é|last;");
    assert_int_equal(read_rows(scratch_write("t.jsonl", jsonl, sizeof jsonl - 1), &e), 0);
    assert_string_equal(got, "two and two|4;x|a, \"b\"\nc;|;é|last;(null)|(null);");
    struct packed z = {0};
    packed_gzip(&z, jsonl, sizeof jsonl - 1);
    assert_int_equal(read_rows(scratch_write("t.jsonl.gz", z.s, z.n), &e), 0);
    assert_string_equal(got, "two and two|4;x|a, \"b\"\nc;|;é|last;(null)|(null);");
    free(z.s);
    static const char array[] = "[{\"q\": \"x\", \"a\": 1}, {\"a\": \"y\"}]";
    assert_int_equal(read_rows(scratch_write("t.json", array, sizeof array - 1), &e), 0);
    assert_string_equal(got, "x|1;(null)|y;");
    stop_at = 1;
    assert_int_equal(read_rows(scratch("t.csv"), &e), 0);
    assert_string_equal(got, "two and two|4;x|a, \"b\"\nc;");
}

static void csv_that_is_none(void **state)
{
    static const struct {
        const char *text;
        int code;
        const char *says;
    } cases[] = {
        {"", ERR_DATA_EMPTY, "not even a header"},
        {"q,b\n1,2\n", ERR_COL_MISSING, "there is no column 'a'; there are 'q', 'b'"},
        {"q,a\n1\n", ERR_FIELD_MISSING, "t.csv:3"},
        {"q,a\n1,2,3\n", ERR_FIELD_MISSING, "as many fields"},
        {"q,a\n\"1,2\n", ERR_FIELD_RANGE, "t.csv:2: a quote is opened"},
        {"q,a\n\"1\"x,2\n", ERR_TRAILING, "after a closing quote"},
        {"q,a\n\xff,2\n", ERR_UTF8, "byte 4"},
    };
    char wide[4096];
    struct err e;
    (void)state;
    stop_at = UINT64_MAX;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int r = read_rows(scratch_write("t.csv", cases[i].text, strlen(cases[i].text)), &e);
        if (r != cases[i].code || !strstr(e.msg, cases[i].says))
            fail_msg("%zu: %s %s", i, err_name(r), e.msg);
    }
    assert_int_equal(read_rows(scratch_write("t.csv", "q,a\n1,\0\n", 8), &e), ERR_FIELD_RANGE);
    memset(wide, ',', 1100);
    assert_int_equal(read_rows(scratch_write("t.csv", wide, 1100), &e), ERR_TOO_MANY);
    assert_int_equal(read_rows(scratch_write("t.txt", "q,a\n", 4), &e), ERR_USAGE);
    assert_int_equal(read_rows(scratch("none.csv"), &e), ERR_FILE_MISSING);
    assert_int_equal(read_rows("data/nano/test.parquet", &e), ERR_COL_MISSING);
}

static void parquet_too(void **state)
{
    static const char *const keys[] = {"domain", "difficulty"};
    struct err e = {0};
    (void)state;
    got[0] = 0, stop_at = 1;
    if (text_rows_each("data/nano/test.parquet", keys, 2, note, NULL, &e)) fail_msg("%s", e.msg);
    assert_int_equal(strncmp(got, "math|", 5), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_formats), cmocka_unit_test(csv_that_is_none),
                                       cmocka_unit_test(parquet_too)};
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
