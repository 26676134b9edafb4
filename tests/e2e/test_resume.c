/* Killed at 20 random moments and resumed each time, a run ends with the same adapter, byte for byte, as one
 * that was left alone; so does one with another number of threads. */
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

enum { KILLS = 20, STEPS = 40 };

static char folder[256], log_path[300];

static const char tiny[] =
    "{\"architectures\": [\"Qwen2ForCausalLM\"], \"model_type\": \"qwen2\", \"hidden_act\": \"silu\","
    "\"hidden_size\": 64, \"intermediate_size\": 96, \"num_hidden_layers\": 2, \"num_attention_heads\": 2,"
    "\"num_key_value_heads\": 1, \"vocab_size\": 1024, \"max_position_embeddings\": 512, \"rms_norm_eps\": "
    "1e-6,"
    "\"rope_theta\": 10000.0, \"tie_word_embeddings\": true, \"torch_dtype\": \"bfloat16\", "
    "\"bos_token_id\": null,"
    "\"eos_token_id\": 1023, \"initializer_range\": 0.02}";

static int setup(void **state)
{
    char path[400];
    (void)state;
    run_folder(folder, sizeof folder, "resume");
    snprintf(log_path, sizeof log_path, "%s/log", folder);
    snprintf(path, sizeof path, "%s/config.json", folder);
    run_write(path, tiny);
    run_expect(0, log_path, "%s init --shape %s --tokenizer checkpoints/nano -o %s/base", run_terse(), path,
               folder);
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

static void digest(const char *name, char hex[SHA256_HEX])
{
    char path[600];
    struct err e = {0};
    snprintf(path, sizeof path, "%s/%s/adapter/adapter_model.safetensors", folder, name);
    if (sha256_file(path, hex, NULL, &e)) fail_msg("%s", e.msg);
}

/* Kills after a random part of what a whole run takes; returns how many kills found the run alive. */
static int kill_and_resume(const char *line, double whole, unsigned *seed)
{
    int alive = 0;
    for (int i = 0; i < KILLS; i++) {
        pid_t pid = run_start(log_path, "%s", line);
        pause_for(whole * (rand_r(seed) % 1000) / 1000.0 / 12 + 0.05);
        kill(pid, SIGKILL);
        alive += run_wait(pid) == 128 + SIGKILL;
    }
    return alive;
}

static void a_killed_run_ends_with_the_same_bits(void **state)
{
    (void)state;
    char line[2048], want[SHA256_HEX], got[SHA256_HEX];
    unsigned seed = 7;
    double start = wall_seconds();
    command(line, sizeof line, "whole", "");
    run_expect(0, log_path, "%s", line);
    double whole = wall_seconds() - start;
    digest("whole", want);

    command(line, sizeof line, "killed", "");
    int alive = kill_and_resume(line, whole, &seed);
    run_expect(0, log_path, "%s", line);
    digest("killed", got);
    printf("%d of %d kills found the run alive\n", alive, KILLS);
    assert_true(alive >= KILLS / 2);
    assert_string_equal(got, want);

    command(line, sizeof line, "threads", "--threads 3");
    run_expect(0, log_path, "%s", line);
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
    assert_true(status == 75 || status == 0);
    run_expect(0, log_path, "%s", line);
    digest("interrupted", got);
    assert_string_equal(got, want);
}

/* Whatever a state holds is needed: another value of it, and the run ends elsewhere or refuses. */
static void a_changed_setting_is_refused(void **state)
{
    (void)state;
    char line[2048];
    command(line, sizeof line, "whole", "--seed 9");
    run_expect(1, log_path, "%s", line);
    command(line, sizeof line, "whole", "--learning-rate 2e-3");
    run_expect(1, log_path, "%s", line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_killed_run_ends_with_the_same_bits),
        cmocka_unit_test(an_interrupted_run_saves_and_says_how_to_go_on),
        cmocka_unit_test(a_changed_setting_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
