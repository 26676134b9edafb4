/* terse ppo as a user types it: killed at 20 random moments it ends with the same adapter, byte for byte; so
 * it does with other numbers of threads and streams; every base, estimator and place of KL finds first ratios
 * of exactly 1. */
#include "checkpoints/file.h"
#include "checkpoints/sha256.h"
#include "tests/support/clock.h"
#include "tests/support/run.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { KILLS = 20 };

static char folder[256], log_path[300];

static const char tiny[] =
    "{\"architectures\": [\"Qwen2ForCausalLM\"], \"model_type\": \"qwen2\", \"hidden_act\": \"silu\","
    "\"hidden_size\": 64, \"intermediate_size\": 96, \"num_hidden_layers\": 2, \"num_attention_heads\": 2,"
    "\"num_key_value_heads\": 1, \"vocab_size\": 1024, \"max_position_embeddings\": 512, \"rms_norm_eps\": "
    "1e-6,"
    "\"rope_theta\": 10000.0, \"tie_word_embeddings\": true, \"torch_dtype\": \"bfloat16\", "
    "\"bos_token_id\": null,"
    "\"eos_token_id\": 1023, \"initializer_range\": 0.02}";

static char *read_text(const char *path)
{
    char *text;
    size_t n;
    struct err e = {0};
    if (file_load(path, 1 << 24, &text, &n, &e)) fail_msg("%s", e.msg);
    return text;
}

/* A model of noise that answers noise: enough to reward length, and to compare bits. */
static int setup(void **state)
{
    char path[400];
    (void)state;
    run_folder(folder, sizeof folder, "ppo");
    snprintf(log_path, sizeof log_path, "%s/log", folder);
    snprintf(path, sizeof path, "%s/config.json", folder);
    run_write(path, tiny);
    run_expect(0, log_path, "%s init --shape %s --tokenizer checkpoints/nano -o %s/base", run_terse(), path,
               folder);
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

static void digest(const char *name, char hex[SHA256_HEX])
{
    char path[600];
    struct err e = {0};
    snprintf(path, sizeof path, "%s/%s/adapter/adapter_model.safetensors", folder, name);
    if (sha256_file(path, hex, NULL, &e)) fail_msg("%s", e.msg);
}

static void a_killed_run_ends_with_the_same_bits(void **state)
{
    (void)state;
    char line[2048], want[SHA256_HEX], got[SHA256_HEX], start[SHA256_HEX];
    unsigned seed = 7;
    int alive = 0;
    double from = wall_seconds();
    command(line, sizeof line, "whole", "");
    run_expect(0, log_path, "%s", line);
    double whole = wall_seconds() - from;
    digest("whole", want);
    digest("sft", start);
    assert_string_not_equal(want, start);

    command(line, sizeof line, "killed", "");
    for (int i = 0; i < KILLS; i++) {
        pid_t pid = run_start(log_path, "%s", line);
        pause_for(whole * (rand_r(&seed) % 1000) / 1000.0 / 5 + 0.01);
        kill(pid, SIGKILL);
        alive += run_wait(pid) == 128 + SIGKILL;
    }
    run_expect(0, log_path, "%s", line);
    digest("killed", got);
    printf("%d of %d kills found the run alive\n", alive, KILLS);
    assert_true(alive >= KILLS / 2);
    assert_string_equal(got, want);

    command(line, sizeof line, "threads", "--threads 3 --streams 3");
    run_expect(0, log_path, "%s", line);
    digest("threads", got);
    assert_string_equal(got, want);
    command(line, sizeof line, "seed", "--seed 2");
    run_expect(0, log_path, "%s", line);
    digest("seed", got);
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
        char *text = read_text(path);
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
    char *log = read_text(log_path);
    if (!strstr(log, says)) fail_msg("%s: expected \"%s\" in: %s", extra, says, log);
    free(log);
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
        cmocka_unit_test(every_kind_of_run),
        cmocka_unit_test(mistakes),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
