/* terse bench ppo, as a user types it, of a small shape: every phase of an iteration is there and takes its
 * time. */
#include "checkpoints/file.h"
#include "tests/support/run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char shape[] =
    "{\"architectures\": [\"Qwen2ForCausalLM\"], \"model_type\": \"qwen2\", \"hidden_act\": \"silu\","
    "\"hidden_size\": 64, \"intermediate_size\": 96, \"num_hidden_layers\": 2, \"num_attention_heads\": 2,"
    "\"num_key_value_heads\": 1, \"vocab_size\": 1024, \"max_position_embeddings\": 512, \"rms_norm_eps\": "
    "1e-6,"
    "\"rope_theta\": 10000.0, \"tie_word_embeddings\": true, \"torch_dtype\": \"bfloat16\", "
    "\"bos_token_id\": null,"
    "\"eos_token_id\": 1023, \"initializer_range\": 0.02}";

static char args[512];

static int setup(void **state)
{
    char path[300];
    (void)state;
    run_setup(state);
    snprintf(path, sizeof path, "%s/config.json", run_dir);
    run_write(path, shape);
    snprintf(
        args, sizeof args,
        "bench ppo --shape %s --lora-rank 8 --prompts-per-step 3 --num-generations 4 --streams 8 --prompt 70 "
        "--response-length 9 --row-tokens 200 --num-ppo-epochs 2 --iterations 2",
        path);
    return 0;
}

/* The number behind a key in the object that says {"test": TEST. */
static double number(const char *text, const char *test, const char *key)
{
    char start[64], quoted[64];
    snprintf(start, sizeof start, "{\"test\": \"%s\"", test),
        snprintf(quoted, sizeof quoted, "\"%s\": ", key);
    const char *row = strstr(text, start), *at = row ? strstr(row, quoted) : NULL;
    if (!at) fail_msg("no %s of %s in %s", key, test, text);
    return atof(at + strlen(quoted));
}

static void every_phase_takes_its_time(void **state)
{
    static const char *const phases[] = {"prefill", "decode", "reward", "look", "reference", "policy"};
    (void)state;
    run_expect(0, run_log, "%s %s -o json >%s", run_terse(), args, run_out);
    char *text = run_read(run_out);
    double sum = 0, all = number(text, "iteration", "seconds");
    for (size_t i = 0; i < sizeof phases / sizeof *phases; i++) {
        double seconds = 1e-9 * number(text, phases[i], "ns");
        assert_true(seconds > 0);
        sum += seconds;
    }
    assert_true(sum > 0.999 * all && sum < 1.001 * all);
    assert_int_equal((int)number(text, "iteration", "answer_tokens"), 3 * 4 * 9);
    assert_true(number(text, "iteration", "rollout_to_infer") > 0.05);
    double ratio = number(text, "iteration", "policy_to_sft");
    assert_true(ratio > 0.1 && ratio < 10);
    assert_true(number(text, "limits", "fma_gflop_s") > 0);
    assert_false(file_exists("(null)")); /* it has no folder to save a state in */
    free(text);
}

static void for_people(void **state)
{
    (void)state;
    run_expect(0, run_log, "%s %s -o md >%s", run_terse(), args, run_out);
    run_says(run_out, "| policy | bf16 |");
    run_says(run_out, "an iteration of 108 answer tokens takes ");
    run_says(run_out, "a policy step takes ");
}

static void mistakes(void **state)
{
    (void)state;
    run_expect(1, run_log, "%s %s --num-mini-batches 13", run_terse(), args);
    run_says(run_log, "num_mini_batches 13 of 12 answers");
    run_expect(1, run_log, "%s bench ppo --shape qwen9", run_terse());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_phase_takes_its_time),
        cmocka_unit_test(for_people),
        cmocka_unit_test(mistakes),
    };
    return cmocka_run_group_tests(tests, setup, run_teardown);
}
