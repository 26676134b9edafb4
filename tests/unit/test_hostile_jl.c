/* Section JL of the hostile inputs, what stands in a file: one row a case. JL39 and JL40 are about data that
 * is not read (pairs to choose from, rewards): such keys are ignored, and a row with nothing else is refused
 * (JL22). */
#include "checkpoints/json.h"
#include "infer/file_open.h"
#include "tests/support/jl_case.h"
#include "tests/support/scratch.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- lines ------------------------------------------------------------------------------------------------
 */

/* Files named .jsonl. Most have a good line first, so that the second is named. */
static const struct {
    const char *id, *text;
    size_t n;
    int code; /* 0: must be accepted */
    const char *says;
} lines[] = {
    {"JL01", T(""), ERR_DATA_EMPTY, "no rows"},
    {"JL01 blank", T(" \r\n\n\t\n"), ERR_DATA_EMPTY, "no rows"},
    {"JL02 little", T("\xff\xfe{\0}\0"), ERR_JSON_BOM, "UTF-16"},
    {"JL02 big", T("\xfe\xff\0{\0}"), ERR_JSON_BOM, "UTF-16"},
    {"JL02 UTF-8", T("\xef\xbb\xbf" GOOD), ERR_JSON_BOM, "save it as UTF-8 without one"},
    {"JL03", T(GOOD "{\"question\":\"a\xff\"}\n"), ERR_UTF8,
     ".jsonl:2: invalid UTF-8: not a UTF-8 character at byte 14"},
    {"JL03 cut", T(GOOD "{\"question\":\"a\xc3\"}\n"), ERR_UTF8, ".jsonl:2"},
    {"JL04", T(GOOD "{\"question\":\"\xc0\xaf\"}\n"), ERR_UTF8, ".jsonl:2"},
    {"JL04 surrogate", T(GOOD "{\"question\":\"\xed\xa0\x80\"}\n"), ERR_UTF8, ".jsonl:2"},
    {"JL05", T(GOOD "{\"question\":\"\\ud800\"}\n"), ERR_JSON_SURROGATE, ".jsonl:2"},
    {"JL05 low", T(GOOD "{\"question\":\"\\udc00x\"}\n"), ERR_JSON_SURROGATE, ".jsonl:2"},
    {"JL06", T(GOOD "{\"question\":\"a\0b\"}\n"), ERR_JSON_CTRL, ".jsonl:2"},
    {"JL06 outside", T(GOOD "\0\n"), ERR_JSON_SYNTAX, ".jsonl:2"},
    {"JL07", T(GOOD "{\"question\":\"a\tb\"}\n"), ERR_JSON_CTRL, ".jsonl:2"},
    {"JL07 newline", T(GOOD "{\"question\":\"a\nb\"}\n"), ERR_JSON_TRUNC, ".jsonl:2"},
    {"JL10", T(GOOD "{\"question\":\"a"), ERR_JSON_TRUNC, ".jsonl:2"},
    {"JL10 word", T(GOOD "{\"question\":tru"), ERR_JSON_TRUNC, ".jsonl:2"},
    {"JL11", T("{\"question\":\"q\",\"answer\":\"a\"}\r{}"), ERR_JSON_TRAILING, ".jsonl:1"},
    {"JL12", T(GOOD "null\n"), ERR_ROW_TYPE, ".jsonl:2: expected an object, not null"},
    {"JL13 number", T(GOOD "7\n"), ERR_ROW_TYPE, "not an integer"},
    {"JL13 string", T(GOOD "\"x\"\n"), ERR_ROW_TYPE, "not a string"},
    {"JL14", T(GOOD "[]\n"), ERR_ROW_TYPE, "not an array"},
    {"JL14 first", T("[{\"question\":\"q\"}]\n"), ERR_ROW_TYPE, ".jsonl:1"},
    {"JL15", T("{\"question\":\"q\",\"answer\":\"a\"} {}\n"), ERR_JSON_TRAILING, ".jsonl:1"},
    {"JL16", T(GOOD "{\"question\":\"q\",}\n"), ERR_JSON_SYNTAX, ".jsonl:2"},
    {"JL17", T(GOOD "{'question':'q'}\n"), ERR_JSON_SYNTAX, ".jsonl:2"},
    {"JL18 NaN", T(GOOD "{\"difficulty\":NaN}\n"), ERR_JSON_NUMBER, ".jsonl:2"},
    {"JL18 infinity", T(GOOD "{\"difficulty\":-Infinity}\n"), ERR_JSON_NUMBER, ".jsonl:2"},
    {"JL19", T(GOOD "{\"x\":1/* one */}\n"), ERR_JSON_SYNTAX, ".jsonl:2"},
    {"JL19 line", T(GOOD "// next\n"), ERR_JSON_SYNTAX, ".jsonl:2"},
    {"JL21", T("{\"messages\":[" USER "],\"messages\":[]}\n"), ERR_DUP_KEY, "\"messages\""},
    {"JL21 escaped", T("{\"messages\":[],\"m\\u0065ssages\":[]}\n"), ERR_DUP_KEY, "\"messages\""},
    {"JL22", T(GOOD "{\"text\":\"q\"}\n"), ERR_FIELD_MISSING, "\"messages\""},
    {"JL22 names a key", T("{\"text\":\"q\"}\n"), ERR_FIELD_MISSING, "the row has \"text\" and such"},
    {"JL22 half", T("{\"question\":\"q\"}\n"), ERR_FIELD_MISSING, "\"question\" and \"answer\""},
    {"JL22 nothing", T("{}\n"), ERR_FIELD_MISSING, "no keys"},
    {"JL23", T("{\"messages\":{}}\n"), ERR_FIELD_TYPE, "\"messages\" is an object, expected an array"},
    {"JL23 text", T("{\"conversations\":\"x\"}\n"), ERR_FIELD_TYPE, "\"conversations\" is a string"},
    {"JL25", T(ROW(USER ",7")), ERR_FIELD_TYPE, ".jsonl:1, turn 1 is an integer, expected an object"},
    {"JL25 null", T(ROW("null")), ERR_FIELD_TYPE, "turn 0 is null"},
    {"JL26", T(ROW("{\"content\":\"q\"}")), ERR_FIELD_MISSING, "turn 0: required field \"role\""},
    {"JL26 from", T("{\"conversations\":[{\"value\":\"q\"}]}"), ERR_FIELD_MISSING, "field \"from\""},
    {"JL26 content", T(ROW("{\"role\":\"user\"}")), ERR_FIELD_MISSING, "field \"content\""},
    {"JL28", T(ROW("{\"role\":1,\"content\":\"q\"}")), ERR_FIELD_TYPE, "\"role\" is an integer"},
    {"JL29", T(ROW("{\"role\":\"user\",\"content\":null}")), ERR_FIELD_TYPE, "\"content\" is null"},
    {"JL30", T(ROW("{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"q\"}]}")),
     ERR_ROW_UNSUPPORTED, "a list of parts"},
    {"JL36", T(GOOD "{\"difficulty\":1e999}\n"), ERR_JSON_NUMBER, ".jsonl:2"},
    {"difficulty", T("{\"difficulty\":\"hard\",\"question\":\"q\",\"answer\":\"a\"}\n"), ERR_FIELD_TYPE,
     "\"difficulty\" is a string, expected an integer"},
    {"source", T("{\"source\":3,\"question\":\"q\",\"answer\":\"a\"}\n"), ERR_FIELD_TYPE, "\"source\""},
    {"history", T("{\"instruction\":\"i\",\"output\":\"o\",\"history\":[[\"q\"]]}\n"), ERR_FIELD_TYPE,
     "history"},
    {"JL37", T(ROW("{\"role\":\"user\",\"content\":\"<|im_end|>\\n<|im_start|>\"}")), 0, ""},
    {"JL38", T("{\"messages\":[" USER "],\"prompt\":\"p\",\"completion\":\"c\"}\n"), ERR_ROW_AMBIGUOUS,
     "both \"messages\" and \"prompt\""},
    {"JL38 lists", T("{\"messages\":[" USER "],\"conversations\":[]}\n"), ERR_ROW_AMBIGUOUS,
     "\"conversations\""},
    {"JL38 alpaca", T("{\"messages\":[],\"instruction\":\"i\",\"output\":\"o\"}"), ERR_ROW_AMBIGUOUS,
     "which"},
    {"JL39", T("{\"prompt\":\"p\",\"chosen\":\"a\",\"rejected\":\"a\"}\n"), ERR_FIELD_MISSING,
     "\"completion\""},
    {"JL40", T("{\"question\":\"q\",\"answer\":\"a\",\"reward\":\"NaN\"}\n"), 0, ""},
    {"JL40 large", T("{\"question\":\"q\",\"answer\":\"a\",\"reward\":1e400}\n"), ERR_JSON_NUMBER,
     ".jsonl:1"},
    {"JL41", T("{\"weight\":-1,\"question\":\"q\",\"answer\":\"a\"}\n"), ERR_FIELD_RANGE,
     "\"weight\" is negative"},
    {"JL41 turn", T(ROW("{\"role\":\"assistant\",\"content\":\"a\",\"weight\":0}")), ERR_ROW_UNSUPPORTED,
     "turn 0: \"weight\" is 0"},
    {"JL43", T("\n \r\n" GOOD "\n\t \n" GOOD "\n\n"), 0, ""},
    {"JL43 counts lines", T("\n\n{}\n"), ERR_FIELD_MISSING, ".jsonl:3"},
    {"no final newline", T("{\"question\":\"q\",\"answer\":\"a\"}"), 0, ""},
    {"CRLF", T("{\"question\":\"q\",\"answer\":\"a\"}\r\n{\"question\":\"q\",\"answer\":\"a\"}\r\n"), 0, ""},
    {"escapes", T("{\"question\":\"\\u0000\\uD834\\uDD1E\\/\\b\",\"answer\":\"a\"}\n"), 0, ""},
    {"one byte", T(ROW("{\"role\":\"u\",\"content\":\"q\"}")), 0, ""},
    {"depth", T(GOOD "{\"question\":\"q\",\"answer\":\"a\",\"x\":[[[[{\"y\":[]}]]]]}\n"), 0, ""},
};

static void lines_end_as_they_must(void **state)
{
    (void)state;
    int failed = 0;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        failed += jl_check(lines[i].id, scratch_write("a.jsonl", lines[i].text, lines[i].n), lines[i].code,
                           lines[i].says);
    assert_int_equal(failed, 0);
}

static void jl20_deep(void **state)
{
    (void)state;
    enum { N = 100000 };
    char *text = malloc(N);
    memset(text, '[', N);
    assert_int_equal(jl_check("JL20", scratch_write("a.jsonl", text, N), ERR_DEPTH, ".jsonl:1"), 0);
    assert_int_equal(jl_check("JL20 array", scratch_write("a.json", text, N), ERR_JSON_TRUNC, "not end"), 0);
    for (size_t i = 0; i + 5 < N; i += 5) memcpy(text + i, "{\"a\":", 5);
    assert_int_equal(jl_check("JL20 objects", scratch_write("a.jsonl", text, N), ERR_DEPTH, ".jsonl:1"), 0);
    free(text);
}

/* ---- arrays -----------------------------------------------------------------------------------------------
 */

static const struct {
    const char *id, *text;
    int code;
    const char *says;
} arrays[] = {
    {"elements", "[{\"question\":\"],[\",\"answer\":\"\\\"\"}\n,\n{\"question\":\"\\\\\",\"answer\":\"{\"}]",
     0, ""},
    {"lines, for all its name", GOOD GOOD, 0, ""},
    {"none", "[]", ERR_DATA_EMPTY, "no rows"},
    {"none", " [ \n] \n", ERR_DATA_EMPTY, "no rows"},
    {"not closed", "[" GOOD, ERR_JSON_TRUNC, "does not end"},
    {"not closed", "[" GOOD ",", ERR_JSON_TRUNC, "does not end"},
    {"cut in a string", "[{\"question\":\"x\\\"", ERR_JSON_TRUNC, "does not end"},
    {"trailing comma", "[" GOOD ",\n]", ERR_JSON_SYNTAX, ".json:3: JSON syntax: expected a value"},
    {"two commas", "[" GOOD ",," GOOD "]", ERR_JSON_SYNTAX, "expected a value"},
    {"leading comma", "[," GOOD "]", ERR_JSON_SYNTAX, "expected a value"},
    {"no comma", "[" GOOD GOOD "]", ERR_JSON_TRAILING, ".json: row 0"},
    {"text behind", "[" GOOD "] {}", ERR_JSON_TRAILING, "text after the array"},
    {"another array", "[" GOOD "][]", ERR_JSON_TRAILING, "text after the array"},
    {"wrong bracket", "[" GOOD ",{\"question\":[}]", ERR_JSON_TRUNC, "does not end"},
    {"wrong bracket", "[" GOOD "}]", ERR_JSON_TRAILING, ".json: row 0"},
    {"array", "[" GOOD ",[]]", ERR_ROW_TYPE, ".json: row 1: expected an object, not an array"},
    {"null", "[null]", ERR_ROW_TYPE, ".json: row 0"},
    {"BOM", "\xef\xbb\xbf[" GOOD "]", ERR_JSON_BOM, "byte order mark"},
    {"a scalar", "7", ERR_ROW_TYPE, ".json:1"},
    {"an object", "{\n\"question\":\"q\"}", ERR_JSON_TRUNC, ".json:1"},
};

static void arrays_end_as_they_must(void **state)
{
    (void)state;
    int failed = 0;
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        failed += jl_check(arrays[i].id, scratch_write("a.json", arrays[i].text, strlen(arrays[i].text)),
                           arrays[i].code, arrays[i].says);
    assert_int_equal(failed, 0);
}

/* ---- JSONTestSuite
 * ------------------------------------------------------------------------------------------- */

static int parse_file(const char *path, const char *name)
{
    static const struct js_limits limits = {.nul = true};
    struct js *v;
    char *data;
    size_t n;
    struct err e = {0};
    assert_int_equal(file_load(path, 1 << 20, &data, &n, &e), 0);
    int code = js_parse(&v, name, data, n, &limits, &e);
    if (code) assert_true(e.code == code && *e.msg);
    js_free(v);
    free(data);
    return code;
}

/* JL51 and the y_ files (two of which have a key twice), as the reader of rows reads values. */
static void jl51_suite(void **state)
{
    (void)state;
    const char *folder = getenv("TERSE_JSON_SUITE");
    if (!folder) folder = "../shared/data/JSONTestSuite/test_parsing";
    DIR *d = opendir(folder);
    int seen = 0;
    if (!d) {
        printf("skip: no %s\n", folder);
        skip();
    }
    for (const struct dirent *f; (f = readdir(d));) {
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", folder, f->d_name);
        if (f->d_name[1] != '_') continue;
        int code = parse_file(path, f->d_name);
        bool twice = strstr(f->d_name, "duplicated_key") != NULL;
        bool ok = *f->d_name == 'n' ? code != 0 : *f->d_name != 'y' || code == (twice ? ERR_DUP_KEY : 0);
        if (!ok) fail_msg("%s: %s", f->d_name, err_name(code));
        seen++;
    }
    closedir(d);
    assert_true(seen > 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_end_as_they_must),
        cmocka_unit_test(jl20_deep),
        cmocka_unit_test(arrays_end_as_they_must),
        cmocka_unit_test(jl51_suite),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
