/* Section YM: hostile and tricky config files, one row a case: the file alone, and what its values become. */
#include "checkpoints/yaml.h"
#include "tests/support/clock.h"
#include "tests/support/config_case.h"
#include "tests/support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

/* ---- the file alone -------------------------------------------------------------------------------------
 */

static const struct config_row file_rows[] = {
    {"YM01", "lora:\n\trank: 8\n", ERR_YAML_TAB, "run.yaml:2", 0},
    {"YM01 first line", "\tseed: 8\n", ERR_YAML_TAB, "run.yaml:1", 0},
    {"YM02", "seed: 1\nlora_rank: 8\nseed: 1\n", ERR_DUP_KEY, "seed: given twice in one file (run.yaml:3)",
     0},
    {"YM02 dash", "max_steps: 1\nmax-steps: 1\n", ERR_DUP_KEY, "max_steps", 0},
    {"YM02 null", "seed: null\nseed: 1\n", ERR_DUP_KEY, "seed", 0},
    {"YM02 block", "lora:\n  rank: 8\nlora:\n  alpha: 8\n", ERR_DUP_KEY, "block lora", 0},
    {"YM02 nested", "lora:\n  rank: 8\nlora_rank: 8\n", ERR_DUP_KEY, "lora_rank", 0},
    {"YM03", "learing_rate: 1e-4\n", ERR_KEY_UNKNOWN,
     "\"learing_rate\" (run.yaml:1); did you mean learning_rate?", 0},
    {"YM03 initials", "seed: 1\nlr: 1e-4\n", ERR_KEY_UNKNOWN,
     "(run.yaml:2); did you mean lora_rank or learning_rate?", 0},
    {"YM03 part", "epochs: 1\n", ERR_KEY_UNKNOWN, "did you mean num_train_epochs?", 0},
    {"YM03 nested", "lora:\n  rnak: 8\n", ERR_KEY_UNKNOWN, "\"lora.rnak\"", 0},
    {"YM03 nothing near", "xyzzy: 1\n", ERR_KEY_UNKNOWN, "--help", 0},
    {"YM04", "learning_rate: fast\n", ERR_FIELD_TYPE, "learning_rate: \"fast\" is not a number", 0},
    {"YM04 hex", "learning_rate: 0x1p-3\n", ERR_FIELD_TYPE, "learning_rate", 0},
    {"YM04 list", "learning_rate: [1e-4]\n", ERR_FIELD_TYPE, "learning_rate", 0},
    {"YM05 nan", "learning_rate: .nan\n", ERR_FIELD_RANGE, "learning_rate: \".nan\"", 0},
    {"YM05 inf", "learning_rate: .inf\n", ERR_FIELD_RANGE, "learning_rate", 0},
    {"YM05 -inf", "learning_rate: -.INF\n", ERR_FIELD_RANGE, "learning_rate", 0},
    {"YM05 0", "learning_rate: 0\n", ERR_FIELD_RANGE, "learning_rate: \"0\" is too small", 0},
    {"YM05 -1", "learning_rate: -1\n", ERR_FIELD_RANGE, "above 0", 0},
    {"YM05 1e999", "learning_rate: 1e999\n", ERR_FIELD_RANGE, "learning_rate", 0},
    {"YM06", "learning_rate: 1e-4\n", 0, "", 0},
    {"YM07", "run_name: no\n", 0, "", 0},
    {"YM08", "seed: 010\n", ERR_YAML_OCTAL, "seed: \"010\"", 0},
    {"YM08 float", "learning_rate: 00.5\n", ERR_YAML_OCTAL, "learning_rate", 0},
    {"YM09", "run_name: 12:30\n", 0, "", 0},
    {"YM09 int", "max_steps: 12:30\n", ERR_FIELD_TYPE, "max_steps: \"12:30\"", 0},
    {"YM10", "per_device_train_batch_size: 99999999999999999999\n", ERR_OVERFLOW,
     "per_device_train_batch_size", 0},
    {"YM11", "max_steps: -5\n", ERR_FIELD_RANGE, "max_steps: \"-5\" is too small", 0},
    {"YM12",
     "a: &a [x,x,x]\nb: &b [*a,*a,*a]\nc: &c [*b,*b,*b]\nd: &d [*c,*c,*c]\ne: &e [*d,*d,*d]\n"
     "f: &f [*e,*e,*e]\ng: &g [*f,*f,*f]\nh: &h [*g,*g,*g]\ni: [*h,*h,*h]\n",
     ERR_YAML_ALIAS, "run.yaml:1", 0},
    {"YM13", "seed: &s 1\n", ERR_YAML_ALIAS, "run.yaml:1", 0},
    {"YM13 map", "lora: &l\n  rank: 8\n", ERR_YAML_ALIAS, "run.yaml:1", 0},
    {"YM13 on the root", "&root\nseed: 1\n", ERR_YAML_ALIAS, "run.yaml:1", 0},
    {"YM13 malformed", "seed: & 1\n", ERR_YAML_ALIAS, "run.yaml:1", 0},
    {"YM13 alias", "seed: *s\n", ERR_YAML_ALIAS, "run.yaml:1", 0},
    {"YM14", "dataset: &d [*d]\n", ERR_YAML_ALIAS, "run.yaml:1", 0},
    {"YM15", "seed: 1\n<<: {lora_rank: 8}\n", ERR_YAML_MERGE, "run.yaml:2", 0},
    {"YM15 alias", "<<: *base\n", ERR_YAML_MERGE, "run.yaml:1", 0},
    {"YM16", "run_name: !!python/object/apply:os.system [ls]\n", ERR_YAML_TAG, "run.yaml:1", 0},
    {"YM16 str", "run_name: !!str 5\n", ERR_YAML_TAG, "run.yaml:1", 0},
    {"YM16 undefined", "run_name: !e!x 5\n", ERR_YAML_TAG, "run.yaml:1", 0},
    {"YM16 bang", "run_name: ! x\n", ERR_YAML_TAG, "run.yaml:1", 0},
    {"YM17", "seed: 1\n---\nseed: 2\n", ERR_YAML_MULTI, "run.yaml:2", 0},
    {"YM18", "%YAML 9.9\n---\nseed: 1\n", ERR_YAML_DIRECTIVE, "run.yaml:1", 0},
    {"YM18 1.1", "%YAML 1.1\n---\nseed: 1\n", ERR_YAML_DIRECTIVE, "run.yaml:", 0},
    {"YM18 tag", "%TAG ! tag:x,2000:\n---\nseed: 1\n", ERR_YAML_DIRECTIVE, "run.yaml:", 0},
    {"YM18 unknown", "%FOO\n---\nseed: 1\n", ERR_YAML_DIRECTIVE, "run.yaml:1", 0},
    {"YM22", "run_name: \xff\n", ERR_UTF8, "run.yaml:1: byte 0xFF", 0},
    {"YM22 overlong", "seed: 1\nrun_name: \xc0\xaf\n", ERR_UTF8, "run.yaml:2", 0},
    {"YM22 surrogate", "run_name: \xed\xa0\x80\n", ERR_UTF8, "run.yaml:1", 0},
    {"YM23 LE", "\xff\xfes\0e\0", ERR_JSON_BOM, "run.yaml", 6},
    {"YM23 BE", "\xfe\xff\0s\0e", ERR_JSON_BOM, "run.yaml", 6},
    {"YM23 32 LE", "\xff\xfe\0\0s\0\0\0", ERR_JSON_BOM, "run.yaml", 8},
    {"YM23 32 BE", "\0\0\xfe\xff\0\0\0s", ERR_JSON_BOM, "run.yaml", 8},
    {"YM24 NUL", "seed: 1\nrun_name: a\0b\n", ERR_YAML_CTRL, "run.yaml:2: control character 0x00", 22},
    {"YM24 BEL", "run_name: \a\n", ERR_YAML_CTRL, "0x07", 0},
    {"YM24 DEL", "run_name: \x7f\n", ERR_YAML_CTRL, "0x7F", 0},
    {"YM24 C1", "run_name: \xc2\x9b\n", ERR_YAML_CTRL, "0x9B", 0},
    {"YM24 escaped", "run_name: \"a\\0b\"\n", ERR_YAML_CTRL, "run_name", 0},
    {"YM24 escaped bell", "run_name: \"a\\ab\"\n", ERR_YAML_CTRL, "run_name", 0},
    {"YM24 noncharacter", "run_name: \xef\xbf\xbe\n", ERR_YAML_CTRL, "run.yaml", 0},
    {"YM25", "run_name: \"abc\nseed: 1\n", ERR_YAML_SYNTAX, "run.yaml:", 0},
    {"YM25 single", "run_name: 'abc\n", ERR_YAML_SYNTAX, "run.yaml:", 0},
    {"YM25 bracket", "dataset: [a, b\nseed: 1\n", ERR_YAML_SYNTAX, "run.yaml:", 0},
    {"YM25 no colon", "seed\n", ERR_CFG_ROOT, "run.yaml:1", 0},
    {"YM26", "", ERR_CFG_EMPTY, "run.yaml", 0},
    {"YM26 comment", "# nothing\n\n", ERR_CFG_EMPTY, "run.yaml", 0},
    {"YM26 marker", "---\n...\n", ERR_CFG_EMPTY, "run.yaml", 0},
    {"YM26 null", "null\n", ERR_CFG_EMPTY, "run.yaml", 0},
    {"YM26 map", "{}\n", ERR_CFG_EMPTY, "run.yaml", 0},
    {"YM26 BOM only", "\xef\xbb\xbf", ERR_CFG_EMPTY, "run.yaml", 0},
    {"YM27 list", "- a\n- b\n", ERR_CFG_ROOT, "the file is a list", 0},
    {"YM27 scalar", "hello\n", ERR_CFG_ROOT, "\"hello\"", 0},
    {"YM28", "seed: 1\nmodel_name_or_path: null\n", ERR_FIELD_MISSING, "model_name_or_path: null", 0},
    {"YM28 tilde", "model_name_or_path: ~\n", ERR_FIELD_MISSING, "(run.yaml:1)", 0},
    {"YM28 nothing", "model_name_or_path:\n", ERR_FIELD_MISSING, "model_name_or_path", 0},
    {"YM29", "? [a]\n: 1\n", ERR_YAML_KEY, "run.yaml:1", 0},
    {"YM29 map", "{a: 1}: 1\n", ERR_YAML_KEY, "run.yaml:1", 0},
    {"YM30", "1: 2\n", ERR_YAML_KEY, "run.yaml:1: key \"1\"", 0},
    {"YM30 quoted", "\"1\": 2\n", ERR_YAML_KEY, "\"1\"", 0},
    {"YM30 empty", "\"\": 2\n", ERR_YAML_KEY, "run.yaml:1", 0},
    {"YM30 space", "seed x: 2\n", ERR_YAML_KEY, "seed x", 0},
    {"YM31 NUL", "output_dir: \"a\\0b\"\n", ERR_PATH, "output_dir", 0},
    {"YM31 newline", "output_dir: \"a\\nb\"\n", ERR_PATH, "output_dir", 0},
    {"YM31 list", "dataset: [good, \"a\\nb\"]\n", ERR_PATH, "dataset", 0},
    {"YM31 empty", "output_dir: \"\"\n", ERR_PATH, "output_dir", 0},
    {"YM42", "cutoff_len: 0\n", ERR_FIELD_RANGE, "cutoff_len", 0},
    {"YM44 beta", "adam_beta2: 1.0\n", ERR_FIELD_RANGE, "adam_beta2: \"1.0\" is too large", 0},
    {"YM44 eps", "adam_epsilon: 0\n", ERR_FIELD_RANGE, "adam_epsilon", 0},
    {"YM44 clip", "max_grad_norm: 0\n", ERR_FIELD_RANGE, "max_grad_norm", 0},
    {"YM44 clip < 0", "max_grad_norm: -1\n", ERR_FIELD_RANGE, "max_grad_norm", 0},
    {"YM45 -1", "seed: -1\n", ERR_FIELD_RANGE, "seed: \"-1\" is negative", 0},
    {"YM45 2^64", "seed: 18446744073709551616\n", ERR_FIELD_RANGE, "seed", 0},
    {"YM45 most", "seed: 18446744073709551615\n", 0, "", 0},
    {"YM46 0", "threads: 0\n", ERR_FIELD_RANGE, "threads", 0},
    {"YM46 10^6", "threads: 1000000\n", ERR_FIELD_RANGE, "threads", 0},
    {"YM47 save", "save_steps: 0\n", ERR_FIELD_RANGE, "save_steps", 0},
    {"YM47 keep 0", "save_total_limit: 0\n", ERR_FIELD_RANGE, "save_total_limit", 0},
    {"YM47 keep 1", "save_total_limit: 1\n", ERR_FIELD_RANGE, "save_total_limit", 0},
    {"YM49", "ppo:\n  cliprange: 0.2\n", ERR_CFG_CONFLICT, "\"ppo.cliprange\" belongs to terse ppo", 0},
    {"YM49 empty", "ppo: {}\n", ERR_CFG_CONFLICT, "\"ppo\"", 0},
    {"YM49 flat", "seed: 1\nkl_coef: 0.05\n", ERR_CFG_CONFLICT, "\"kl_coef\" belongs to terse ppo", 0},
    {"YM50", "output_dir: ${HOME}/x\n", 0, "", 0},
    {"YM51", "include: x.yaml\n", ERR_KEY_UNKNOWN, "\"include\"", 0},
    {"YM51 config", "config: x.yaml\n", ERR_KEY_UNKNOWN, "config belongs on the command line", 0},
    {"YM52", "lora_rank: \"8\"\n", ERR_FIELD_TYPE, "lora_rank: \"8\" is in quotes", 0},
    {"YM52 single", "lora_rank: '8'\n", ERR_FIELD_TYPE, "lora_rank", 0},
    {"YM52 block", "lora_rank: |\n  8\n", ERR_FIELD_TYPE, "lora_rank", 0},
    {"YM53", "lora_rank: 3.0\n", ERR_FIELD_TYPE, "lora_rank: \"3.0\" is not a whole number", 0},
    {"YM53 exponent", "lora_rank: 1e2\n", ERR_FIELD_TYPE, "lora_rank", 0},
    {"YM53 hex", "lora_rank: 0x10\n", ERR_FIELD_TYPE, "lora_rank", 0},
    {"YM53 underscore", "lora_rank: 1_0\n", ERR_FIELD_TYPE, "lora_rank", 0},
    {"two levels", "lora:\n  rank:\n    a: 1\n", ERR_DEPTH, "run.yaml:3", 0},
    {"list in a list", "dataset: [[a]]\n", ERR_DEPTH, "dataset", 0},
    {"map in a list", "dataset: [a: 1]\n", ERR_DEPTH, "dataset", 0},
    {"empty item", "dataset: [a, ]\n", 0, "", 0},
    {"null item", "dataset: [a, '']\n", ERR_PATH, "dataset", 0},
    {"unknown empty block", "nothing: {}\n", ERR_KEY_UNKNOWN, "nothing", 0},
    {"boolean", "packing: 1\n", ERR_FIELD_TYPE, "packing", 0},
    {"quoted boolean", "packing: 'true'\n", ERR_FIELD_TYPE, "packing", 0},
    {"choice", "lr_scheduler_type: cosin\n", ERR_FIELD_RANGE, "cosine|linear|constant", 0},
    {"size", "memory_limit: 3 apples\n", ERR_FIELD_TYPE, "memory_limit", 0},
    {"size 2^70", "memory_limit: 99999999999TiB\n", ERR_OVERFLOW, "memory_limit", 0},
    {"size < 0", "memory_limit: -3GiB\n", ERR_FIELD_RANGE, "memory_limit", 0},
};

static void file_rows_are_judged(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof file_rows / sizeof *file_rows; i++) {
        const struct config_row *row = &file_rows[i];
        struct sft_case r;
        int code = sft_case_read(&r, row->text, row->len ? row->len : strlen(row->text));
        config_row_check(row, code, &r.e);
        options_free(&r.o);
    }
}

/* ---- what accepted values become ------------------------------------------------------------------------
 */

static void tricky_values_are_what_they_say(void **state)
{
    (void)state;
    struct sft_case r;
    static const char text[] = "\xef\xbb\xbf# a Windows file\r\n"
                               "learning_rate: 1e-4\r\n"         /* YM06 */
                               "run_name: no\r\n"                /* YM07 */
                               "system_prompt: 12:30\r\n"        /* YM09 */
                               "output_dir: ${HOME}/~/$(ls)\r\n" /* YM50 */
                               "resume_from_checkpoint: 010\r\n"
                               "packing: no\r\n"
                               "adapter_name_or_path: 'null'\r\n"
                               "tokenized_path: 1_000\r\n"
                               "lora:\r\n"
                               "  rank: 8\r\n"
                               "  lora_alpha: 16\r\n"
                               "  target:\r\n"
                               "    - q_proj\r\n"
                               "    - no\r\n"
                               "dataset: 'a.parquet, b.parquet'\r\n"
                               "eval_dataset: [\"x,y\", 5]\r\n"
                               "memory_limit: 1.5 GiB\r\n"
                               "warmup_ratio: +.5\r\n"
                               "max_samples: null\r\n"
                               "seed: 18446744073709551615\r\n";
    int code = sft_case_read(&r, text, sizeof text - 1);
    if (code) fail_msg("%s", r.e.msg);
    assert_true(r.c.learning_rate == 0.0001);
    assert_string_equal(r.c.run_name, "no");
    assert_string_equal(r.c.system_prompt, "12:30");
    assert_string_equal(r.c.output_dir, "${HOME}/~/$(ls)");
    assert_string_equal(r.c.resume_from_checkpoint, "010");
    assert_false(r.c.packing);
    assert_string_equal(r.c.adapter_name_or_path, "null");
    assert_string_equal(r.c.tokenized_path, "1_000");
    assert_int_equal(r.c.lora_rank, 8);
    assert_true(r.c.lora_alpha == 16);
    assert_int_equal(r.c.lora_target.n, 2);
    assert_string_equal(r.c.lora_target.items[1], "no");
    assert_int_equal(r.c.dataset.n, 2);
    assert_string_equal(r.c.dataset.items[1], "b.parquet");
    assert_int_equal(r.c.eval_dataset.n, 2);
    assert_string_equal(r.c.eval_dataset.items[0], "x,y");
    assert_string_equal(r.c.eval_dataset.items[1], "5");
    assert_true(r.c.memory_limit == 3ull << 29);
    assert_true(r.c.warmup_ratio == 0.5);
    assert_int_equal(r.c.max_samples, 0);
    assert_true(r.c.seed == UINT64_MAX);
    assert_string_equal(options_where(&r.o, "learning-rate"), "run.yaml:2");
    assert_string_equal(options_where(&r.o, "lora_rank"), "run.yaml:11");
    options_free(&r.o);
}

/* ---- big files ------------------------------------------------------------------------------------------
 */

/* `head`, then `n` times `body`. */
static void check_big(const char *id, const char *head, const char *body, size_t n, int want,
                      const char *says)
{
    size_t h = strlen(head), b = strlen(body), len = h + n * b;
    char *text = malloc(len + 1);
    assert_non_null(text);
    memcpy(text, head, h);
    for (size_t i = 0; i < n; i++) memcpy(text + h + i * b, body, b);
    text[len] = 0;
    const char *path = scratch_write("big.yaml", text, len);
    free(text);
    struct sft_case r;
    sft_case_init(&r);
    double start = cpu_seconds();
    struct config_row row = {id, NULL, want, says, 0};
    config_row_check(&row, yaml_load_options(path, &r.o, &r.e), &r.e);
    if (cpu_seconds() - start > slowness()) fail_msg("%s took %.1f s", id, cpu_seconds() - start);
    options_free(&r.o);
}

static void big_files_are_refused_quickly(void **state)
{
    (void)state;
    check_big("YM19", "", "[", 10000, ERR_DEPTH, "big.yaml:1");
    check_big("YM19 value", "dataset: ", "[", 10000, ERR_DEPTH, "dataset");
    check_big("YM19 map", "", "{", 10000, ERR_YAML_KEY, "big.yaml:1");
    check_big("YM19 map value", "", "{a: ", 10000, ERR_DEPTH, "big.yaml:1");
    check_big("YM20", "system_prompt: |\n", " \n", 2000000, ERR_TOO_LARGE, "big.yaml");
    check_big("YM20 below 1 MiB", "system_prompt: |\n", "  x\n", 260000, ERR_TOO_LARGE, "system_prompt");
    check_big("YM21", "seed: 1\n", "#", 1 << 20, ERR_TOO_LARGE, "big.yaml");
    check_big("YM21 limit", "seed: 1\n", "#", (1 << 20) - 8, 0, "");
    check_big("long list", "dataset:\n", "- a\n", 200000, ERR_TOO_MANY, "big.yaml");
    check_big("list over 4096", "dataset:\n", "- a\n", 5000, ERR_TOO_MANY, "dataset");
    check_big("long key", "", "a", 500000, ERR_CFG_ROOT, "big.yaml");
    check_big("long path", "output_dir: ", "a", 5000, ERR_PATH, "output_dir");
}

/* ---- files ----------------------------------------------------------------------------------------------
 */

static void config_must_be_a_regular_file(void **state)
{
    (void)state;
    struct sft_case r;
    sft_case_init(&r);
    assert_int_equal(mkfifo(scratch("fifo.yaml"), 0600), 0);
    struct config_row ym54 = {"YM54", NULL, ERR_NOT_REGULAR, "fifo.yaml", 0};
    config_row_check(&ym54, yaml_load_options(scratch("fifo.yaml"), &r.o, &r.e), &r.e);
    r.e = (struct err){0};
    struct config_row missing = {"missing", NULL, ERR_FILE_MISSING, "absent.yaml", 0};
    config_row_check(&missing, yaml_load_options(scratch("absent.yaml"), &r.o, &r.e), &r.e);
    options_free(&r.o);
}

/* YM57: each prefix of each text is refused, or has every required key. */
static void cut_files_never_lose_a_required_key(void **state)
{
    (void)state;
    static const char recipe[] = "# a recipe\nseed: 1\nlora:\n  rank: 8\n  target: [q_proj, 'v_proj']\n"
                                 "system_prompt: \"a \\u00e9\\n b\"\nrun_name: |\n  two\n  lines\n"
                                 "dataset:\n  - a.parquet\n  - 'b.parquet'\nlearning_rate: 1.0e-3\n"
                                 "model_name_or_path: \"checkpoints/nano\"\noutput_dir: runs/x\n";
    size_t complete = (size_t)(strstr(recipe, "output_dir: r") - recipe) + strlen("output_dir: r");
    for (size_t len = 0; len < sizeof recipe; len++) {
        struct sft_case r;
        int code = sft_case_read(&r, recipe, len);
        if (!code) code = options_check_required(&r.o, &r.e);
        if (!code && len < complete) fail_msg("YM57: accepted after %zu bytes", len);
        if (code && len >= complete) fail_msg("YM57: refused after %zu bytes: %s", len, r.e.msg);
        if (!code) assert_true(r.c.model_name_or_path && r.c.output_dir && r.c.dataset.n);
        options_free(&r.o);
    }
    for (size_t i = 0; i < sizeof file_rows / sizeof *file_rows; i++) {
        size_t whole = file_rows[i].len ? file_rows[i].len : strlen(file_rows[i].text);
        for (size_t len = 0; len < whole; len++) {
            struct sft_case r;
            int code = sft_case_read(&r, file_rows[i].text, len);
            if (!code) code = options_check_required(&r.o, &r.e);
            if (!code) fail_msg("YM57: %s accepted after %zu bytes", file_rows[i].id, len);
            options_free(&r.o);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_rows_are_judged),
        cmocka_unit_test(tricky_values_are_what_they_say),
        cmocka_unit_test(big_files_are_refused_quickly),
        cmocka_unit_test(config_must_be_a_regular_file),
        cmocka_unit_test(cut_files_never_lose_a_required_key),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
