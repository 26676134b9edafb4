/* Section YM for PPO runs: YM48, and what of the rest is said anew in their table of options. */
#include "checkpoints/file.h"
#include "checkpoints/yaml.h"
#include "rl/ppo_options.h"
#include "tests/support/config_case.h"
#include "tests/support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct run {
    struct ppo_config c;
    struct options o;
    struct err e;
};

/* A sound config and `more`, checked as a run would. */
static int check(struct run *r, const char *more)
{
    char text[4096];
    assert_int_equal(file_make_dirs(scratch("model/adapter"), NULL), 0);
    snprintf(text, sizeof text,
             "model_name_or_path: %s\nadapter_name_or_path: %s\ndataset: a.jsonl\noutput_dir: %s\n%s",
             scratch("model"), scratch("model/adapter"), scratch("out"), more);
    *r = (struct run){0};
    assert_int_equal(ppo_options_init(&r->o, &r->c, &r->e), 0);
    int code = yaml_read_options(text, strlen(text), "run.yaml", &r->o, &r->e);
    return code ? code : ppo_config_check(&r->c, &r->o, &r->e);
}

static const struct config_row rows[] = {
    {"sound", "seed: 2\n", 0, "", 0},
    {"YM48 clip 0", "cliprange: 0\n", ERR_FIELD_RANGE, "cliprange: \"0\" is too small", 0},
    {"YM48 clip < 0", "cliprange: -0.2\n", ERR_FIELD_RANGE, "cliprange: \"-0.2\"", 0},
    {"YM48 clip nan", "cliprange: .nan\n", ERR_FIELD_RANGE, "cliprange", 0},
    {"YM48 clip > 1", "cliprange: 1.01\n", ERR_FIELD_RANGE, "cliprange: \"1.01\" is too large", 0},
    {"YM48 clip 1", "cliprange: 1\n", 0, "", 0},
    {"YM48 high 0", "cliprange_high: 0\n", ERR_FIELD_RANGE, "cliprange_high", 0},
    {"YM48 high < 0", "cliprange_high: -1\n", ERR_FIELD_RANGE, "cliprange_high", 0},
    {"YM48 value < 0", "cliprange_value: -1\n", ERR_FIELD_RANGE, "cliprange_value", 0},
    {"YM48 gamma", "gamma: 1.5\n", ERR_FIELD_RANGE, "gamma: \"1.5\" is too large", 0},
    {"YM48 gamma 0", "gamma: 0\n", ERR_FIELD_RANGE, "gamma", 0},
    {"YM48 gamma 1", "gamma: 1\n", 0, "", 0},
    {"YM48 lam", "lam: 1.01\n", ERR_FIELD_RANGE, "lam: \"1.01\"", 0},
    {"YM48 lam < 0", "lam: -0.1\n", ERR_FIELD_RANGE, "lam", 0},
    {"YM48 lam_critic", "lam_critic: 2\n", ERR_FIELD_RANGE, "lam_critic", 0},
    {"YM48 kl_target", "kl_target: 0\n", ERR_FIELD_RANGE, "kl_target: \"0\" is too small", 0},
    {"YM48 kl_target < 0", "kl_target: -6\n", ERR_FIELD_RANGE, "kl_target", 0},
    {"YM48 kl_coef", "kl_coef: -0.1\n", ERR_FIELD_RANGE, "kl_coef", 0},
    {"YM48 kl_horizon", "kl_horizon: 0\n", ERR_FIELD_RANGE, "kl_horizon", 0},
    {"YM48 kl_limit", "kl_limit: 0\n", ERR_FIELD_RANGE, "kl_limit", 0},
    {"YM48 length_limit", "length_limit: 1.5\n", ERR_FIELD_RANGE, "length_limit", 0},
    {"YM48 temperature", "temperature: 0\n", ERR_FIELD_RANGE, "temperature", 0},
    {"YM05", "learning_rate: 0\n", ERR_FIELD_RANGE, "learning_rate", 0},
    {"YM44 beta", "adam_beta1: 1.0\n", ERR_FIELD_RANGE, "adam_beta1", 0},
    {"YM44 eps", "adam_epsilon: 0\n", ERR_FIELD_RANGE, "adam_epsilon", 0},
    {"YM44 clip", "max_grad_norm: 0\n", ERR_FIELD_RANGE, "max_grad_norm", 0},
    {"YM45", "seed: -1\n", ERR_FIELD_RANGE, "seed", 0},
    {"YM46 0", "threads: 0\n", ERR_FIELD_RANGE, "threads", 0},
    {"YM46 10^6", "threads: 1000000\n", ERR_FIELD_RANGE, "threads", 0},
    {"YM47 save", "save_steps: 0\n", ERR_FIELD_RANGE, "save_steps", 0},
    {"YM47 keep", "save_total_limit: 1\n", ERR_FIELD_RANGE, "save_total_limit", 0},
    {"YM49", "lora_rank: 8\n", ERR_CFG_CONFLICT, "\"lora_rank\" belongs to terse sft", 0},
    {"YM11", "total_steps: 0\n", ERR_FIELD_RANGE, "total_steps", 0},
    {"no answers", "num_generations: 0\n", ERR_FIELD_RANGE, "num_generations", 0},
    {"budget 0", "budgets: [128, 0]\n", ERR_FIELD_RANGE, "budgets: \"0\"", 0},
    {"budget of words", "budgets: [12x]\n", ERR_FIELD_RANGE, "budgets: \"12x\"", 0},
    {"budget 2^80", "budgets: [1208925819614629174706176]\n", ERR_FIELD_RANGE, "budgets", 0},
    {"17 budgets", "budgets: [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]\n", ERR_FIELD_RANGE, "at most 16",
     0},
    {"no budget", "budgets: []\n", ERR_FIELD_MISSING, "budgets", 0},
    {"no reward", "reward: []\n", ERR_FIELD_MISSING, "reward", 0},
    {"reward unknown", "reward: [korrekt]\n", ERR_FIELD_RANGE, "\"korrekt\" is no term", 0},
    {"reward twice", "reward: [correct, 'correct:2']\n", ERR_CFG_CONFLICT, "correct is given twice", 0},
    {"reward nan", "reward: ['correct:nan']\n", ERR_FIELD_TYPE, "correct:nan", 0},
    {"a group of one", "estimator: grpo\nnum_generations: 1\n", ERR_CFG_CONFLICT, "num_generations is 1", 0},
    {"empty mini-batches", "num_mini_batches: 5\nprompts_per_step: 2\nnum_generations: 2\n", ERR_CFG_CONFLICT,
     "num_mini_batches 5 of 4 answers", 0},
};

static void configs_are_checked(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct run r;
        config_row_check(&rows[i], check(&r, rows[i].text), &r.e);
        options_free(&r.o);
    }
    assert_false(file_exists(scratch("out"))); /* a check writes nothing */
}

/* What the command line says wins over the sound config. */
static void check_folders(const char *id, const char *key, const char *path, int code, const char *says)
{
    struct config_row row = {id, NULL, code, says, 0};
    struct run r;
    assert_int_equal(check(&r, ""), 0);
    assert_int_equal(options_set_text(&r.o, key, path, &r.e), 0);
    config_row_check(&row, ppo_config_check(&r.c, &r.o, &r.e), &r.e);
    options_free(&r.o);
}

static void folders_are_checked(void **state)
{
    (void)state;
    check_folders("YM32", "output_dir", scratch("model"), ERR_CFG_CONFLICT, "same folder");
    check_folders("YM32 adapter", "output_dir", scratch("model/adapter"), ERR_CFG_CONFLICT,
                  "adapter_name_or_path (run.yaml:2) and ");
    check_folders("YM33", "output_dir", "/dev/null/x", ERR_IO, "/dev/null");
    check_folders("YM35", "model_name_or_path", "/nowhere/model", ERR_FILE_MISSING, "/nowhere/model");
    check_folders("YM35 adapter", "adapter_name_or_path", "/nowhere/a", ERR_FILE_MISSING, "/nowhere/a");
    /* a run in the folder above the adapter's would write its own over it */
    assert_int_equal(file_make_dirs(scratch("run/adapter"), NULL), 0);
    struct run r;
    assert_int_equal(check(&r, ""), 0);
    assert_int_equal(options_set_text(&r.o, "adapter_name_or_path", scratch("run/adapter"), &r.e), 0);
    assert_int_equal(options_set_text(&r.o, "output_dir", scratch("run"), &r.e), 0);
    struct config_row over = {"over its own adapter", NULL, ERR_CFG_CONFLICT, "which the run writes to", 0};
    config_row_check(&over, ppo_config_check(&r.c, &r.o, &r.e), &r.e);
    options_free(&r.o);
}

static void our_recipes_are_sound(void **state)
{
    static const char *const recipes[] = {"recipes/nano-ppo.yaml", "recipes/nano-grpo-barrier.yaml",
                                          "recipes/qwen2.5-0.5b-gsm8k-ppo.yaml",
                                          "recipes/paper-3b-budget.yaml", "recipes/paper-7b-budget.yaml"};
    (void)state;
    for (size_t i = 0; i < sizeof recipes / sizeof *recipes; i++) {
        struct run r = {0};
        assert_int_equal(ppo_options_init(&r.o, &r.c, &r.e), 0);
        int code = yaml_load_options(recipes[i], &r.o, &r.e);
        if (!code) code = options_set_text(&r.o, "adapter_name_or_path", scratch("model/adapter"), &r.e);
        if (!code) code = options_set_text(&r.o, "output_dir", scratch("out"), &r.e);
        if (!code && i > 0) { /* whose users bring model and problems */
            code = options_set_text(&r.o, "model_name_or_path", "checkpoints/nano", &r.e);
            if (!code) code = options_set_text(&r.o, "dataset", "data/nano/rl.parquet", &r.e);
        }
        if (!code) code = ppo_config_check(&r.c, &r.o, &r.e);
        if (code) fail_msg("%s: %s", recipes[i], r.e.msg);
        assert_true(file_exists(r.c.dataset));
        options_free(&r.o);
    }
}

/* The record of a run is the run: what it says is read back as it was, text without characters too. */
static void a_record_is_the_run(void **state)
{
    static const char *const more[] = {
        "budget_prompt: \"\"\n",
        "budget_prompt: \"In {budget}:\\n\"\n",
        "budget_prompt: null\n",
        "system_prompt: \"\"\nkl_target: 6\n",
        "system_prompt: 'no'\nreward: ['correct:0.1', format]\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        struct run r, again;
        char digest[2][SHA256_HEX];
        assert_int_equal(check(&r, more[i]), 0);
        assert_int_equal(file_make_dirs(scratch("out"), NULL), 0);
        FILE *f = fopen(scratch("out/config.yaml"), "w");
        assert_non_null(f);
        options_dump_yaml(&r.o, f);
        fclose(f);
        again = (struct run){0};
        assert_int_equal(ppo_options_init(&again.o, &again.c, &again.e), 0);
        int code = yaml_load_options(scratch("out/config.yaml"), &again.o, &again.e);
        if (!code) code = ppo_config_check(&again.c, &again.o, &again.e);
        if (code) fail_msg("%s%s", more[i], again.e.msg);
        assert_int_equal(ppo_config_digest(&r.o, digest[0], NULL), 0);
        assert_int_equal(ppo_config_digest(&again.o, digest[1], NULL), 0);
        assert_string_equal(digest[0], digest[1]);
        assert_true(!r.c.budget_prompt == !again.c.budget_prompt);
        if (r.c.budget_prompt) assert_string_equal(r.c.budget_prompt, again.c.budget_prompt);
        assert_true(!r.c.system_prompt == !again.c.system_prompt);
        if (r.c.system_prompt) assert_string_equal(r.c.system_prompt, again.c.system_prompt);
        assert_true(r.c.kl_target == again.c.kl_target && r.c.cliprange_high == again.c.cliprange_high);
        options_free(&r.o);
        options_free(&again.o);
        assert_int_equal(file_remove_tree(scratch("out"), NULL), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(configs_are_checked),
        cmocka_unit_test(folders_are_checked),
        cmocka_unit_test(our_recipes_are_sound),
        cmocka_unit_test(a_record_is_the_run),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
