/* Section JL of the hostile inputs, what a file is: long, packed, damaged, changing; and rows that teach
 * nothing. JL44, digests of shards: test_shards. */
#include "checkpoints/hf_tokenizer.h"
#include "checkpoints/json_rows.h"
#include "data/build.h"
#include "data/conversations.h"
#include "tests/support/jl_case.h"
#include "tests/support/packed.h"
#include "tests/support/scratch.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- long lines and bombs
 * ---------------------------------------------------------------------------------- */

/* In a process of its own, whose memory is measured. Sanitizers need more for themselves. */
static void check_small(const char *id, const char *path, int code, const char *says)
{
    int status;
    struct rusage u;
    pid_t pid = fork();
    if (!pid) _exit(jl_check(id, path, code, says));
    assert_int_equal(wait4(pid, &status, 0, &u), pid);
    assert_int_equal(status, 0);
#ifndef __SANITIZE_ADDRESS__
    if (u.ru_maxrss >= 65 << 10) fail_msg("%s takes %ld KiB", id, u.ru_maxrss);
#endif
}

/* A row of n bytes, its newline not counted. */
static const char *long_row(const char *name, size_t n)
{
    static const char head[] = "{\"question\":\"q\",\"answer\":\"", tail[] = "\"}\n";
    char *text = malloc(n + 1);
    memset(text, 'a', n);
    memcpy(text, head, sizeof head - 1);
    memcpy(text + n + 2 - sizeof tail, tail, sizeof tail - 1);
    const char *path = scratch_write(name, text, n + 1);
    free(text);
    return path;
}

static void long_lines(void **state)
{
    (void)state;
    enum { MOST = 64 << 20 };
    const char *path = long_row("a.jsonl", (size_t)MOST + 1);
    check_small("JL08", path, ERR_LINE_LEN, ".jsonl:1");
    assert_int_equal(truncate(path, 10ll << 30), 0);
    check_small("JL09 behind a long line", path, ERR_LINE_LEN, ".jsonl:1");
    path = scratch_write("a.jsonl", GOOD, sizeof GOOD - 1);
    assert_int_equal(truncate(path, 10ll << 30), 0);
    check_small("JL09", path, ERR_LINE_LEN, ".jsonl:2");
    path = scratch_write("a.json", "[\"", 2);
    assert_int_equal(truncate(path, 10ll << 30), 0);
    check_small("JL09 array", path, ERR_LINE_LEN, ".json:1");
    unlink(path);
    assert_int_equal(jl_check("64 MiB", long_row("a.jsonl", MOST), 0, ""), 0);
}

static void bombs(void **state)
{
    (void)state;
    struct packed p = {0};
    packed_zstd_run(&p, 'a', (10ull << 30) >> 17, 20);
    check_small("JL09 zstd", scratch_write("a.jsonl.zst", p.s, p.n), ERR_LINE_LEN, ".zst:1");
    p.n = 0;
    packed_zstd_run(&p, '\n', (10ull << 30) >> 17, 20);
    check_small("blank lines", scratch_write("a.jsonl.zst", p.s, p.n), ERR_BOMB, "decompress to");
    p.n = 0;
    packed_zstd_run(&p, '\n', 10, 26);
    check_small("window", scratch_write("a.jsonl.zst", p.s, p.n), ERR_TOO_LARGE, "--long");
    p.n = 0;
    packed_zstd_run(&p, '\n', 10, 25);
    check_small("largest window", scratch_write("a.jsonl.zst", p.s, p.n), ERR_DATA_EMPTY, "no rows");
    free(p.s);
}

/* ---- compressed files
 * --------------------------------------------------------------------------------------- */

static void jl42_magic(void **state)
{
    (void)state;
    struct packed gz = {0}, zst = {0};
    int failed = 0;
    packed_gzip(&gz, T(GOOD));
    packed_zstd(&zst, T(GOOD));
    failed +=
        jl_check("JL42 gzip", scratch_write("a.jsonl", gz.s, gz.n), ERR_MAGIC, "its first bytes say gzip");
    failed +=
        jl_check("JL42 zstd", scratch_write("b.json", zst.s, zst.n), ERR_MAGIC, "its first bytes say zstd");
    failed +=
        jl_check("zstd as gzip", scratch_write("a.jsonl.gz", zst.s, zst.n), ERR_MAGIC, "name says gzip");
    failed += jl_check("plain as gzip", scratch_write("b.jsonl.gz", T(GOOD)), ERR_MAGIC, "say plain text");
    failed += jl_check("plain as Parquet", scratch_write("a.parquet", T(GOOD)), ERR_PQ_MAGIC, "PAR1");
    failed += jl_check("Parquet as JSON", scratch_write("a.json", T("PAR1 and more")), ERR_PQ_MAGIC, "PAR1");
    failed +=
        jl_check("prose", scratch_write("README.md", T("# Data\n")), ERR_MAGIC, "expected a file named");
    failed += jl_check("nothing", scratch_write("empty", T("")), ERR_MAGIC, "expected a file named");
    failed += jl_check("no name", scratch_write("blob", gz.s, gz.n), 0, "");
    assert_int_equal(failed, 0);
    free(gz.s), free(zst.s);
}

/* Cut anywhere, or with a byte changed: an error, or the very rows. */
static void damage(const char *name, struct packed *p, int code)
{
    uint64_t rows;
    struct err e = {0};
    assert_int_equal(jl_read(scratch_write(name, p->s, p->n), &rows, &e), 0);
    for (size_t cut = 4; cut < p->n; cut++) {
        e.code = 0;
        int got = jl_read(scratch_write(name, p->s, cut), &rows, &e);
        if (got != code) fail_msg("%s cut at %zu: %s: %s", name, cut, err_name(got), e.msg);
    }
    for (size_t at = 0; at < p->n; at++) {
        e.code = 0;
        p->s[at] ^= 0x55;
        int got = jl_read(scratch_write(name, p->s, p->n), &rows, &e);
        if (got ? e.code != got || !*e.msg : rows != 1) fail_msg("%s, byte %zu: %s", name, at, err_name(got));
        p->s[at] ^= 0x55;
    }
    p->s = realloc(p->s, p->n + 1);
    p->s[p->n] = 'x';
    assert_int_equal(jl_check("bytes behind", scratch_write(name, p->s, p->n + 1), code, name), 0);
    free(p->s);
}

static void damaged_files(void **state)
{
    (void)state;
    struct packed gz = {0}, zst = {0};
    packed_gzip(&gz, T(GOOD));
    damage("a.jsonl.gz", &gz, ERR_GZIP);
    packed_zstd(&zst, T(GOOD));
    damage("a.jsonl.zst", &zst, ERR_ZSTD);
}

/* ---- files that change
 * -------------------------------------------------------------------------------------- */

static void jl46_shrinks(void **state)
{
    (void)state;
    struct conv_file *f;
    struct conv_row r;
    struct err e = {0};
    const char *path = scratch_write("a.jsonl", T(GOOD GOOD GOOD));
    assert_int_equal(conv_open(&f, path, &e), 0);
    assert_int_equal(truncate(path, sizeof GOOD - 1), 0);
    assert_int_equal(conv_next(f, &r, &e), 1);
    assert_int_equal(conv_next(f, &r, &e), ERR_CHANGED);
    assert_non_null(strstr(e.msg, "shrank"));
    conv_close(f);
}

/* JL50: places of rows are kept in memory, and void when the file is written to. */
static void jl50_rewritten_in_place(void **state)
{
    (void)state;
    struct conv_file *f;
    struct conv_row r;
    struct err e = {0};
    const char *path = scratch_write("a.jsonl", T(GOOD GOOD GOOD));
    assert_int_equal(conv_open(&f, path, &e), 0);
    assert_int_equal(conv_next(f, &r, &e), 1);
    int fd = open(path, O_WRONLY); /* as it is now, not another file of that name */
    assert_int_equal(pwrite(fd, T("\n\n\n"), 1), 3);
    close(fd);
    struct timespec long_ago[2] = {{1, 0}, {1, 0}};
    assert_int_equal(utimensat(AT_FDCWD, path, long_ago, 0), 0);
    assert_int_equal(conv_seek(f, 0, &e), ERR_CHANGED);
    conv_close(f);
}

/* Rows of 1 MiB up to the 4 GiB and over. */
static int megabytes(void *ctx, void *out, size_t n, size_t *got, struct err *e)
{
    uint64_t *at = ctx;
    (void)e;
    size_t left = (size_t)(0x100000 - (*at & 0xfffff));
    *got = n < left ? n : left;
    memset(out, 'x', *got);
    *at += *got;
    if (!(*at & 0xfffff)) ((char *)out)[*got - 1] = '\n';
    return 0;
}

static void offsets_have_64_bits(void **state)
{
    (void)state;
    uint64_t at = 0;
    struct json_rows r = {.name = "x", .source = {megabytes, &at}, .form = JSON_LINES};
    for (uint64_t i = 0; i < 4098; i++) {
        assert_int_equal(json_rows_skip(&r, NULL), 1);
        assert_true(r.offset == i << 20 && r.line == i + 1 && r.ended);
    }
    at = 4097ull << 20;
    json_rows_restart(&r, at, 4098);
    assert_int_equal(json_rows_skip(&r, NULL), 1);
    assert_true(r.offset == 4097ull << 20 && r.line == 4098);
    json_rows_clear(&r);
}

static void jl48_not_regular(void **state)
{
    (void)state;
    assert_int_equal(jl_check("JL48 folder", "tests", ERR_NOT_REGULAR, "tests"), 0);
    assert_int_equal(mkfifo(scratch("fifo.jsonl"), 0600), 0);
    assert_int_equal(jl_check("JL48 FIFO", scratch("fifo.jsonl"), ERR_NOT_REGULAR, "fifo"), 0);
    assert_int_equal(jl_check("absent", scratch("absent.jsonl"), ERR_FILE_MISSING, "absent"), 0);
}

/* ---- rows that teach nothing
 * --------------------------------------------------------------------------------- */

/* Left out and counted; when there is no other, that is DATA_EMPTY, which says why. */
static const struct {
    const char *id, *text, *says;
} unlearned[] = {
    {"JL24", ROW(""), "1 empty"},
    {"JL27", ROW("{\"role\":\"sytem\",\"content\":\"s\"}," USER), "1 with bad roles"},
    {"JL31", ROW(USER), "1 without an answer"},
    {"JL32", ROW(USER ",{\"role\":\"assistant\",\"content\":\"\"}"), "1 without an answer"},
    {"JL33", ROW("{\"role\":\"assistant\",\"content\":\"a\"}," USER), "1 with bad roles"},
    {"JL34",
     ROW("{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"system\",\"content\":\"s\"}," USER
         ",{\"role\":\"assistant\",\"content\":\"a\"}"),
     "1 with bad roles"},
    {"JL35",
     ROW("{\"role\":\"user\",\"content\":\"one two three four five six seven eight nine ten eleven twelve\"},"
         "{\"role\":\"assistant\",\"content\":\"a\"}"),
     "1 without an answer within cutoff_len 8"},
};

static struct tokenizer *tokenizer;

static int build(const char *const *files, uint32_t n, uint32_t cutoff, struct build_report *r, struct err *e)
{
    struct build_config c = {.files = files,
                             .n_files = n,
                             .tokenizer = tokenizer,
                             .cutoff_len = cutoff,
                             .vocab = (uint32_t)tokenizer_vocab(tokenizer)};
    return data_build(scratch("set"), &c, r, e);
}

static void rows_that_teach_nothing_are_counted(void **state)
{
    (void)state;
    struct build_report r;
    for (size_t i = 0; i < sizeof unlearned / sizeof *unlearned; i++) {
        struct err e = {0};
        const char *path = scratch_write("a.jsonl", unlearned[i].text, strlen(unlearned[i].text));
        int code = build(&path, 1, i + 1 == sizeof unlearned / sizeof *unlearned ? 8 : 512, &r, &e);
        if (code != ERR_DATA_EMPTY || !strstr(e.msg, unlearned[i].says))
            fail_msg("%s: %s: %s", unlearned[i].id, err_name(code), e.msg);
    }
}

static void jl45_jl47_sources(void **state)
{
    (void)state;
    struct build_report r;
    struct err e = {0};
    const char *path = scratch_write("a.jsonl", T(GOOD));
    const char *both[] = {path, scratch_write("b.jsonl", T(GOOD))};
    assert_int_equal(build(both, 2, 512, &r, &e), ERR_DUP_SHARD); /* JL47, by its bytes */
    e.code = 0;
    assert_int_equal(build(&path, 1, 512, &r, &e), 0);
    assert_true(!r.reused && r.docs == 1);
    assert_int_equal(build(&path, 1, 512, &r, &e), 0);
    assert_true(r.reused);
    scratch_write("a.jsonl", T(GOOD GOOD)); /* JL45: what is made of a file that has changed is made anew */
    assert_int_equal(build(&path, 1, 512, &r, &e), 0);
    assert_true(!r.reused && r.docs == 2);
}

static int setup(void **state)
{
    return scratch_setup(state) || hf_tokenizer_load(&tokenizer, "checkpoints/nano", 0, NULL);
}

static int teardown(void **state)
{
    tokenizer_free(tokenizer);
    return scratch_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_lines),
        cmocka_unit_test(bombs),
        cmocka_unit_test(jl42_magic),
        cmocka_unit_test(damaged_files),
        cmocka_unit_test(jl46_shrinks),
        cmocka_unit_test(jl48_not_regular),
        cmocka_unit_test(offsets_have_64_bits),
        cmocka_unit_test(jl50_rewritten_in_place),
        cmocka_unit_test(rows_that_teach_nothing_are_counted),
        cmocka_unit_test(jl45_jl47_sources),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
