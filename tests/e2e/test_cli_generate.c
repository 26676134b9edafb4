/* generate, chat, eval and export as a user types them. */
#include "checkpoints/file.h"
#include "checkpoints/json.h"
#include "tests/support/run.h"
#include "tests/support/small_base.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char base[300], adapter[300];

static int setup(void **state)
{
    (void)state;
    run_setup(state);
    snprintf(base, sizeof base, "%s/base", run_dir);
    snprintf(adapter, sizeof adapter, "%s/adapter", run_dir);
    small_base(base, 1024, 1);
    small_adapter(adapter, base, GATE_ASSISTANT, 2);
    return 0;
}

/* Runs `terse ...` in a shell, which must end with `want`; what it printed to stdout, the caller's to free.
 * The log has stderr. */
static char *out_of(int want, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static char *out_of(int want, const char *fmt, ...)
{
    char args[2048], path[300];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(args, sizeof args, fmt, ap);
    va_end(ap);
    snprintf(path, sizeof path, "%s/out", run_dir);
    run_expect(want, run_log, "%s %s >%s", run_terse(), args, path);
    return run_read(path);
}

/* One sentence on stderr, with its kind, and nothing on stdout. */
static void fails(int want, const char *says, const char *args)
{
    char *out = out_of(want, "%s", args), *err = run_read(run_log), *newline = strchr(err, '\n');
    if (!strstr(err, says)) fail_msg("%s: does not say %s", err, says);
    assert_string_equal(out, "");
    assert_int_equal(strncmp(err, "terse: ", 7), 0);
    assert_non_null(newline);
    assert_int_equal(newline[1], 0);
    assert_int_equal(newline[-1], ']');
    free(out);
    free(err);
}

static void help_says_what_counts(void **state)
{
    (void)state;
    static const char *const commands[] = {"generate", "chat", "eval", "export"};
    for (size_t i = 0; i < 4; i++) {
        char *out = out_of(0, "%s --help", commands[i]);
        assert_non_null(strstr(out, "usage: terse "));
        assert_non_null(strstr(out, "-m, --model"));
        if (i < 2) assert_non_null(strstr(out, "generation_config.json"));
        if (i < 2) assert_non_null(strstr(out, "--repeat-penalty"));
        free(out);
    }
}

static void wrong_command_lines(void **state)
{
    (void)state;
    fails(2, "leave one out", "generate -p a -f b");
    fails(2, "--raw", "generate --raw --system x -p a");
    fails(2, "--promt", "generate --promt x");
    fails(2, "-n", "generate -n many -p x");
    fails(2, "no adapter given", "export -o x");
    fails(2, "output", "export x");
    fails(2, "dataset", "eval");
    fails(2, "temperature", "chat --temp -1");
}

static void missing_and_wrong_files(void **state)
{
    (void)state;
    char args[900];
    fails(1, "nowhere/config.json", "generate -m nowhere -p x");
    fails(1, "nowhere.txt", "generate -m nowhere -f nowhere.txt");
    fails(1, "nowhere/config.json", "chat -m nowhere </dev/null");
    fails(1, "nowhere.parquet", "eval -m nowhere --dataset nowhere.parquet");
    fails(2, ".jsonl", "eval --dataset README.md");
    snprintf(args, sizeof args, "generate -m %s --lora nowhere -p x", base);
    fails(1, "nowhere/adapter_config.json", args);
    snprintf(args, sizeof args, "generate -m %s -p x -c 8", base);
    fails(1, "leaves no room", args);
    snprintf(args, sizeof args, "%s/other", run_dir);
    small_base(args, 1024, 9);
    snprintf(args, sizeof args, "generate -m %s/other --lora %s -p x", run_dir, adapter);
    fails(1, "BASE_HASH", args);
}

static void json_is_json(void **state)
{
    (void)state;
    struct err e = {0};
    char *out =
        out_of(0, "generate -m %s -p 'What is 1+1?' -n 12 --temp 1.5 --seed 3 -N 3 --json --think", base);
    int lines = 0;
    for (char *line = strtok(out, "\n"); line; line = strtok(NULL, "\n"), lines++) {
        struct js *v;
        int64_t n = 0;
        if (js_parse(&v, "line", line, strlen(line), NULL, &e)) fail_msg("%s", e.msg);
        assert_true(js_int(js_get(v, "index"), &n) && n == lines);
        assert_true(js_int(js_get(v, "tokens"), &n) && n > 0 && n <= 12);
        assert_true(js_int(js_get(v, "prompt_tokens"), &n) && n > 5);
        assert_int_equal(strncmp(js_string(js_get(v, "text"), NULL), "<think>\n", 8), 0);
        assert_true(js_is(js_get(v, "finish"), "length") || js_is(js_get(v, "finish"), "stop"));
        js_free(v);
    }
    assert_int_equal(lines, 3);
    free(out);
}

static void same_output(const char *a, const char *b)
{
    char *x = out_of(0, "%s", a), *y = out_of(0, "%s", b);
    assert_true(strlen(x) > 1);
    assert_string_equal(x, y);
    free(x);
    free(y);
}

static void the_same_answer_every_way(void **state)
{
    (void)state;
    char one[1200], two[1200], prompt[300];
    snprintf(prompt, sizeof prompt, "%s/prompt", run_dir);
    run_write(prompt, "Tell me more.\n");
    snprintf(one, sizeof one, "generate -m %s --lora %s -n 40 --temp 0 -t 1 -p 'Tell me more.'", base,
             adapter);
    snprintf(two, sizeof two, "generate -m %s --lora %s -n 40 --temp 0 -t 2 -f %s", base, adapter, prompt);
    same_output(one, two);
    snprintf(two, sizeof two, "generate -m %s --lora %s -n 40 --temp 0 <%s", base, adapter, prompt);
    same_output(one, two);
    snprintf(two, sizeof two, "chat -m %s --lora %s -n 40 --temp 0 <%s", base, adapter, prompt);
    same_output(one, two);
    snprintf(one, sizeof one, "generate -m %s -n 40 --temp 1 --seed 5 -t 1 -p 'Tell me more.'", base);
    snprintf(two, sizeof two, "generate model=%s n_predict=40 temperature=1 seed=5 <%s", base, prompt);
    same_output(one, two);
}

static void the_adapter_matters(void **state)
{
    (void)state;
    char *with = out_of(0, "generate -m %s --lora %s -n 20 --temp 0 -p hi", base, adapter);
    char *without = out_of(0, "generate -m %s -n 20 --temp 0 -p hi", base);
    assert_string_not_equal(with, without);
    free(with);
    free(without);
    free(out_of(0, "generate -m %s --lora %s -n 4 --raw -p hi", base, adapter));
    char *err = run_read(run_log);
    assert_non_null(strstr(err, "the adapter does not act"));
    free(err);
}

/* Lines of stdout of a chat fed with `input`; newlines inside answers become spaces of the line that follows.
 */
static char *chat(const char *options, const char *input)
{
    char path[300];
    snprintf(path, sizeof path, "%s/input", run_dir);
    run_write(path, input);
    return out_of(0, "chat -m %s -n 12 --temp 0 %s <%s", base, options, path);
}

static void a_chat_remembers_and_forgets(void **state)
{
    (void)state;
    char lora[400];
    snprintf(lora, sizeof lora, "--lora %s", adapter);
    char *first = chat("", "hi\n"), *twice = chat("", "hi\nhi\n"), *again = chat("", "hi\n\n/reset\nhi\n");
    size_t n = strlen(first);
    assert_int_equal(strncmp(twice, first, n), 0);
    assert_string_not_equal(twice + n, first); /* the second turn knows of the first */
    assert_string_equal(again + n, first);
    char *off = chat(lora, "/mode chat\nhi\n"), *on = chat(lora, "/mode chat\n/mode reason\nhi\n");
    assert_string_equal(off, first);
    assert_string_not_equal(on, first);
    char *system = chat("", "/system Be brief.\nhi\n"), *flag = chat("--system 'Be brief.'", "hi\n");
    assert_string_equal(system, flag);
    free(first), free(twice), free(again), free(off), free(on), free(system), free(flag);
}

static void a_chat_survives_bad_turns(void **state)
{
    (void)state;
    char *first = chat("", "hi\n"),
         *after = chat("-c 64", "\xff\xfe\n/nope\n/help\n/mode auto\n/mode no\nhi\n");
    assert_string_equal(after, first);
    char *err = run_read(run_log);
    assert_non_null(strstr(err, "[UTF8]"));
    assert_non_null(strstr(err, "unknown command /nope"));
    assert_non_null(strstr(err, "/reset"));
    assert_non_null(strstr(err, "mode auto asks a switcher"));
    free(err), free(after), free(first);
    after = chat("-c 64", "hi\nhi\nhi\nhi\nhi\nhi\n/reset\nhi\n"); /* full, then room again */
    err = run_read(run_log);
    assert_non_null(strstr(err, "[CTX_FULL]"));
    free(err), free(after);
}

/* The reader goes away: the writer may die of SIGPIPE or say so, but not crash, nor run on. */
static void a_closed_pipe_is_no_crash(void **state)
{
    (void)state;
    char path[300];
    snprintf(path, sizeof path, "%s/status", run_dir);
    run_expect(0, run_log, "sh -c '{ %s generate -m %s -p hi -n 400 --temp 1; echo $? >%s; } | true'",
               run_terse(), base, path);
    char *text = run_read(path);
    int status = atoi(text);
    free(text);
    if (status != 0 && status != 1 && status != 128 + SIGPIPE) fail_msg("status %d", status);
}

static void an_interrupted_answer_says_so(void **state)
{
    (void)state;
    pid_t pid = run_start(run_log, "%s generate -m %s -p hi -N 64 --temp 1 >/dev/null", run_terse(), base);
    usleep(150000);
    kill(pid, SIGINT);
    int status = run_wait(pid);
    /* 130 when it came before the signals were caught, 0 when all was over already */
    if (status != 75 && status != 130 && status != 0) fail_msg("status %d", status);
}

static void evaluation_leaves_figures(void **state)
{
    (void)state;
    static const char *const keys[] = {"accuracy",
                                       "stderr",
                                       "exact",
                                       "n",
                                       "no_answer",
                                       "undecided",
                                       "tokens_mean",
                                       "tokens_median",
                                       "tokens_p95",
                                       "truncated",
                                       "closed",
                                       "reasoned",
                                       "tokens_per_second",
                                       "kv_bytes",
                                       "first_token_seconds"};
    char samples[2][300], *text[2];
    struct err e = {0};
    for (int i = 0; i < 2; i++) {
        snprintf(samples[i], sizeof samples[i], "%s/samples%d.jsonl", run_dir, i);
        free(
            out_of(0,
                   "eval -m %s --lora %s --dataset data/nano/test.parquet --max-samples 6 -n 16 --streams %d "
                   "-o %s/results.json --samples %s",
                   base, adapter, i ? 1 : 4, run_dir, samples[i]));
    }
    char path[300];
    snprintf(path, sizeof path, "%s/results.json", run_dir);
    struct js *v;
    if (js_load(&v, path, NULL, &e)) fail_msg("%s", e.msg);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        double x;
        if (!js_number(js_get(v, keys[i]), &x)) fail_msg("no %s", keys[i]);
    }
    assert_int_equal(js_size(v), sizeof keys / sizeof *keys + 1);
    assert_int_equal(js_type(js_get(v, "digests")), JS_OBJECT);
    js_free(v);
    /* one stream answers in the order of the file; four give the same lines in some order */
    for (int i = 0; i < 2; i++) text[i] = run_read(samples[i]);
    assert_int_equal(strlen(text[0]), strlen(text[1]));
    int lines = 0;
    for (char *line = strtok(text[1], "\n"); line; line = strtok(NULL, "\n"), lines++)
        assert_non_null(strstr(text[0], line));
    assert_int_equal(lines, 6);
    free(text[0]), free(text[1]);
}

static void exports_are_checked(void **state)
{
    (void)state;
    char path[1200], args[1200], *text;
    size_t n;
    struct err e = {0};
    text = out_of(0, "export %s -m %s -o %s/exported --check", adapter, base, run_dir);
    assert_non_null(strstr(text, "exported"));
    free(text);
    snprintf(args, sizeof args, "generate -m %s --lora %s -p hi -n 20 --temp 0", base, adapter);
    snprintf(path, sizeof path, "generate -m %s --lora %s/exported -p hi -n 20 --temp 0", base, run_dir);
    same_output(args, path);
    snprintf(args, sizeof args, "export %s -m %s -o %s/exported", adapter, base, run_dir);
    fails(1, "[EXISTS]", args);
    free(out_of(0, "export %s -m %s -o %s/merged --merge --dtype f32", adapter, base, run_dir));
    free(out_of(0, "generate -m %s/merged -p hi -n 5", run_dir));
    /* without an adapter: the base itself */
    free(out_of(0, "export --merge -m %s -o %s/plain", base, run_dir));
    snprintf(args, sizeof args, "generate -m %s -p hi -n 20 --temp 0", base);
    snprintf(path, sizeof path, "generate -m %s/plain -p hi -n 20 --temp 0", run_dir);
    same_output(args, path);
    /* one byte of the last weight */
    snprintf(path, sizeof path, "%s/exported/adapter_model.safetensors", run_dir);
    assert_int_equal(file_load(path, 1 << 24, &text, &n, &e), 0);
    text[n - 3] ^= 1;
    assert_int_equal(file_save(path, text, n, &e), 0);
    free(text);
    snprintf(args, sizeof args, "generate -m %s --lora %s/exported -p hi", base, run_dir);
    fails(1, "[HASH]", args);
    snprintf(args, sizeof args, "export %s/exported -m %s -o %s/again", run_dir, base, run_dir);
    fails(1, "[HASH]", args);
}

/* A folder with random weights of a shape that a folder has; the same seed makes the same model. */
static void a_model_is_made(void **state)
{
    (void)state;
    char args[900], again[900];
    snprintf(args, sizeof args, "init --shape %s --tokenizer %s --seed 3 -o %s/made", base, base, run_dir);
    char *text = out_of(0, "%s", args);
    assert_non_null(strstr(text, "/made: "));
    assert_non_null(strstr(text, "parameters in 2 layers, BF16, seed 3"));
    free(text);
    fails(1, "[EXISTS]", args);
    free(out_of(0, "init --shape %s/config.json --tokenizer %s --seed 3 -o %s/same", base, base, run_dir));
    snprintf(args, sizeof args, "generate -m %s/made -p hi -n 9 --temp 1", run_dir);
    snprintf(again, sizeof again, "generate -m %s/same -p hi -n 9 --temp 1", run_dir);
    same_output(args, again);
    /* sampling defaults, too */
    char path[400];
    snprintf(path, sizeof path, "%s/generation_config.json", base);
    run_write(path, "{\"do_sample\": true, \"temperature\": 0.35}");
    free(out_of(0, "init --shape %s/config.json --tokenizer %s -o %s/warm", base, base, run_dir));
    unlink(path);
    snprintf(path, sizeof path, "%s/warm/generation_config.json", run_dir);
    text = run_read(path);
    assert_non_null(strstr(text, "0.35"));
    free(text);
    fails(1, "there is no file", "init --shape ./none.json -o none");
    fails(2, "qwen2.5-0.5b", "init --shape qwen9 -o none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(help_says_what_counts),
        cmocka_unit_test(wrong_command_lines),
        cmocka_unit_test(missing_and_wrong_files),
        cmocka_unit_test(json_is_json),
        cmocka_unit_test(the_same_answer_every_way),
        cmocka_unit_test(the_adapter_matters),
        cmocka_unit_test(a_chat_remembers_and_forgets),
        cmocka_unit_test(a_chat_survives_bad_turns),
        cmocka_unit_test(a_closed_pipe_is_no_crash),
        cmocka_unit_test(an_interrupted_answer_says_so),
        cmocka_unit_test(evaluation_leaves_figures),
        cmocka_unit_test(exports_are_checked),
        cmocka_unit_test(a_model_is_made),
    };
    return cmocka_run_group_tests(tests, setup, run_teardown);
}
