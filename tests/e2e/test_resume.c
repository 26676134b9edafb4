/* Killed at 20 random moments and resumed each time, a run ends with the same adapter, byte for byte, as one
 * that was left alone; so does one with another number of threads. */
#include "tests/support/clock.h"
#include "tests/support/run.h"
#include "tests/support/small_base.h"
#include "tests/support/train_case.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { KILLS = 20, STEPS = 40 };

static char folder[256], log_path[300];

static int setup(void **state)
{
    char path[400];
    (void)state;
    run_folder(folder, sizeof folder, "resume");
    snprintf(log_path, sizeof log_path, "%s/log", folder);
    snprintf(path, sizeof path, "%s/base", folder);
    small_base(path, 1024, 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    run_folder_remove(folder);
    return 0;
}

static void command(char *out, size_t size, const char *name, const char *extra)
{
    snprintf(
        out, size,
        "%s sft -m %s/base --dataset data/nano/sft.parquet --max-samples 120 --output-dir %s/%s "
        "--tokenized-path %s/tokens --cutoff-len 256 --lora-rank 16 --lora-dropout 0.1 --max-steps %d "
        "--learning-rate 1e-3 --per-device-train-batch-size 2 --gradient-accumulation-steps 2 --save-steps 1 "
        "--val-size 0.1 --eval-steps 10 %s",
        run_terse(), folder, folder, name, folder, STEPS, extra);
}

static const struct train_case runs = {folder, log_path, command};

static void digest(const char *name, char hex[SHA256_HEX])
{
    train_digest(&runs, name, hex);
}

static void a_killed_run_ends_with_the_same_bits(void **state)
{
    (void)state;
    char line[2048], want[SHA256_HEX], got[SHA256_HEX];
    double start = wall_seconds();
    train_run(&runs, "whole", "");
    double whole = wall_seconds() - start;
    digest("whole", want);

    command(line, sizeof line, "killed", "");
    int alive = run_kill(log_path, line, KILLS, whole / 6 + 0.1, 7);
    run_expect(0, log_path, "%s", line);
    digest("killed", got);
    printf("%d of %d kills found the run alive\n", alive, KILLS);
    assert_true(alive >= KILLS / 4);
    assert_string_equal(got, want);

    run_expect(0, log_path, "%s sft --config %s/whole/config.yaml --output-dir %s/threads --threads 3",
               run_terse(), folder, folder);
    digest("threads", got);
    assert_string_equal(got, want);
}

static void an_interrupted_run_saves_and_says_how_to_go_on(void **state)
{
    (void)state;
    char line[2048], want[SHA256_HEX], got[SHA256_HEX];
    digest("whole", want);
    command(line, sizeof line, "interrupted", "");
    pid_t pid = run_start(log_path, "%s", line);
    pause_for(0.3);
    kill(pid, SIGINT);
    int status = run_wait(pid);
    /* 130 when it came before the signals were caught, 0 when all was over already */
    assert_true(status == 75 || status == 130 || status == 0);
    run_expect(0, log_path, "%s", line);
    digest("interrupted", got);
    assert_string_equal(got, want);
}

static void another_run_is_refused_or_overwritten(void **state)
{
    (void)state;
    train_overwrite(&runs, "killed", "--learning-rate 2e-3", "learning_rate is 0.002 here");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_killed_run_ends_with_the_same_bits),
        cmocka_unit_test(an_interrupted_run_saves_and_says_how_to_go_on),
        cmocka_unit_test(another_run_is_refused_or_overwritten),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
