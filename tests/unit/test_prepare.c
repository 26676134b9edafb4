/* A build in stages: what it makes is what data_build makes of the same rows, the same bytes however often it
 * was killed, and it does nothing twice that is there. */
#include "checkpoints/file.h"
#include "data/build.h"
#include "tests/support/build_case.h"
#include "tests/support/scratch.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const files[] = {"tests/fixtures/build/rows.parquet", "data/nano/mix-test.parquet",
                                    "data/nano/mix.parquet"};
enum { FILES = 3 };

/* ---- the same documents -------------------------------------------------------------------------------- */

enum { ROWS = 4096 };

/* at[source][row]: the document of a row, from 1; 0: none. */
static void docs_find(struct shards *s, uint32_t at[FILES][ROWS])
{
    memset(at, 0, FILES * sizeof *at);
    for (uint64_t i = 0; i < shards_docs(s); i++) {
        struct shard_doc d;
        assert_int_equal(shards_doc(s, i, &d, NULL), 0);
        assert_true(d.source < FILES && d.source_row < ROWS);
        at[d.source][d.source_row] = (uint32_t)i + 1;
    }
}

static void assert_same_doc(struct shards *a, uint64_t i, struct shards *b, uint64_t k)
{
    static uint32_t x[4096], y[4096];
    struct shard_doc d, f;
    assert_int_equal(shards_doc(a, i, &d, NULL) || shards_doc(b, k, &f, NULL), 0);
    assert_int_equal(d.n, f.n);
    assert_int_equal(d.header_at, f.header_at);
    assert_int_equal(d.response_at, f.response_at);
    assert_int_equal(d.domain, f.domain);
    assert_int_equal(d.n_spans, f.n_spans);
    assert_memory_equal(d.spans, f.spans, d.n_spans * sizeof *d.spans);
    assert_int_equal(shards_read(a, i, x, NULL), 0);
    assert_int_equal(shards_read(b, k, y, NULL), 0);
    assert_memory_equal(x, y, d.n * sizeof *x);
}

static void the_documents_of_data_build(void **state)
{
    (void)state;
    static uint32_t at[FILES][ROWS];
    for (int learn = LEARN_LAST; learn <= LEARN_ALL; learn++) {
        struct shards *a, *b;
        struct build_report r;
        struct prepare_config c = build_case_config("set", files, FILES);
        c.rules.learn = (enum build_learn)learn;
        struct build_config other = {.files = files,
                                     .n_files = FILES,
                                     .tokenizer = build_case_tokenizer,
                                     .cutoff_len = 512,
                                     .learn = c.rules.learn,
                                     .vocab = (uint32_t)tokenizer_vocab(build_case_tokenizer)};
        struct prepare_report report = build_case_run(&c);
        assert_int_equal(data_build(scratch("plain"), &other, &r, NULL), 0);
        assert_int_equal(shards_open(&a, scratch("set"), 0, NULL), 0);
        assert_int_equal(shards_open(&b, scratch("plain"), 0, NULL), 0);
        assert_int_equal(shards_docs(a), shards_docs(b));
        assert_int_equal(report.docs, r.docs);
        assert_int_equal(report.tokens, r.tokens);
        assert_int_equal(report.cut, r.cut);
        docs_find(a, at);
        for (uint64_t i = 0; i < shards_docs(b); i++) {
            struct shard_doc d;
            assert_int_equal(shards_doc(b, i, &d, NULL), 0);
            assert_true(at[d.source][d.source_row]);
            assert_same_doc(a, at[d.source][d.source_row] - 1, b, i);
        }
        shards_close(a), shards_close(b);
    }
}

/* ---- killed -------------------------------------------------------------------------------------------- */

struct end {
    uint64_t left; /* ticks until it ends; UINT64_MAX: never */
    int signal;    /* 0: asks to stop */
};

static int end_at(void *ctx, enum prepare_stage stage, uint64_t done, uint64_t total)
{
    struct end *end = ctx;
    (void)stage;
    assert_true(done <= total);
    if (end->left-- > 0) return 0;
    if (end->signal) raise(end->signal);
    return 1;
}

static struct prepare_config killed_config(const char *name)
{
    struct prepare_config c = build_case_config(name, files, FILES);
    c.shard_tokens = 8192;
    c.select.val_size = 0.1;
    static const char *const eval[] = {"data/nano/test.parquet"};
    c.decontaminate = eval, c.n_decontaminate = 1;
    return c;
}

/* Runs until it is killed at tick `at`, in a process of its own with `threads`; true when it got to its end.
 */
static bool killed_run(uint64_t at, unsigned threads)
{
    struct end end = {at, SIGKILL};
    struct prepare_config c = killed_config("killed");
    struct prepare_report r;
    c.progress = end_at, c.ctx = &end;
    pid_t child = fork();
    if (child == 0) {
        if (pool_create(&c.pool, threads, NULL)) _exit(1);
        _exit(prepare_run(&c, &r, NULL) != 0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status)) return false;
    assert_int_equal(WEXITSTATUS(status), 0);
    return true;
}

static void killed_anywhere_the_same_bytes(void **state)
{
    (void)state;
    struct prepare_config c = killed_config("whole");
    struct prepare_report r = build_case_run(&c);
    assert_true(r.docs > 500 && r.held_out > 50);
    const char *whole = build_case_digest("whole");
    int kills = 0;
    for (uint64_t at = 0; at < 60; at += 9) { /* each begun anew, killed once, gone on with */
        file_remove_tree(scratch("killed"), NULL), file_remove_tree(scratch("killed-eval"), NULL);
        file_remove_tree(scratch("killed.work"), NULL);
        if (killed_run(at, 1 + at % 3)) break;
        kills++;
        assert_true(killed_run(UINT64_MAX, 1));
        assert_string_equal(build_case_digest("killed"), whole);
        assert_false(file_exists(scratch("killed.tmp")) || file_exists(scratch("killed-eval.tmp")));
    }
    assert_in_range(kills, 2, 6);
    file_remove_tree(scratch("killed"), NULL), file_remove_tree(scratch("killed-eval"), NULL);
    file_remove_tree(scratch("killed.work"), NULL);
    for (uint64_t at = 1; !killed_run(at, 2); at += 11) continue; /* killed again and again */
    assert_string_equal(build_case_digest("killed"), whole);
}

static void asked_to_stop_it_goes_on(void **state)
{
    (void)state;
    struct end end = {6, 0};
    struct prepare_config c = killed_config("stopped");
    struct prepare_report r;
    struct err e = {0};
    c.progress = end_at, c.ctx = &end;
    assert_int_equal(prepare_run(&c, &r, &e), ERR_INTERRUPTED);
    assert_non_null(strstr(e.msg, "goes on"));
    end.left = UINT64_MAX;
    build_case_run(&c);
    assert_string_equal(build_case_digest("stopped"), build_case_digest("whole"));
}

/* ---- nothing twice ------------------------------------------------------------------------------------- */

static void a_changed_recipe_makes_what_it_must(void **state)
{
    (void)state;
    struct prepare_config c = build_case_config("cheap", files, FILES);
    struct prepare_report r = build_case_run(&c);
    assert_int_equal(r.scanned, 3);
    assert_int_equal(r.sheaves, 3);
    r = build_case_run(&c);
    assert_true(r.reused);
    assert_int_equal(r.scanned + r.sheaves + r.flagged, 0);
    assert_true(r.docs > 500);
    c.select.answers = 1, c.select.choose = CHOOSE_MAJORITY; /* another choice: nothing is scanned */
    r = build_case_run(&c);
    assert_int_equal(r.scanned, 0);
    assert_int_equal(r.sheaves, 3);
    static const char *const eval[] = {"data/nano/test.parquet"};
    c.decontaminate = eval, c.n_decontaminate = 1; /* flags, and no facts */
    r = build_case_run(&c);
    assert_int_equal(r.scanned, 0);
    assert_int_equal(r.flagged, 3);
    c.ngram = 8;
    assert_int_equal(build_case_run(&c).flagged, 3);
    static const char *const more[] = {"tests/fixtures/build/rows.parquet", "data/nano/test.parquet",
                                       "data/nano/mix.parquet"};
    c.files = more; /* one file is another one */
    r = build_case_run(&c);
    assert_int_equal(r.scanned, 1);
    assert_int_equal(r.flagged, 1);
    c.rules.system = "Be kind."; /* other tokens: all of them */
    assert_int_equal(build_case_run(&c).scanned, 3);
}

static void what_is_damaged_is_made_again(void **state)
{
    (void)state;
    char command[3 * FILE_PATH];
    struct prepare_config c = build_case_config("damaged", files, FILES);
    build_case_run(&c);
    const char *whole = build_case_digest("damaged");
    snprintf(command, sizeof command,
             "for f in %s/facts-*; do printf x | dd of=$f bs=1 seek=200 conv=notrunc status=none; done",
             c.work);
    assert_int_equal(system(command), 0);
    assert_true(build_case_run(&c).reused); /* nobody looked at them */
    scratch_write("damaged/shard-00000.h5", "damaged", 7);
    struct prepare_report r = build_case_run(&c);
    assert_int_equal(r.scanned, 3);
    assert_string_equal(build_case_digest("damaged"), whole);
    assert_int_equal(unlink(scratch("damaged/report.json")), 0);
    r = build_case_run(&c); /* killed between the shards and the report */
    assert_int_equal(r.scanned + r.sheaves, 0);
    assert_string_equal(build_case_digest("damaged"), whole);
}

static int stop_before_gather(void *ctx, enum prepare_stage stage, uint64_t done, uint64_t total)
{
    (void)ctx, (void)total;
    return stage == PREPARE_GATHER && done > 0;
}

/* A frame is not what was written: said, and made again once it is removed. A table is: made again at once.
 */
static void damaged_sheaves_are_seen(void **state)
{
    (void)state;
    char command[3 * FILE_PATH];
    struct prepare_report r;
    struct err e = {0};
    struct prepare_config c = build_case_config("torn", files, FILES);
    c.progress = stop_before_gather;
    assert_int_equal(prepare_run(&c, &r, NULL), ERR_INTERRUPTED);
    assert_int_equal(r.sheaves, 3);
    c.progress = NULL;
    snprintf(command, sizeof command,
             "for f in %s/sheaf-*; do printf x | dd of=$f bs=1 seek=40 conv=notrunc status=none; done",
             c.work);
    assert_int_equal(system(command), 0);
    assert_true(prepare_run(&c, &r, &e) < 0);
    assert_int_equal(r.sheaves, 0);
    assert_non_null(strstr(e.msg, "remove the file"));
    assert_false(file_exists(scratch("torn/manifest.json")));
    snprintf(command, sizeof command,
             "for f in %s/sheaf-*; do printf x | dd of=$f bs=1 seek=$(($(stat -c %%s $f) - 200)) "
             "conv=notrunc status=none; done",
             c.work);
    assert_int_equal(system(command), 0);
    r = build_case_run(&c);
    assert_int_equal(r.sheaves, 3);
    assert_int_equal(r.scanned, 0);
}

/* ---- what it will take --------------------------------------------------------------------------------- */

static struct prepare_forecast forecasts[2];
static int n_forecasts;

static void hear(void *ctx, const struct prepare_forecast *f)
{
    (void)ctx;
    assert_true(n_forecasts < 2);
    forecasts[n_forecasts++] = *f;
}

static void assert_near(double got, double want, double share)
{
    if (got < want * (1 - share) || got > want * (1 + share)) fail_msg("%g, expected %g", got, want);
}

/* 3,000 rows of up to 5 `longest` words, in the middle a third of that where it says so. */
static void forecast_of(const char *name, int longest, bool uneven, double tokens_within)
{
    enum { N = 3000 };
    char *text, file[64];
    size_t size;
    FILE *f = open_memstream(&text, &size);
    for (int i = 0; i < N; i++) {
        int words = (longest + i * 7919 % (4 * longest)) / (uneven && i > 1400 && i < 1600 ? 3 : 1);
        fprintf(f, "{\"question\": \"What is %d plus %d?\", \"answer\": \"", i, i % 7);
        for (int k = 0; k <= words; k++) fprintf(f, "and then %d ", k * i % 1000);
        fputs("\"}\n", f);
    }
    fclose(f);
    snprintf(file, sizeof file, "%s.jsonl", name);
    const char *path = scratch_write(file, text, size);
    struct prepare_config c = build_case_config(name, &path, 1);
    c.forecast = hear, n_forecasts = 0;
    struct prepare_report r = build_case_run(&c);
    assert_int_equal(n_forecasts, 2);
    assert_true(!forecasts[0].exact && forecasts[1].exact);
    assert_int_equal(forecasts[0].rows, N);
    assert_int_equal(forecasts[1].tokens, r.tokens);
    assert_int_equal(forecasts[1].text, r.scan_bytes);
    assert_near((double)forecasts[0].text, (double)r.scan_bytes, 0.03);
    assert_near((double)forecasts[0].tokens, (double)r.tokens, tokens_within);
    free(text);
}

static void forecast(void **state)
{
    (void)state;
    forecast_of("uneven", 15, true, 0.08);
    forecast_of("cut", 60, false, 0.04); /* half of the rows at cutoff_len */
}

static void refuses(void **state)
{
    (void)state;
    static const char *const twice[] = {"data/nano/mix.parquet", "./data/nano/mix.parquet"},
                             *const absent[] = {"no/such.parquet"};
    struct prepare_report r;
    struct err e = {0};
    struct prepare_config c = build_case_config("refused", twice, 2);
    assert_int_equal(prepare_run(&c, &r, NULL), ERR_DUP_SHARD);
    c.files = absent, c.n_files = 1;
    assert_int_equal(prepare_run(&c, &r, NULL), ERR_FILE_MISSING);
    c.files = files, c.select.min_tokens = 100000;
    assert_int_equal(prepare_run(&c, &r, &e), ERR_DATA_EMPTY);
    assert_non_null(strstr(e.msg, "under min_tokens"));
    struct file_lock lock;
    assert_int_equal(file_lock_take(&lock, scratch("refused.work/lock"), NULL), 0);
    assert_int_equal(prepare_run(&c, &r, NULL), ERR_LOCKED);
    file_lock_release(&lock);
    assert_false(file_exists(scratch("refused")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_documents_of_data_build),
        cmocka_unit_test(killed_anywhere_the_same_bytes),
        cmocka_unit_test(asked_to_stop_it_goes_on),
        cmocka_unit_test(a_changed_recipe_makes_what_it_must),
        cmocka_unit_test(what_is_damaged_is_made_again),
        cmocka_unit_test(damaged_sheaves_are_seen),
        cmocka_unit_test(forecast),
        cmocka_unit_test(refuses),
    };
    return cmocka_run_group_tests(tests, build_case_setup, build_case_teardown);
}
