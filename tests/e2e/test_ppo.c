/* terse ppo as a user types it: killed at 20 random moments it ends with the same adapter, byte for byte; so
 * it does with other numbers of threads and streams; every base, estimator and place of KL finds first ratios
 * of exactly 1. */
#include "tests/support/clock.h"
#include "tests/support/run.h"
#include "tests/support/small_base.h"
#include "tests/support/train_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { KILLS = 20, PROMPTS = 4, GROUP_OF = 2, ANSWERS = PROMPTS * GROUP_OF };

static char folder[256], log_path[300];

/* A model of noise that answers noise: enough to reward length, and to compare bits. */
static int setup(void **state)
{
    char path[400];
    (void)state;
    run_folder(folder, sizeof folder, "ppo");
    snprintf(log_path, sizeof log_path, "%s/log", folder);
    snprintf(path, sizeof path, "%s/base", folder);
    small_base(path, 1024, 1);
    run_expect(0, log_path,
               "%s sft -m %s/base --dataset data/nano/sft.parquet --max-samples 20 --output-dir %s/sft "
               "--cutoff-len 256 "
               "--lora-rank 8 --max-steps 2 --learning-rate 1e-2 --per-device-train-batch-size 1",
               run_terse(), folder, folder);
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
    snprintf(out, size,
             "%s ppo -m %s/base --adapter-name-or-path %s/sft/adapter --dataset data/nano/rl.parquet "
             "--max-samples 40 "
             "-o %s/%s --prompts-per-step 4 --num-generations 2 --response-length 24 --budgets 8,16 "
             "--truncated keep "
             "--learning-rate 1e-3 --num-mini-batches 2 --value-pretrain-epochs 2 --row-tokens 256 "
             "--total-steps 6 "
             "--save-steps 1 %s",
             run_terse(), folder, folder, folder, name, extra);
}

static const struct train_case runs = {folder, log_path, command};

static void digest(const char *name, char hex[SHA256_HEX])
{
    train_digest(&runs, name, hex);
}

static void a_killed_run_ends_with_the_same_bits(void **state)
{
    (void)state;
    char line[2048], want[SHA256_HEX], got[SHA256_HEX], start[SHA256_HEX];
    double from = wall_seconds();
    train_run(&runs, "whole", "");
    double whole = wall_seconds() - from;
    digest("whole", want);
    digest("sft", start);
    assert_string_not_equal(want, start);

    command(line, sizeof line, "killed", "");
    int alive = run_kill(log_path, line, KILLS, whole / 2.5, 7);
    run_expect(0, log_path, "%s", line);
    digest("killed", got);
    printf("%d of %d kills found the run alive\n", alive, KILLS);
    assert_true(alive >= KILLS / 4);
    assert_string_equal(got, want);

    train_run(&runs, "threads", "--threads 3 --streams 3 --recompute layer --prompt-cache 0");
    digest("threads", got);
    assert_string_equal(got, want);
}

/* Where a run went on, by what it said. */
enum { ANSWERING, LOOKING, LEARNING, PLACES };

struct went_on {
    int place;             /* -1: at the beginning of an iteration */
    int iteration, tokens; /* that the state held */
};

static struct went_on went_on(void)
{
    struct went_on w = {.place = -1};
    char *text = run_read(log_path), *with = strstr(text, " goes on with "),
         *after = strstr(text, " goes on after ");
    char *said = with ? with : after;
    int whole = 0;
    if (said) {
        while (said > text && said[-1] != ' ') said--;
        w.iteration = atoi(said);
    }
    if (with) {
        whole = atoi(with + strlen(" goes on with "));
        w.tokens = atoi(strstr(with, "whole, ") + strlen("whole, "));
        w.place = whole < ANSWERS ? ANSWERING : LOOKING;
    } else if (after)
        w.place = LEARNING;
    free(text);
    return w;
}

/* A metric of an iteration, or -1 where none was logged yet. */
static double metric_of(const char *run, int iteration, const char *key)
{
    char path[400], step[40];
    double x = -1;
    snprintf(path, sizeof path, "%s/%s/metrics.jsonl", folder, run);
    snprintf(step, sizeof step, "\"step\": %d,", iteration);
    if (access(path, F_OK)) return x;
    char *text = run_read(path), *line = strstr(text, step), *at = line ? strstr(line, key) : NULL;
    if (at) x = atof(at + strlen(key) + strlen("\": "));
    free(text);
    return x;
}

/* What was sampled before is not sampled again. */
static void nothing_twice(const char *run, const struct went_on *w)
{
    double length = metric_of(run, w->iteration, "completions/mean_length");
    if (w->place < 0 || length < 0) return; /* it was killed again before the iteration was told */
    double sampled = metric_of(run, w->iteration, "completions/sampled_tokens"), all = length * ANSWERS;
    double want = w->place == LEARNING ? 0 : all - w->tokens;
    if (sampled != want)
        fail_msg("iteration %d: %g tokens sampled of %g, %d from the state", w->iteration, sampled, all,
                 w->tokens);
}

/* With states within iterations: killed while it answers, looks and learns, it goes on just there. */
static void a_run_goes_on_within_an_iteration(void **state)
{
    (void)state;
    char line[2048], want[SHA256_HEX], got[SHA256_HEX];
    int found[PLACES] = {0}, alive = 0, kills = 0;
    double from = wall_seconds();
    train_run(&runs, "without", "--save-seconds 0 --num-ppo-epochs 2");
    double whole = wall_seconds() - from;
    digest("without", want);
    command(line, sizeof line, "within", "--save-seconds 0.005 --num-ppo-epochs 2");
    for (unsigned seed = 1; kills < 6 * KILLS; kills++) {
        if (kills >= KILLS && found[ANSWERING] && found[LEARNING]) break;
        alive += run_kill(log_path, line, 1, whole, seed++);
        struct went_on w = went_on();
        if (w.place >= 0) found[w.place]++;
        nothing_twice("within", &w);
        char path[400];
        snprintf(path, sizeof path, "%s/within/adapter", folder);
        if (access(path, F_OK)) continue; /* else it has come to its end: once more, from the beginning */
        snprintf(path, sizeof path, "%s/within", folder);
        run_folder_remove(path);
    }
    run_expect(0, log_path, "%s", line);
    digest("within", got);
    printf("%d of %d kills found it alive; it went on %d times in answers, %d in looking, %d in learning\n",
           alive, kills, found[ANSWERING], found[LOOKING], found[LEARNING]);
    assert_true(alive >= KILLS / 4 && found[ANSWERING] && found[LEARNING]); /* looking: test_ppo_state */
    assert_string_equal(got, want);
}

static void another_run_is_refused_or_overwritten(void **state)
{
    (void)state;
    train_overwrite(&runs, "killed", "--kl-coef 0.002", "kl_coef is 0.002 here");
}

/* config.yaml, written by a run, makes it again: also that no word of the budget is said. */
static void its_record_makes_the_run_again(void **state)
{
    (void)state;
    char want[SHA256_HEX], got[SHA256_HEX];
    train_run(&runs, "silent", "--total-steps 2 --budget-prompt ''");
    digest("silent", want);
    run_expect(0, log_path, "%s ppo --config %s/silent/config.yaml -o %s/silent2", run_terse(), folder,
               folder);
    digest("silent2", got);
    assert_string_equal(got, want);
    train_run(&runs, "told", "--total-steps 2");
    digest("told", got);
    assert_string_not_equal(got, want);
}

/* Clause 2 is asserted in every iteration: a run that ends well has kept it. */
static void every_kind_of_run(void **state)
{
    static const char *const extra[] = {
        "--base-dtype q8_0",
        "--base-dtype q4_0 --kl k2",
        "--base-dtype w4 --kl k3",
        "--compute-dtype fp32",
        "--estimator grpo --kl k3",
        "--estimator rloo --kl none",
        "--estimator dr_grpo --loss-mean constant --reward correct,kimi",
        "--vf-coef 0.1 --ent-coef 0.01 --kl-target 1",
        "--reward correct,barrier,format:0.1 --loss-mean sequence --think",
        "--alarm backoff --kl-limit 1e-9",
        "--temperature 0.7 --budget-start 3 --budget-steps 2",
    };
    (void)state;
    for (size_t i = 0; i < sizeof extra / sizeof *extra; i++) {
        char line[2048], name[16], path[400], more[256];
        snprintf(name, sizeof name, "kind%zu", i);
        snprintf(more, sizeof more, "--total-steps 2 %s", extra[i]);
        command(line, sizeof line, name, more);
        run_expect(0, log_path, "%s", line);
        snprintf(path, sizeof path, "%s/%s/metrics.jsonl", folder, name);
        char *text = run_read(path);
        if (!strstr(text, "\"val/first_ratio_low\": 1,") || !strstr(text, "\"val/first_ratio_high\": 1,"))
            fail_msg("%s: %s", extra[i], text);
        free(text);
    }
}

static void fails(const char *says, const char *extra)
{
    char line[2048];
    command(line, sizeof line, "fails", extra);
    run_expect(1, log_path, "%s", line);
    run_says(log_path, says);
}

static void mistakes(void **state)
{
    (void)state;
    fails("korrekt", "--reward korrekt");
    fails("budgets", "--budgets 0");
    fails("num_generations", "--estimator grpo --num-generations 1");
    fails("num_mini_batches", "--num-mini-batches 100");
    fails("ALARM", "--kl-limit 1e-12");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_killed_run_ends_with_the_same_bits),
        cmocka_unit_test(a_run_goes_on_within_an_iteration),
        cmocka_unit_test(another_run_is_refused_or_overwritten),
        cmocka_unit_test(its_record_makes_the_run_again),
        cmocka_unit_test(every_kind_of_run),
        cmocka_unit_test(mistakes),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
