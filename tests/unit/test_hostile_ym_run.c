/* Section YM: what a config means as a whole: pairs of keys, folders, the model, the machine; and our
 * recipes. */
#include "checkpoints/file.h"
#include "checkpoints/yaml.h"
#include "tests/support/config_case.h"
#include "tests/support/scratch.h"

#include <linux/capability.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void make_folder(const char *path)
{
    assert_int_equal(file_make_dirs(path, NULL), 0);
}

static bool has_line(const char *text, const char *key)
{
    for (const char *at = text; (at = strstr(at, key)); at++)
        if (at == text || at[-1] == '\n') return true;
    return false;
}

/* A file of the required keys (those that `more` lacks) and `more`; returns the code of the whole check. */
static int check_config(struct sft_case *r, const char *more, int argc, const char *const *argv)
{
    char text[4096];
    make_folder(scratch("model"));
    snprintf(text, sizeof text, "model_name_or_path: %s\n%s%s\n%s\n%s", scratch("model"),
             has_line(more, "output_dir:") ? "" : "output_dir: ",
             has_line(more, "output_dir:") ? "" : scratch("out"),
             has_line(more, "dataset:") ? "" : "dataset: a.parquet", more);
    sft_case_init(r);
    int code = options_parse_args(&r->o, argc, (char **)(uintptr_t)argv, &r->e);
    if (!code) code = yaml_read_options(text, strlen(text), "run.yaml", &r->o, &r->e);
    return code ? code : sft_config_check(&r->c, &r->o, &r->e);
}

#define SHA "0123456789abcdef0123456789abcdef0123456789abcdef0123456789ABCDEF"
static const struct config_row check_rows[] = {
    {"sound", "seed: 1\n", 0, "", 0},
    {"YM36 file", "dataset: file:///etc/passwd\n", ERR_URL_SCHEME, "dataset (run.yaml:", 0},
    {"YM36 ftp", "dataset: ftp://h/x#sha256=" SHA "\n", ERR_URL_SCHEME, "ftp://h/x", 0},
    {"YM36 http", "dataset: [a.parquet, 'http://h/x']\n", ERR_URL_SCHEME, "http://h/x", 0},
    {"YM36 eval", "eval_dataset: HTTP://h/x\n", ERR_URL_SCHEME, "eval_dataset", 0},
    {"YM37", "dataset: https://me:secret@h/x#sha256=" SHA "\n", ERR_URL_CRED, "dataset", 0},
    {"YM38", "dataset: https://h/x.parquet\n", ERR_URL_HASH, "https://h/x.parquet", 0},
    {"YM38 63",
     "dataset: 'https://h/x#sha256=123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'\n",
     ERR_URL_HASH, "64 hex", 0},
    {"YM38 not hex",
     "dataset: 'https://h/x#sha256=g123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'\n",
     ERR_URL_HASH, "64 hex", 0},
    {"YM38 good", "dataset: 'https://h/x#sha256=" SHA "'\n", ERR_URL_SCHEME, "fetch https://h/x", 0},
    {"YM39", "max_steps: 10\nnum_train_epochs: 1\n", ERR_CFG_CONFLICT, "max_steps (run.yaml:", 0},
    {"YM40", "max_steps: 10\nwarmup_steps: 11\n", ERR_FIELD_RANGE, "warmup_steps: 11 of a run of 10", 0},
    {"YM40 ratio", "warmup_ratio: 1.5\n", ERR_FIELD_RANGE, "warmup_ratio", 0},
    {"YM40 both", "warmup_ratio: 0.5\nwarmup_steps: 3\n", ERR_CFG_CONFLICT, "warmup_ratio", 0},
    {"YM41", "train_batch_size: 10\ngradient_accumulation_steps: 4\n", ERR_CFG_CONFLICT,
     "train_batch_size 10 (run.yaml:", 0},
    {"YM41 three", "train_batch_size: 8\ngradient_accumulation_steps: 4\nper_device_train_batch_size: 1\n",
     ERR_CFG_CONFLICT, "per_device_train_batch_size 1", 0},
    {"eval twice", "eval_dataset: b.parquet\nval_size: 0.1\n", ERR_CFG_CONFLICT, "val_size", 0},
    {"target", "lora_target: [q_proj, w_proj]\n", ERR_AD_TARGET, "w_proj", 0},
    {"no target", "lora_target: []\n", ERR_AD_TARGET, "lora_target is empty", 0},
    {"report", "report_to: wandb\n", ERR_FIELD_RANGE, "wandb", 0},
    {"report none", "report_to: [none, jsonl]\n", ERR_CFG_CONFLICT, "report_to", 0},
    {"dense quantised", "tuning: dense\nbase_dtype: q8_0\n", ERR_CFG_CONFLICT, "base_dtype (run.yaml:", 0},
    {"fp32 quantised", "compute_dtype: fp32\nbase_dtype: q4_0\n", ERR_CFG_CONFLICT,
     "base_dtype (run.yaml:", 0},
    {"dense adapter", "tuning: dense\nadapter_name_or_path: /tmp\n", ERR_CFG_CONFLICT, "adapter_name_or_path",
     0},
    {"no adapter", "adapter_name_or_path: /nowhere/at/all\n", ERR_FILE_MISSING, "/nowhere/at/all", 0},
    {"no state", "resume_from_checkpoint: /nowhere\n", ERR_FILE_MISSING, "/nowhere", 0},
    {"output is a file", "output_dir: /dev/null/x\n", ERR_IO, "/dev/null", 0},
};

static void configs_are_checked(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof check_rows / sizeof *check_rows; i++) {
        struct sft_case r;
        config_row_check(&check_rows[i], check_config(&r, check_rows[i].text, 0, NULL), &r.e);
        assert_null(strstr(r.e.msg, "secret"));
        options_free(&r.o);
    }
    assert_false(file_exists(scratch("out"))); /* a check writes nothing */
}

static void the_command_line_settles_pairs(void **state)
{
    (void)state;
    struct sft_case r;
    const char *const steps[] = {"sft", "max_steps=20", "--per-device-train-batch-size", "3"};
    int code = check_config(&r, "num_train_epochs: 2\ntrain_batch_size: 8\ngradient_accumulation_steps: 2\n",
                            4, steps);
    if (code) fail_msg("%s", r.e.msg);
    assert_int_equal(r.c.max_steps, 20);
    assert_true(r.c.num_train_epochs == 0);
    assert_int_equal(r.c.rows_per_step, 6);
    options_free(&r.o);
    const char *const epochs[] = {"sft", "num_train_epochs=0.5"};
    assert_int_equal(
        check_config(&r, "max_steps: 9\ntrain_batch_size: 8\ngradient_accumulation_steps: 2\n", 2, epochs),
        0);
    assert_int_equal(r.c.max_steps, 0);
    assert_true(r.c.num_train_epochs == 0.5);
    assert_int_equal(r.c.per_device_train_batch_size, 4);
    assert_int_equal(r.c.lora_targets, 127);
    assert_true(r.c.report_jsonl && r.c.report_tensorboard);
    options_free(&r.o);
}

static void folders_are_checked(void **state)
{
    (void)state;
    struct sft_case r;
    char more[512];
    snprintf(more, sizeof more, "output_dir: %s/../model/\n", scratch("model"));
    struct config_row ym32 = {"YM32", NULL, ERR_CFG_CONFLICT, "same folder", 0};
    config_row_check(&ym32, check_config(&r, more, 0, NULL), &r.e);
    options_free(&r.o);
    struct config_row ym35 = {"YM35", NULL, ERR_FILE_MISSING, "model_name_or_path: /nowhere/model", 0};
    const char *const model[] = {"sft", "model_name_or_path=/nowhere/model"};
    config_row_check(&ym35, check_config(&r, "seed: 1\n", 2, model), &r.e);
    options_free(&r.o);
}

/* Root may write anywhere by its capabilities: the child gives them up, and then only modes count. */
static void drop_capabilities(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}, {0}};
    if (syscall(SYS_capset, &head, none)) _exit(3);
}

static void output_dir_must_be_writable(void **state)
{
    (void)state;
    char more[512];
    struct sft_case r;
    int status;
    make_folder(scratch("locked"));
    assert_int_equal(chmod(scratch("locked"), 0555), 0);
    snprintf(more, sizeof more, "output_dir: %s\n", scratch("locked/run/deep"));
    assert_int_equal(check_config(&r, more, 0, NULL), geteuid() ? ERR_EACCES : 0);
    r.e = (struct err){0};
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        drop_capabilities();
        int code = sft_config_check(&r.c, &r.o, &r.e);
        _exit(code != ERR_EACCES ? 1 : !strstr(r.e.msg, "output_dir: cannot write to ") ? 2 : 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0); /* YM33 */
    options_free(&r.o);
}

static void another_run_is_refused(void **state)
{
    (void)state;
    struct sft_case r;
    make_folder(scratch("out"));
    assert_int_equal(check_config(&r, "lora_rank: 64\nnum_train_epochs: 1\n", 0, NULL), 0);
    FILE *f = fopen(scratch("out/config.yaml"), "w");
    assert_non_null(f);
    options_dump_yaml(&r.o, f);
    fclose(f);
    options_free(&r.o);
    struct config_row ym34 = {"YM34", NULL, ERR_RUN_MISMATCH, "lora_rank is 32 here (run.yaml:", 0};
    config_row_check(&ym34, check_config(&r, "lora_rank: 32\nnum_train_epochs: 1\n", 0, NULL), &r.e);
    options_free(&r.o);
    struct config_row same = {"YM34 same", NULL, 0, "", 0};
    config_row_check(
        &same, check_config(&r, "lora_rank: 64\nnum_train_epochs: 1\nlogging_steps: 7\n", 0, NULL), &r.e);
    options_free(&r.o);
    const char *const over[] = {"sft", "--overwrite-output-dir"};
    struct config_row overwrite = {"YM34 overwrite", NULL, 0, "", 0};
    config_row_check(&overwrite, check_config(&r, "lora_rank: 32\n", 2, over), &r.e);
    options_free(&r.o);
    scratch_write("out/config.yaml", "seed: [", 7);
    struct config_row broken = {"YM34 broken", NULL, ERR_RUN_MISMATCH, "cannot be read", 0};
    config_row_check(&broken, check_config(&r, "lora_rank: 32\n", 0, NULL), &r.e);
    options_free(&r.o);
    assert_int_equal(file_remove_tree(scratch("out"), NULL), 0);
}

static void model_and_steps_are_checked(void **state)
{
    (void)state;
    struct sft_case r;
    struct model_config m = {.width = 896, .max_positions = 4096};
    int64_t warmup = -1;
    assert_int_equal(check_config(&r, "cutoff_len: 4097\nlora_rank: 897\nwarmup_steps: 11\n", 0, NULL), 0);
    struct config_row ym42 = {"YM42 model", NULL, ERR_FIELD_RANGE, "cutoff_len: 4097 tokens", 0};
    config_row_check(&ym42, sft_config_check_model(&r.c, &r.o, &m, &r.e), &r.e);
    r.e = (struct err){0};
    m.max_positions = 8192;
    struct config_row ym43 = {"YM43", NULL, ERR_AD_RANK, "lora_rank: 897", 0};
    config_row_check(&ym43, sft_config_check_model(&r.c, &r.o, &m, &r.e), &r.e);
    r.e = (struct err){0};
    struct config_row ym40 = {"YM40 total", NULL, ERR_FIELD_RANGE, "warmup_steps: 11", 0};
    config_row_check(&ym40, sft_config_check_steps(&r.c, &r.o, 10, &warmup, &r.e), &r.e);
    assert_int_equal(sft_config_check_steps(&r.c, &r.o, 11, &warmup, NULL), 0);
    assert_int_equal(warmup, 11);
    options_free(&r.o);
    assert_int_equal(check_config(&r, "warmup_ratio: 0.1\n", 0, NULL), 0);
    assert_int_equal(sft_config_check_steps(&r.c, &r.o, 101, &warmup, NULL), 0);
    assert_int_equal(warmup, 11); /* ceil, as Trainer */
    options_free(&r.o);
}

static void resources_are_checked(void **state)
{
    (void)state;
    struct sft_case r;
    assert_int_equal(check_config(&r, "memory_limit: 1GiB\n", 0, NULL), 0);
    assert_int_equal(sft_config_check_resources(&r.c, 1000, 1 << 20, NULL), 0);
    struct config_row ym55 = {"YM55", NULL, ERR_PREFLIGHT_DISK, "", 0};
    config_row_check(&ym55, sft_config_check_resources(&r.c, 1ull << 60, 0, &r.e), &r.e);
    r.e = (struct err){0};
    struct config_row ym56 = {"YM56", NULL, ERR_PREFLIGHT_MEM,
                              "needs 2.00 GiB of memory and memory_limit is 1.00 GiB", 0};
    config_row_check(&ym56, sft_config_check_resources(&r.c, 0, 1ull << 31, &r.e), &r.e);
    r.e = (struct err){0};
    r.c.memory_limit = 0;
    struct config_row machine = {"YM56 machine", NULL, ERR_PREFLIGHT_MEM, "available", 0};
    config_row_check(&machine, sft_config_check_resources(&r.c, 0, 1ull << 60, &r.e), &r.e);
    options_free(&r.o);
}

static void our_recipes_are_sound(void **state)
{
    (void)state;
    static const char *const recipes[] = {
        "recipes/nano-base.yaml",      "recipes/nano-base-2.yaml",      "recipes/nano-dense.yaml",
        "recipes/nano-sft.yaml",       "recipes/qwen2.5-0.5b-sft.yaml", "recipes/paper-3b-sft.yaml",
        "recipes/paper-3b-dense.yaml", "recipes/paper-7b-sft.yaml",     "recipes/paper-7b-dense.yaml"};
    for (size_t i = 0; i < sizeof recipes / sizeof *recipes; i++) {
        struct sft_case r;
        sft_case_init(&r);
        int code = yaml_load_options(recipes[i], &r.o, &r.e);
        if (!code) code = sft_config_settle(&r.c, &r.o, &r.e);
        if (code) fail_msg("%s", r.e.msg);
        options_free(&r.o);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(configs_are_checked),    cmocka_unit_test(the_command_line_settles_pairs),
        cmocka_unit_test(folders_are_checked),    cmocka_unit_test(output_dir_must_be_writable),
        cmocka_unit_test(another_run_is_refused), cmocka_unit_test(model_and_steps_are_checked),
        cmocka_unit_test(resources_are_checked),  cmocka_unit_test(our_recipes_are_sound),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
