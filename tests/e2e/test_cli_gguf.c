/* quantize, info, export --gguf, and generate from what they wrote, as a user types them. */
#include "infer/gguf_model.h"
#include "tests/support/run.h"
#include "tests/support/small_base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int setup(void **state)
{
    char path[300], with[300];
    (void)state;
    run_setup(state);
    snprintf(path, sizeof path, "%s/base", run_dir);
    snprintf(with, sizeof with, "%s/adapter", run_dir);
    small_base(path, 1024, 1);
    small_adapter(with, path, GATE_ASSISTANT, 2);
    snprintf(path, sizeof path, "%s/text", run_dir);
    char text[4096];
    for (size_t n = 0; n < sizeof text - 1; n++) text[n] = (char)(n % 7 ? 'a' + (char)(n * n % 26) : ' ');
    text[sizeof text - 1] = 0;
    run_write(path, text);
    return 0;
}

/* Runs `terse ...` in the folder's place; what it printed to stdout, the caller's to free. */
static char *out_of(int want, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same of `terse-infer ...`. */
static char *infer_out(int want, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

__attribute__((format(printf, 3, 0))) static char *program_out(const char *program, int want, const char *fmt,
                                                               va_list ap)
{
    char args[2048], path[300];
    vsnprintf(args, sizeof args, fmt, ap);
    snprintf(path, sizeof path, "%s/out", run_dir);
    run_expect(want, run_log, "%s%s %s >%s", run_terse(), program, args, path);
    return run_read(path);
}

static char *out_of(int want, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *text = program_out("", want, fmt, ap);
    va_end(ap);
    return text;
}

static char *infer_out(int want, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *text = program_out("-infer", want, fmt, ap);
    va_end(ap);
    return text;
}

static void fails(const char *says, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void fails(const char *says, const char *fmt, ...)
{
    char args[2048];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(args, sizeof args, fmt, ap);
    va_end(ap);
    run_expect(1, run_log, "%s %s >/dev/null", run_terse(), args);
    run_says(run_log, says);
}

static void every_type(void **state)
{
    (void)state;
    static const char *const types[] = {"bf16", "q8_0", "q4_0", "w4"};
    double last = 0;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        double before, change;
        char *out = out_of(0, "quantize -m %s/base -t %s -o %s/%s.gguf --text %s/text -c 64 --threads 1",
                           run_dir, types[i], run_dir, types[i], run_dir);
        assert_non_null(strstr(out, "token_embd.weight"));
        assert_non_null(strstr(out, "blk.1.ffn_down.weight"));
        assert_non_null(strstr(out, "bits a weight; relative error"));
        const char *p = strstr(out, "perplexity ");
        assert_non_null(p);
        assert_int_equal(sscanf(p, "perplexity %lf", &before), 1);
        assert_true(before > 2);
        p = strstr(p, "after (");
        assert_non_null(p);
        assert_int_equal(sscanf(p, "after (%lf", &change), 1);
        if (i == 0) assert_true(change == 0);
        if (i > 0) assert_true(change != last);
        last = change;
        free(out);
        char *info = out_of(0, "info %s/%s.gguf --keys --tensors", run_dir, types[i]);
        assert_non_null(strstr(info, "qwen2.block_count  u32  2\n"));
        assert_non_null(strstr(info, "qwen2.context_length  u32  512\n"));
        assert_non_null(strstr(info, "qwen2.rope.freq_base  f32  10000\n"));
        assert_non_null(strstr(info, "add_bos_token  bool  false\n"));
        assert_non_null(strstr(info, "general.architecture  string  qwen2\n"));
        free(info);
    }
    fails("is there already", "quantize -m %s/base -t q4_0 -o %s/q4_0.gguf", run_dir, run_dir);
    free(out_of(0, "quantize -m %s/q8_0.gguf -t q4_0 --head q8_0 -o %s/q4_0.gguf --force", run_dir, run_dir));
    char *info = out_of(0, "info %s/q4_0.gguf", run_dir);
    assert_non_null(strstr(info, "Q8_0  1 tensors"));
    assert_non_null(strstr(info, "Q4_0  14 tensors"));
    assert_non_null(strstr(info, "1024 tokens"));
    free(info);
}

/* A bundle answers as its parts do; what is damaged is refused, and so is a bundle beside a model. */
static void a_bundle(void **state)
{
    (void)state;
    free(out_of(0, "export --bundle -m %s/base %s/adapter --dtype q8_0 -o %s/bundle -t 1", run_dir, run_dir,
                run_dir));
    char *a = infer_out(0, "run --bundle %s/bundle -p Hi -n 20 --temp 0 -t 1", run_dir);
    char *b =
        infer_out(0, "run -m %s/bundle/model.gguf --lora %s/bundle/adapter.gguf -p Hi -n 20 --temp 0 -t 1",
                  run_dir, run_dir);
    char *c = out_of(0, "generate --bundle %s/bundle -p Hi -n 20 --temp 0 -t 1", run_dir);
    assert_string_equal(a, b);
    assert_string_equal(a, c);
    free(a), free(b), free(c);
    free(infer_out(2, "run --bundle %s/bundle --lora %s/bundle/adapter.gguf -p Hi", run_dir, run_dir));
    run_expect(2, run_log, "%s export --verifier x %s/adapter -m %s/base -o %s/x", run_terse(), run_dir,
               run_dir, run_dir);
    run_says(run_log, "go into a --bundle");
    run_expect(0, run_log, "truncate -s -1 %s/bundle/model.gguf", run_dir);
    fails("the bundle's manifest says", "generate --bundle %s/bundle -p Hi", run_dir);
}

/* What the file holds answers as the folder does. */
static void the_same_answers(void **state)
{
    (void)state;
    static const struct {
        const char *type, *dtype;
    } rows[] = {{"bf16", "auto"}, {"q8_0", "q8_0"}, {"w4", "w4"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        free(out_of(0, "export --gguf --force -m %s/base %s/adapter --dtype %s -o %s/both", run_dir, run_dir,
                    rows[i].type, run_dir));
        char *a = out_of(0, "generate -m %s/base --lora %s/adapter --dtype %s -p Hi -n 20 --temp 0", run_dir,
                         run_dir, rows[i].dtype);
        char *b = out_of(0, "generate -m %s/both/model.gguf --lora %s/both/adapter.gguf -p Hi -n 20 --temp 0",
                         run_dir, run_dir);
        char *c = infer_out(0, "run -m %s/both/model.gguf --lora %s/both/adapter.gguf -p Hi -n 20 --temp 0",
                            run_dir, run_dir);
        assert_true(strlen(a) > 5);
        assert_string_equal(a, b);
        assert_string_equal(a, c);
        free(a);
        free(b);
        free(c);
    }
}

/* QAMR: the adapter learns on the quantised base it ships with, and fits what that base was made from. */
static void training_on_a_file(void **state)
{
    (void)state;
    free(out_of(0, "quantize --force -m %s/base -t q8_0 -o %s/q8.gguf", run_dir, run_dir));
    free(out_of(0,
                "sft -m %s/q8.gguf --dataset data/nano/sft.parquet --max-samples 20 --output-dir %s/qamr "
                "--max-steps 2 "
                "--lora-rank 4 --cutoff-len 256 --per-device-train-batch-size 1",
                run_dir, run_dir));
    free(out_of(0, "generate -m %s/q8.gguf --lora %s/qamr/adapter -p Hi -n 4 --temp 0", run_dir, run_dir));
    free(out_of(0, "generate -m %s/base --lora %s/qamr/adapter -p Hi -n 4 --temp 0", run_dir, run_dir));
}

static void mistakes(void **state)
{
    (void)state;
    free(out_of(0, "export --gguf --force -m %s/base %s/adapter -o %s/both", run_dir, run_dir, run_dir));
    fails("GG_MAGIC", "info %s/text", run_dir);
    fails("is an adapter", "generate -m %s/both/adapter.gguf -p Hi", run_dir);
    fails("AD_TYPE", "generate -m %s/base --lora %s/both/model.gguf -p Hi", run_dir, run_dir);
    fails("one file", "export --gguf -m %s/base %s/adapter -o %s/new.gguf", run_dir, run_dir, run_dir);
    fails("--gguf", "export --merge -m %s/both/model.gguf -o %s/merged", run_dir, run_dir);
    run_expect(2, run_log, "%s export --merge --dtype q4_0 -m %s/base -o %s/x", run_terse(), run_dir,
               run_dir);
    run_expect(2, run_log, "%s info", run_terse());
    run_expect(2, run_log, "%s quantize -m %s/base -t q5_k -o %s/x.gguf", run_terse(), run_dir, run_dir);
    fails("dense tuning",
          "sft model_name_or_path=%s/both/model.gguf tuning=dense dataset=data/nano/sft.parquet "
          "output_dir=%s/run max_steps=1",
          run_dir, run_dir);
}

/* A device has files only, and says what to do about anything else. */
static void the_device_program(void **state)
{
    (void)state;
    free(out_of(0, "export --gguf --force -m %s/base %s/adapter -o %s/both", run_dir, run_dir, run_dir));
    free(infer_out(2, "run -p Hi"));
    run_says(run_log, "terse-infer: no model given");
    free(infer_out(1, "run -m %s/base -p Hi", run_dir));
    run_says(run_log, "terse export --gguf");
    free(infer_out(1, "chat -m %s/both/model.gguf --lora %s/adapter </dev/null", run_dir, run_dir));
    run_says(run_log, "--no-base");
    char *json =
        infer_out(0, "run -m %s/both/model.gguf -p Hi -n 4 -N 2 --json --kv-dtype int8 --temp 1", run_dir);
    assert_non_null(strstr(json, "{\"index\":1,\"text\":\""));
    free(json);
    char turns[300];
    snprintf(turns, sizeof turns, "%s/turns", run_dir);
    run_write(turns, "Hi\nand then?\n");
    char *a = out_of(0, "chat -m %s/base --temp 0 -n 9 <%s", run_dir, turns);
    char *b = infer_out(0, "chat -m %s/both/model.gguf --temp 0 -n 9 <%s", run_dir, turns);
    assert_true(strlen(a) > 5);
    assert_string_equal(a, b);
    free(a);
    free(b);
    char *help = infer_out(0, "run --help");
    assert_non_null(strstr(help, "usage: terse-infer run"));
    assert_null(strstr(help, "Hugging Face"));
    free(help);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type),       cmocka_unit_test(a_bundle),
        cmocka_unit_test(the_same_answers), cmocka_unit_test(training_on_a_file),
        cmocka_unit_test(mistakes),         cmocka_unit_test(the_device_program),
    };
    return cmocka_run_group_tests(tests, setup, run_teardown);
}
