/* terse sft on several sets: mixed by weights, one of them ready shards, killed and resumed to the same bits;
 * what the metrics say of each; and which sets a run goes on with. */
#include "tests/support/clock.h"
#include "tests/support/run.h"
#include "tests/support/small_base.h"
#include "tests/support/train_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { KILLS = 8, STEPS = 30 };

static char folder[256], log_path[300];

static void command_of(char *out, size_t size, const char *dataset, const char *name, const char *extra)
{
    snprintf(out, size,
             "%s sft -m %s/base --dataset %s --output-dir %s/%s --cutoff-len 256 --lora-rank 8 "
             "--lora-dropout 0.1 --max-steps %d --learning-rate 1e-3 --train-batch-size 2 --save-steps 1 "
             "--threads 1 %s",
             run_terse(), folder, dataset, folder, name, STEPS, extra);
}

/* A set that is gone through several times, ready, and a larger one of files. */
static void mixed(char *out, size_t size, const char *name, const char *shares, const char *extra)
{
    char dataset[700], more[200];
    snprintf(dataset, sizeof dataset, "%s/ready,data/nano/mix.parquet", folder);
    snprintf(more, sizeof more, "--mix-strategy interleave_over --interleave-probs %s %s", shares, extra);
    command_of(out, size, dataset, name, more);
}

static void command(char *out, size_t size, const char *name, const char *extra)
{
    mixed(out, size, name, "0.75,0.25", extra);
}

static const struct train_case runs = {folder, log_path, command};

static int setup(void **state)
{
    char path[400], line[2048], extra[400];
    (void)state;
    run_folder(folder, sizeof folder, "mix");
    snprintf(log_path, sizeof log_path, "%s/log", folder);
    snprintf(path, sizeof path, "%s/base", folder);
    small_base(path, 1024, 1);
    snprintf(extra, sizeof extra, "--tokenized-path %s/ready --max-samples 40 --val-size 0.2", folder);
    command_of(line, sizeof line, "data/nano/sft.parquet", "first", extra);
    run_expect(0, log_path, "%s", line);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    run_folder_remove(folder);
    return 0;
}

static void a_killed_mixture_ends_with_the_same_bits(void **state)
{
    (void)state;
    char line[2048], want[SHA256_HEX], got[SHA256_HEX];
    double start = wall_seconds();
    train_run(&runs, "whole", "");
    double whole = wall_seconds() - start;
    train_digest(&runs, "whole", want);
    command(line, sizeof line, "killed", "");
    run_kill(log_path, line, KILLS, whole / 3 + 0.1, 7);
    run_expect(0, log_path, "%s", line);
    train_digest(&runs, "killed", got);
    assert_string_equal(got, want);
}

/* The number behind `key` in a line of metrics. */
static double number(const char *line, const char *key)
{
    const char *at = strstr(line, key);
    assert_non_null(at);
    return strtod(at + strlen(key), NULL);
}

/* 40 ready conversations are gone through more often than the others; both by their shares. */
static void metrics_tell_the_passes_over_each_set(void **state)
{
    (void)state;
    char path[600];
    snprintf(path, sizeof path, "%s/killed/metrics.jsonl", folder);
    char *text = run_read(path), *last = text;
    for (char *p = text; (p = strchr(p, '\n')) && p[1];) last = ++p;
    double ready = number(last, "\"epoch/ready\":"), mix = number(last, "\"epoch/mix\":");
    assert_int_equal(run_lines(path), STEPS);
    assert_true(ready > 1 && mix > 0 && mix < ready);
    free(text);
}

static void another_mixture_is_another_run(void **state)
{
    (void)state;
    char line[2048];
    mixed(line, sizeof line, "killed", "0.5,0.5", "");
    run_expect(1, log_path, "%s", line);
    run_says(log_path, "interleave_probs is [\"0.5\", \"0.5\"] here");
    command_of(line, sizeof line, "data/nano/mix.parquet", "killed", "");
    run_expect(1, log_path, "%s", line);
    run_says(log_path, "dataset is [");
}

/* The same names, but what stands in the ready folder is no longer what the state was made with. */
static void a_set_that_changed_is_refused(void **state)
{
    (void)state;
    char line[2048], extra[400];
    run_expect(0, log_path, "mv %s/ready %s/away", folder, folder);
    snprintf(extra, sizeof extra, "--tokenized-path %s/ready --max-samples 41 --val-size 0.2", folder);
    command_of(line, sizeof line, "data/nano/sft.parquet", "second", extra);
    run_expect(0, log_path, "%s", line);
    command(line, sizeof line, "killed", "");
    run_expect(1, log_path, "%s", line);
    run_says(log_path, "DATA_HASH");
    run_expect(0, log_path, "rm -r %s/ready", folder);
    run_expect(0, log_path, "mv %s/away %s/ready", folder, folder);
    run_expect(0, log_path, "%s", line);
}

static void what_ready_shards_cannot_be_told(void **state)
{
    (void)state;
    static const struct {
        const char *dataset, *extra, *says;
    } rows[] = {
        {"ready", "--max-samples 3", "max_samples was settled when"},
        {"ready", "--system-prompt x", "system_prompt was settled when"},
        {"ready", "--cutoff-len 16", "build the shards anew"},
        {"ready", "--interleave-probs 1", "needs mix_strategy"},
        {"ready", "--mix-strategy interleave_under --interleave-probs 1,2", "has 2 values"},
        {"ready", "--mix-strategy interleave_under --interleave-probs 0", "no share above 0"},
        {"ready", "--mix-strategy interleave_under --interleave-probs x", "no share above 0"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char dataset[300], line[2048];
        snprintf(dataset, sizeof dataset, "%s/%s", folder, rows[i].dataset);
        command_of(line, sizeof line, dataset, "refused", rows[i].extra);
        run_expect(1, log_path, "%s", line);
        run_says(log_path, rows[i].says);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_killed_mixture_ends_with_the_same_bits),
        cmocka_unit_test(metrics_tell_the_passes_over_each_set),
        cmocka_unit_test(another_mixture_is_another_run),
        cmocka_unit_test(a_set_that_changed_is_refused),
        cmocka_unit_test(what_ready_shards_cannot_be_told),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
