/* Rows of conversations: every shape they come in, every kind of file, and any of them by its number. */
#include "data/conversations.h"
#include "infer/file_open.h"
#include "tests/support/packed.h"
#include "tests/support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PARQUET "tests/fixtures/parquet/"
#define SHARED  "../shared/data/parquet/ot3/"

/* ---- rows as text ----------------------------------------------------------------------------------------
 */

static void put_text(FILE *f, struct conv_text t)
{
    if (t.s)
        fprintf(f, "'%.*s'", (int)t.n, t.s);
    else
        fputs("-", f);
}

/* "difficulty source domain [role:'text', ...]", "-" for null. */
static void put_row(FILE *f, const struct conv_row *r)
{
    if (r->has_difficulty)
        fprintf(f, "%lld ", (long long)r->difficulty);
    else
        fputs("- ", f);
    put_text(f, r->source), fputc(' ', f);
    put_text(f, r->domain), fputc(' ', f);
    fputs(r->has_turns ? "[" : "-", f);
    for (size_t i = 0; r->has_turns && i < r->n_turns; i++) {
        if (i) fputs(", ", f);
        put_text(f, r->turns[i].from), fputc(':', f);
        put_text(f, r->turns[i].value);
    }
    if (r->has_turns) fputs("]", f);
}

/* All rows from the next one on, a line each, or what went wrong. */
static char *rest_of(struct conv_file *f, uint64_t first)
{
    char *text = NULL;
    size_t n = 0;
    struct err e = {0};
    struct conv_row r;
    int code;
    FILE *out = open_memstream(&text, &n);
    while ((code = conv_next(f, &r, &e)) == 1) {
        assert_int_equal(r.index, first++);
        put_row(out, &r);
        fputc('\n', out);
    }
    if (code) fprintf(out, "%s: %s\n", err_name(code), e.msg);
    fclose(out);
    return text;
}

static struct conv_file *open_ok(const char *path)
{
    struct conv_file *f;
    struct err e = {0};
    if (conv_open(&f, path, &e)) fail_msg("%s: %s", path, e.msg);
    return f;
}

static char *rows_of(const char *path)
{
    struct conv_file *f = open_ok(path);
    char *text = rest_of(f, 0);
    conv_close(f);
    return text;
}

/* ---- shapes ----------------------------------------------------------------------------------------------
 */

static const struct {
    const char *json, *row;
} shapes[] = {
    {"{'conversations':[{'from':'human','value':'q'},{'from':'gpt','value':'a'}]}",
     "- - - ['human':'q', 'gpt':'a']"},
    {"{'difficulty':7,'source':'s','domain':'math','conversations':[{'value':'q','from':'user','x':[1]}],'y':"
     "{}}",
     "7 's' 'math' ['user':'q']"},
    {"{'conversations':null}", "- - - -"},
    {"{'conversations':[]}", "- - - []"},
    {"{'difficulty':null,'source':null,'domain':null,'conversations':[null,{'from':null,'value':'x'}]}",
     "- - - [-:-, -:'x']"},
    {"{'conversations':[{'role':'user','content':'q'}]}", "- - - ['user':'q']"},
    {"{'conversations':[],'system':'be brief'}", "- - - ['system':'be brief']"},
    {"{'conversations':[{'from':'system','value':'own'}],'system':'other'}", "- - - ['system':'own']"},
    {"{'conversations':[{'from':'human','value':'q'}],'system':''}", "- - - ['human':'q']"},
    {"{'messages':[{'role':'system','content':'s'},{'role':'user','content':''}]}",
     "- - - ['system':'s', 'user':'']"},
    {"{'messages':[{'from':'human','value':'q'}],'conversations':null}", "- - - ['human':'q']"},
    {"{'messages':[{'role':'assistant','content':'a','weight':1}]}", "- - - ['assistant':'a']"},
    {"{'prompt':'p','messages':[{'role':'user','content':'q'}]}", "- - - ['user':'q']"},
    {"{'problem':'p','solution':'s','messages':[{'role':'user','content':'q'}]}", "- - - ['user':'q']"},
    {"{'instruction':'i','output':'o'}", "- - - ['user':'i', 'assistant':'o']"},
    {"{'instruction':'i','input':'n','output':'o','system':'s'}",
     "- - - ['system':'s', 'user':'i\nn', 'assistant':'o']"},
    {"{'instruction':'i','input':'','output':'o','history':[]}", "- - - ['user':'i', 'assistant':'o']"},
    {"{'instruction':'','input':'n','output':'o'}", "- - - ['user':'n', 'assistant':'o']"},
    {"{'instruction':'i','input':null,'output':'o','history':[['q','a'],['r','b']],'system':'s'}",
     "- - - ['system':'s', 'user':'q', 'assistant':'a', 'user':'r', 'assistant':'b', 'user':'i', "
     "'assistant':'o']"},
    {"{'prompt':'p','completion':'c'}", "- - - ['user':'p', 'assistant':'c']"},
    {"{'problem':'p','solution':'s','answer':'4'}", "- - - ['user':'p', 'assistant':'s']"},
    {"{'question':'q','answer':'a','input':'ignored'}", "- - - ['user':'q', 'assistant':'a']"},
    {"{'question':'\\u0041\\ud83d\\ude00\\n\\u0022','answer':'\\u00e9'}",
     "- - - ['user':'A\xf0\x9f\x98\x80\n\"', 'assistant':'\xc3\xa9']"},
};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

/* JSON with ' for ", as the tables here have it. */
static char *json_of(const char *text)
{
    char *s = strdup(text);
    for (char *p = s; *p; p++)
        if (*p == '\'') *p = '"';
    return s;
}

static void every_shape_is_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SHAPES; i++) {
        char *json = json_of(shapes[i].json), *got = rows_of(scratch_write("a.jsonl", json, strlen(json)));
        if (strncmp(got, shapes[i].row, strlen(shapes[i].row)) || strcmp(got + strlen(shapes[i].row), "\n"))
            fail_msg("%s gives\n%swant\n%s", shapes[i].json, got, shapes[i].row);
        free(json), free(got);
    }
}

static void nul_escapes_are_text(void **state)
{
    (void)state;
    static const char json[] = "{\"question\":\"a\\u0000b\",\"answer\":\"\",\"messages\\u0000x\":[]}";
    struct conv_file *f = open_ok(scratch_write("a.jsonl", json, sizeof json - 1));
    struct conv_row r;
    assert_int_equal(conv_next(f, &r, NULL), 1);
    assert_int_equal(r.turns[0].value.n, 3);
    assert_memory_equal(r.turns[0].value.s, "a\0b", 3);
    conv_close(f);
}

/* ---- files -----------------------------------------------------------------------------------------------
 */

/* 3,000 rows of many lengths, as lines (every 100th after a blank one) or as the elements of an array. */
enum { MANY = 3000 };

static char *many(bool array, size_t *n)
{
    char *text = NULL;
    FILE *f = open_memstream(&text, n);
    if (array) fputs(" [\n", f);
    for (int i = 0; i < MANY; i++) {
        if (i % 100 == 0) fputs(array ? "\n\n" : "\r\n  \n", f);
        fprintf(f, "{\"question\":\"[%d,{\\\"\\\\\",%s\"answer\":\"", i, array ? "\n\t" : "");
        for (int k = 0; k < i % 97 * 11; k++) fputc('a' + k % 26, f);
        fprintf(f, "\"}%s", i + 1 == MANY ? "" : array ? " ,\n" : i % 2 ? "\r\n" : "\n");
    }
    if (array) fputs("\n]\n", f);
    fclose(f);
    return text;
}

/* Rows by number, forwards and backwards, are those that were read one after the other. */
static void check_seeks(const char *path, const char *const *line)
{
    static const uint64_t wanted[] = {0, 1, 2999, 255, 256, 257, 1000, 512, 511, 3000, 2047, 2048, 100, 99};
    struct conv_file *f = open_ok(path);
    struct err e = {0};
    struct conv_row r;
    assert_int_equal(conv_rows(f), MANY);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        char *got = NULL;
        size_t n;
        assert_int_equal(conv_seek(f, wanted[i], &e), 0);
        int more = conv_next(f, &r, &e);
        if (more < 0) fail_msg("%s: row %d: %s", path, (int)wanted[i], e.msg);
        assert_int_equal(more, wanted[i] < MANY);
        if (!more) continue;
        FILE *out = open_memstream(&got, &n);
        put_row(out, &r);
        fclose(out);
        assert_int_equal(r.index, wanted[i]);
        assert_memory_equal(got, line[wanted[i]], n);
        free(got);
    }
    assert_int_equal(conv_seek(f, MANY + 1, &e), ERR_FIELD_RANGE);
    conv_close(f);
}

/* Parts follow one another, and take all the bytes. */
static void check_parts(const char *path, uint64_t parts, uint64_t bytes)
{
    struct conv_file *f = open_ok(path);
    uint64_t row = 0, sum = 0, n = 0;
    for (; row < conv_rows(f); n++) {
        struct file_part p = conv_part_of(f, row), last;
        assert_int_equal(p.first, row);
        assert_true(p.rows > 0 && p.bytes > 0);
        row += p.rows, sum += p.bytes;
        last = conv_part_of(f, row - 1);
        assert_memory_equal(&last, &p, sizeof p);
    }
    assert_int_equal(row, conv_rows(f));
    assert_int_equal(sum, conv_bytes(f));
    assert_int_equal(n, parts);
    if (sum > bytes || sum + 64 < bytes) fail_msg("%s: %d bytes in %d", path, (int)sum, (int)bytes);
    conv_close(f);
}

static void pack(struct packed *p, const char *name, const char *text, size_t n)
{
    size_t half = n / 3; /* two members or frames */
    void (*add)(struct packed *, const void *, size_t) = strstr(name, ".gz") ? packed_gzip : packed_zstd;
    *p = (struct packed){0};
    add(p, text, half);
    add(p, text + half, n - half);
}

static void every_file_gives_the_same_rows(void **state)
{
    (void)state;
    static const char *const names[] = {"a.jsonl",   "a.jsonl.gz", "a.jsonl.zst", "lines.json", "a.json",
                                        "a.json.gz", "a.json.zst", "blob",        "blob.gz"};
    const char *line[MANY + 1];
    char *want = NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t n;
        char *text = many(!strncmp(names[i], "a.json", 6) && strncmp(names[i], "a.jsonl", 7), &n);
        struct packed p = {0};
        if (strstr(names[i], ".gz") || strstr(names[i], ".zst")) pack(&p, names[i], text, n);
        const char *path = scratch_write(names[i], p.s ? p.s : (unsigned char *)text, p.s ? p.n : n);
        char *got = rows_of(path);
        if (!want) {
            want = strdup(got);
            char *at = want;
            for (int k = 0; k < MANY; k++) line[k] = at, at = strchr(at, '\n') + 1;
            assert_int_equal(*at, 0);
        }
        if (strcmp(got, want)) fail_msg("%s: rows differ: %.300s", names[i], got);
        check_seeks(path, line);
        check_parts(path, (MANY + 255) / 256, n);
        free(got), free(text), free(p.s);
    }
    free(want);
}

/* ---- Parquet and JSON ------------------------------------------------------------------------------------
 */

static void same_rows(const char *a, const char *b, uint64_t rows_of_a)
{
    char *x = rows_of(a), *y = rows_of(b);
    uint64_t lines = 0;
    assert_memory_equal(x, y, strlen(x));
    struct conv_file *f = open_ok(a);
    lines = conv_rows(f);
    conv_close(f);
    assert_int_equal(lines, rows_of_a);
    free(x), free(y);
}

static void parquet_and_json_give_the_same_rows(void **state)
{
    (void)state;
    if (access(SHARED, F_OK)) {
        printf("skip: no " SHARED "\n");
        skip();
    }
    same_rows(SHARED "ot3_snappy_v1.parquet", SHARED "ot3_expected_600.jsonl", 604);
    same_rows(SHARED "ot3_uncompressed_v1.parquet", SHARED "ot3_expected_600.jsonl", 204);
    same_rows(SHARED "ot3_zstd_v1.parquet", SHARED "ot3_expected_3000.jsonl.zst", 3004);
    same_rows(SHARED "ot3_expected_3000.jsonl.zst", SHARED "ot3_zstd_v1.parquet", 3004);
}

static void parquet_has_parts(void **state)
{
    (void)state;
    check_parts("data/nano/base.parquet", 8, 3510942); /* of all its columns, as pyarrow says */
}

static void parquet_has_the_same_shapes(void **state)
{
    (void)state;
    static const struct {
        const char *file, *rows;
    } files[] = {
        {"conv-messages", "- - - ['system':'be brief', 'user':'q', 'assistant':'a']\n"
                          "- - - ['system':'own', 'user':'q']\n- - - [-:-, 'user':-]\n- - - -\n- - - []\n"},
        {"conv-alpaca",
         "- - - ['user':'i', 'assistant':'o']\n- - - ['system':'s', 'user':'i\nn', 'assistant':'o']\n"
         "- - - ['user':'q', 'assistant':'a', 'user':'i', 'assistant':'o']\n- - - ['user':-, "
         "'assistant':-]\n"},
        {"conv-problem", "- - - ['user':'p', 'assistant':'s']\n"},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[128];
        snprintf(path, sizeof path, PARQUET "%s.parquet", files[i].file);
        char *got = rows_of(path);
        assert_string_equal(got, files[i].rows);
        free(got);
    }
}

static void first_bytes_tell_parquet(void **state)
{
    (void)state;
    char *data;
    size_t n;
    assert_int_equal(file_load(PARQUET "nulls-zstd-v2.parquet", 1 << 20, &data, &n, NULL), 0);
    struct conv_file *f = open_ok(scratch_write("blob", data, n));
    assert_int_equal(conv_rows(f), 68);
    conv_close(f);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shape_is_read),
        cmocka_unit_test(nul_escapes_are_text),
        cmocka_unit_test(every_file_gives_the_same_rows),
        cmocka_unit_test(parquet_and_json_give_the_same_rows),
        cmocka_unit_test(parquet_has_parts),
        cmocka_unit_test(parquet_has_the_same_shapes),
        cmocka_unit_test(first_bytes_tell_parquet),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
