/* Parquet files that other programs wrote: every row must be what pyarrow and DuckDB say it is. */
#include "checkpoints/file.h"
#include "checkpoints/sha256.h"
#include "checkpoints/zstd.h"
#include "data/conversations.h"
#include "data/parquet/parquet.h"
#include "data/row_json.h"
#include "tests/support/scratch.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define FIXTURES "tests/fixtures/parquet/"
#define SHARED   "../shared/data/parquet/"

struct text {
    char *s;
    size_t n;
};

static struct text read_whole(const char *path)
{
    struct text t = {0};
    struct stat st;
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fstat(fileno(f), &st), 0);
    t.n = (size_t)st.st_size;
    t.s = malloc(t.n + 1);
    assert_int_equal(fread(t.s, 1, t.n, f), t.n);
    t.s[t.n] = 0;
    fclose(f);
    return t;
}

static void skip_without_shared(void)
{
    if (!access(SHARED, F_OK)) return;
    printf("skip: no " SHARED "\n");
    skip();
}

/* All rows of an open file from the next one on, as JSON lines, or the error's code. */
static int rows_json(struct pq *p, struct text *out, struct err *e)
{
    const struct pq_datum *row;
    FILE *f = open_memstream(&out->s, &out->n);
    int code;
    while ((code = pq_next(p, &row, e)) == 1) {
        struct js_out w;
        js_out_init(&w, 0);
        row_put(&w, NULL, pq_schema(p), row);
        assert_int_equal(js_out_end(&w, e), 0);
        fprintf(f, "%s\n", w.text);
        js_out_free(&w);
    }
    fclose(f);
    return code;
}

static int file_json(const char *path, struct text *out, struct err *e)
{
    struct pq *p;
    int code = pq_open(&p, path, e);
    if (!code) code = rows_json(p, out, e);
    pq_close(p);
    return code;
}

/* ---- OpenThoughts3's schema, written by DuckDB ------------------------------------------------------------
 */

static struct text ot3_json(const char *path, uint64_t rows)
{
    struct err e = {0};
    struct text got = {0};
    uint64_t lines = 0;
    int code = file_json(path, &got, &e);
    if (code) fail_msg("%s", e.msg);
    for (size_t i = 0; i < got.n; i++) lines += got.s[i] == '\n';
    assert_int_equal(lines, rows);
    return got;
}

static void ot3_is_what_duckdb_wrote(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        uint64_t rows; /* from the front of the expected ones */
    } files[] = {{SHARED "ot3/ot3_snappy_v1.parquet", 604},
                 {SHARED "ot3/ot3_gzip_v1.parquet", 204},
                 {SHARED "ot3/ot3_uncompressed_v1.parquet", 204}};
    skip_without_shared();
    struct text expected = read_whole(SHARED "ot3/ot3_expected_600.jsonl");
    for (int i = 0; i < 3; i++) {
        struct text got = ot3_json(files[i].path, files[i].rows);
        assert_memory_equal(got.s, expected.s, got.n);
        assert_true(files[i].rows < 604 || got.n == expected.n);
        free(got.s);
    }
    free(expected.s);
}

static void ot3_zstd_in_two_row_groups(void **state)
{
    (void)state;
    skip_without_shared();
    struct err e = {0};
    struct text packed = read_whole(SHARED "ot3/ot3_expected_3000.jsonl.zst");
    struct text got = ot3_json(SHARED "ot3/ot3_zstd_v1.parquet", 3004);
    char *expected = malloc(got.n);
    int code = zstd_decompress(expected, got.n, packed.s, packed.n, &e); /* refuses any other length */
    if (code) fail_msg("%s", e.msg);
    assert_memory_equal(got.s, expected, got.n);
    free(expected), free(got.s), free(packed.s);
}

/* ---- what pyarrow reads -----------------------------------------------------------------------------------
 */

static void check_refused(const char *path, const char *kind, const char *word)
{
    struct err e = {0};
    struct text got = {0};
    int code = file_json(path, &got, &e);
    if (strcmp(err_name(code), kind) || !strstr(e.msg, word) || strncmp(e.msg, path, strlen(path)))
        fail_msg("%s: expected %s about '%s', got %s: %s", path, kind, word, err_name(code), e.msg);
    free(got.s);
}

/* `columns`: names of some, with commas between them, or "". */
static void check_digest(const char *path, const char *columns, const char *rows, const char *digest)
{
    char hex[SHA256_HEX], list[256], *at = list;
    const char *names[32];
    uint32_t n = 0;
    struct err e = {0};
    struct text got = {0};
    struct pq *p;
    if (pq_open(&p, path, &e)) fail_msg("%s", e.msg);
    snprintf(list, sizeof list, "%s", columns);
    for (char *name; (name = strsep(&at, ",")) && *name;) names[n++] = name;
    if (n) assert_int_equal(pq_select(p, names, n, &e), 0);
    assert_int_equal(pq_rows(p), atoi(rows));
    int code = rows_json(p, &got, &e);
    pq_close(p);
    if (code) fail_msg("%s", e.msg);
    assert_int_equal(sha256_hex(got.s, got.n, hex, NULL), 0);
    if (strcmp(hex, digest)) fail_msg("%s: rows differ from pyarrow's, e.g. %.300s", path, got.s);
    free(got.s);
}

/* Lines of `list`: "name rows sha256", "name refused KIND word", then perhaps "name only columns rows
 * sha256". Returns how many files they are. */
static int check_list(const char *list, const char *folder)
{
    char name[128], a[32], b[200], c[80], d[80], path[256];
    int n = 0;
    FILE *f = fopen(list, "r");
    assert_non_null(f);
    while (fscanf(f, "%127s %31s %199s", name, a, b) == 3) {
        snprintf(path, sizeof path, "%s%s", folder, name);
        if (!strcmp(a, "refused")) {
            assert_int_equal(fscanf(f, "%79s", c), 1);
            check_refused(path, b, c);
        } else if (!strcmp(a, "only")) {
            assert_int_equal(fscanf(f, "%79s %79s", c, d), 2);
            check_digest(path, b, c, d);
        } else {
            check_digest(path, "", a, b);
        }
        n += strcmp(a, "only") != 0;
    }
    fclose(f);
    return n;
}

/* Parquet files in a folder. */
static int count_files(const char *folder)
{
    int n = 0;
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (const struct dirent *f; (f = readdir(d));) n += strstr(f->d_name, ".parquet") != NULL;
    closedir(d);
    return n;
}

static void fixtures_are_what_pyarrow_reads(void **state)
{
    (void)state;
    assert_int_equal(check_list(FIXTURES "expected.txt", FIXTURES), count_files(FIXTURES));
}

static void apache_files_are_what_pyarrow_reads(void **state)
{
    (void)state;
    skip_without_shared();
    assert_int_equal(check_list(FIXTURES "apache.txt", SHARED),
                     count_files(SHARED "apache-good") + count_files(SHARED "apache-bad"));
}

/* ---- the reader's own promises ----------------------------------------------------------------------------
 */

static void memory_reads_like_a_file(void **state)
{
    (void)state;
    struct err e = {0};
    struct text file = read_whole(FIXTURES "nested.parquet"), a = {0}, b = {0};
    struct pq *p;
    assert_int_equal(pq_open_memory(&p, "memory", file.s, file.n, &e), 0);
    assert_int_equal(rows_json(p, &a, &e), 0);
    assert_int_equal(file_json(FIXTURES "nested.parquet", &b, &e), 0);
    assert_string_equal(a.s, b.s);
    pq_close(p);
    free(a.s), free(b.s), free(file.s);
}

static int64_t number_of(const struct pq_datum *row)
{
    assert_int_equal(row->items[0].kind, PQ_DATUM_INT);
    return row->items[0].i;
}

static void seeks_to_any_row(void **state)
{
    (void)state;
    static const uint64_t wanted[] = {0, 999, 1000, 1, 1999, 2499, 2000, 2001, 5};
    const struct pq_datum *row;
    struct err e = {0};
    struct pq *p;
    assert_int_equal(pq_open(&p, FIXTURES "groups.parquet", &e), 0);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        assert_int_equal(pq_seek(p, wanted[i], &e), 0);
        assert_int_equal(pq_next(p, &row, &e), 1);
        assert_int_equal(number_of(row), wanted[i]);
        assert_int_equal(pq_next(p, &row, &e), wanted[i] != 2499);
    }
    assert_int_equal(pq_seek(p, 2500, &e), 0);
    assert_int_equal(pq_next(p, &row, &e), 0);
    assert_int_equal(pq_seek(p, 2501, &e), ERR_FIELD_RANGE);
    pq_close(p);
}

/* A column that is not selected is never looked at: alltypes_plain has an INT96 that cannot be read. */
static void selects_columns(void **state)
{
    (void)state;
    skip_without_shared();
    static const char *const two[] = {"string_col", "id"}, *const twice[] = {"id", "id"},
                             *const none[] = {"x"};
    struct err e = {0};
    struct text got = {0};
    struct pq *p;
    assert_int_equal(pq_open(&p, SHARED "apache-good/alltypes_plain.snappy.parquet", &e), 0);
    assert_int_equal(pq_schema(p)->n_children, 11);
    assert_int_equal(pq_select(p, twice, 2, &e), ERR_DUP_KEY);
    e.code = 0;
    assert_int_equal(pq_select(p, none, 1, &e), ERR_COL_MISSING);
    assert_non_null(strstr(e.msg, "'x'"));
    assert_int_equal(pq_select(p, two, 2, &e), 0);
    assert_int_equal(rows_json(p, &got, &e), 0);
    assert_string_equal(got.s, "{\"string_col\":\"0\",\"id\":6}\n{\"string_col\":\"1\",\"id\":7}\n");
    pq_close(p);
    free(got.s);
}

static void refuses_what_is_no_file(void **state)
{
    (void)state;
    struct pq *p;
    struct err e = {0};
    assert_int_equal(pq_open(&p, "tests", &e), ERR_NOT_REGULAR);
    e.code = 0;
    assert_int_equal(pq_open(&p, FIXTURES "absent", &e), ERR_FILE_MISSING);
    assert_non_null(strstr(e.msg, "absent"));
    assert_null(p);
    assert_int_equal(mkfifo(scratch("fifo"), 0600), 0);
    assert_int_equal(pq_open(&p, scratch("fifo"), NULL), ERR_NOT_REGULAR);
}

static void notices_a_file_that_shrinks(void **state)
{
    (void)state;
    struct text file = read_whole(FIXTURES "groups.parquet");
    const char *path = scratch_write("shrinks.parquet", file.s, file.n);
    const struct pq_datum *row;
    struct err e = {0};
    struct pq *p;
    assert_int_equal(pq_open(&p, path, &e), 0);
    assert_int_equal(truncate(path, 100), 0);
    assert_int_equal(pq_next(p, &row, &e), ERR_CHANGED);
    pq_close(p);
    free(file.s);
}

/* ---- conversations ----------------------------------------------------------------------------------------
 */

static void text_is(struct conv_text t, const char *s)
{
    if (!s)
        assert_null(t.s);
    else {
        assert_non_null(t.s);
        assert_int_equal(t.n, strlen(s));
        assert_memory_equal(t.s, s, t.n);
    }
}

static void conversations_keep_every_null(void **state)
{
    (void)state;
    struct conv_file *f;
    struct conv_row r;
    struct err e = {0};
    assert_int_equal(conv_open(&f, FIXTURES "nulls-zstd-v2.parquet", &e), 0);
    assert_int_equal(conv_rows(f), 68);
    assert_int_equal(conv_next(f, &r, &e), 1); /* all null */
    assert_false(r.has_difficulty || r.has_turns || r.source.s || r.domain.s);
    assert_int_equal(conv_next(f, &r, &e), 1); /* no turns */
    assert_true(r.has_difficulty && r.has_turns && r.difficulty == 1 && r.n_turns == 0);
    text_is(r.source, "");
    text_is(r.domain, "math");
    assert_int_equal(conv_next(f, &r, &e), 1); /* a null turn */
    assert_int_equal(r.n_turns, 1);
    text_is(r.turns[0].from, NULL);
    assert_int_equal(conv_seek(f, 4, &e), 0);
    assert_int_equal(conv_next(f, &r, &e), 1);
    assert_int_equal(r.index, 4);
    assert_int_equal(r.n_turns, 3);
    text_is(r.turns[0].from, "human");
    text_is(r.turns[0].value, NULL);
    text_is(r.turns[1].from, NULL);
    text_is(r.turns[2].from, NULL);
    text_is(r.turns[2].value, "");
    assert_int_equal(conv_seek(f, 6, &e), 0);
    assert_int_equal(conv_next(f, &r, &e), 1);
    text_is(r.turns[1].value, "<think>\n0+0=0\n</think>\n\n0");
    assert_int_equal(conv_seek(f, 68, &e), 0);
    assert_int_equal(conv_next(f, &r, &e), 0);
    conv_close(f);
}

static void conversations_refuse_other_schemas(void **state)
{
    (void)state;
    struct conv_file *f;
    struct err e = {0};
    assert_int_equal(conv_open(&f, FIXTURES "groups.parquet", &e), ERR_COL_MISSING);
    assert_non_null(strstr(e.msg, "conversations"));
    assert_null(f);
    e.code = 0;
    assert_int_equal(conv_open(&f, FIXTURES "conv-strings.parquet", &e), ERR_COL_TYPE);
    assert_non_null(strstr(e.msg, "conversations"));
    e.code = 0;
    assert_int_equal(conv_open(&f, FIXTURES "conv-keys.parquet", &e), ERR_COL_MISSING);
    assert_non_null(strstr(e.msg, "'from'"));
    e.code = 0;
    assert_int_equal(conv_open(&f, FIXTURES "conv-difficulty.parquet", &e), ERR_COL_TYPE);
    assert_non_null(strstr(e.msg, "difficulty"));
    e.code = 0;
    assert_int_equal(conv_open(&f, FIXTURES "conv-both.parquet", &e), ERR_ROW_AMBIGUOUS);
    assert_non_null(strstr(e.msg, "\"messages\""));
}

/* ---- the command ------------------------------------------------------------------------------------------
 */

static int run(const char *args, struct text *out)
{
    char command[512];
    const char *build = getenv("TERSE_BUILD"), *log = scratch("out");
    snprintf(command, sizeof command, "%s/terse data %s >%s 2>&1", build ? build : "build", args, log);
    int status = system(command);
    *out = read_whole(log);
    return WEXITSTATUS(status);
}

static void command_exits_with(const char *args, int status, const char *says)
{
    struct text out;
    int got = run(args, &out);
    if (got != status || !strstr(out.s, says))
        fail_msg("terse data %s: status %d (expected %d): %s", args, got, status, out.s);
    free(out.s);
}

static void command_cats(void **state)
{
    (void)state;
    struct text out;
    assert_int_equal(run("cat " FIXTURES "groups.parquet -n 2 --skip 1999", &out), 0);
    assert_string_equal(out.s, "{\"i\":1999,\"s\":\"row 4\"}\n{\"i\":2000,\"s\":\"row 5\"}\n");
    free(out.s);
    assert_int_equal(run("cat " FIXTURES "groups.parquet " FIXTURES "groups.parquet -n 1 --skip 2503", &out),
                     0);
    assert_string_equal(out.s, "{\"i\":3,\"s\":\"row 3\"}\n");
    free(out.s);
    command_exits_with("", 0, "cat");
    command_exits_with("cat --help", 0, "--skip");
    command_exits_with("cat", 2, "no file");
    command_exits_with("cat --bogus x", 2, "bogus");
    command_exits_with("cut", 2, "cut");
    command_exits_with("cat " FIXTURES "absent", 1, "[FILE_MISSING]");
    command_exits_with("check " FIXTURES "nulls-zstd-v2.parquet tests/fuzz/seeds/jsonl/messages.zst", 0,
                       "messages.zst: 1 rows, 22 B of text");
    command_exits_with("check", 2, "no file");
    command_exits_with("check " FIXTURES "nulls-zstd-v2.parquet Makefile", 1, "[MAGIC]");
    command_exits_with("cat Makefile", 1, "[MAGIC]");
    command_exits_with("cat " FIXTURES "groups.parquet tests/fuzz/seeds/jsonl/array --skip 2500 -n 2", 0,
                       "{\"question\":\"],[\", \"answer\":\"\\\"\"}\n{\"question\":\"\\\\\",");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ot3_is_what_duckdb_wrote),
        cmocka_unit_test(ot3_zstd_in_two_row_groups),
        cmocka_unit_test(fixtures_are_what_pyarrow_reads),
        cmocka_unit_test(apache_files_are_what_pyarrow_reads),
        cmocka_unit_test(memory_reads_like_a_file),
        cmocka_unit_test(seeks_to_any_row),
        cmocka_unit_test(selects_columns),
        cmocka_unit_test(refuses_what_is_no_file),
        cmocka_unit_test(notices_a_file_that_shrinks),
        cmocka_unit_test(conversations_keep_every_null),
        cmocka_unit_test(conversations_refuse_other_schemas),
        cmocka_unit_test(command_cats),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
