/* compare and plot as a user types them: text, pictures, and files that are not what they should be. */
#include "checkpoints/json.h"
#include "tests/support/run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Runs `terse ...`, in which @ is the folder, behind `before`; both streams go to the log. */
static void runs(int want, const char *before, const char *args)
{
    char text[2048];
    size_t n = 0;
    for (; *args && n < sizeof text - sizeof run_dir; args++)
        if (*args == '@')
            n += (size_t)snprintf(text + n, sizeof text - n, "%s", run_dir);
        else
            text[n++] = *args;
    text[n] = 0;
    run_expect(want, run_log, "%s %s %s", before, run_terse(), text);
}

static void fails(int want, const char *kind, const char *says, const char *args)
{
    runs(want, "", args);
    run_says(run_log, kind);
    run_says(run_log, says);
}

static const char *samples(const char *name, int n, int tokens)
{
    char text[16384];
    int at = 0;
    for (int i = 0; i < n; i++)
        at += snprintf(text + at, sizeof text - (size_t)at,
                       "{\"row\":%d,\"problem\":\"What is %d+1?\",\"reference\":\"%d\",\"correct\":%s,"
                       "\"tokens\":%d,\"text\":\"<think>\\n%d\\u001b[2J\\n</think>\\n\\nSo %d.\"}\n",
                       i, i, i + 1, i % 5 ? "true" : "false", tokens + i % 3, i, i + 1);
    run_write(run_in(name), text);
    return run_in(name);
}

static void two_evaluations_are_compared(void **state)
{
    struct js *v;
    struct err e = {0};
    double mean;
    (void)state;
    samples("before.jsonl", 40, 100), samples("after.jsonl", 40, 40);
    runs(0, "", "compare @/before.jsonl @/after.jsonl -o @/compared.json --show 2");
    run_says(run_log, "times fewer");
    run_says(run_log, "2.25 .. 2.50");
    run_says(run_log, "before, 10");
    run_says(run_log, "What is 1+1?");
    if (js_load(&v, run_in("compared.json"), NULL, &e)) fail_msg("%s", e.msg);
    assert_true(js_number(js_get(js_get(v, "compression"), "mean"), &mean) && mean > 2.4 && mean < 2.5);
    assert_true(js_number(js_get(js_get(v, "tokens_ratio"), "low"), &mean) && mean > 2.4);
    js_free(v);
    samples("more.jsonl", 41, 40);
    fails(1, "[DATA_HASH]", "40 problems are answered before and 41 after",
          "compare @/before.jsonl @/more.jsonl");
    fails(2, "[USAGE]", "two files", "compare @/before.jsonl");
    fails(1, "[FILE_MISSING]", "absent", "compare @/before.jsonl @/absent.jsonl");
}

static void write_inputs(void)
{
    run_write(run_in("metrics.jsonl"), "{\"step\":1,\"loss\":3,\"lr\":1}\n{\"step\":2,\"loss\":2}\n"
                                       "{\"step\":3,\"loss\":1,\"lr\":0.5}\n{\"step\":4,\"lo");
    run_write(run_in("torn.jsonl"), "{\"step\":1,\"loss\":3}\n{\"step\":2,\"lo\n{\"step\":3,\"loss\":1}\n");
    run_write(run_in("caps.json"), "{\"accuracy\":0.9,\"stderr\":0.01,\"tokens_mean\":100,\"caps\":["
                                   "{\"cap\":64,\"accuracy\":0.5,\"stderr\":0.02,\"tokens_mean\":70},"
                                   "{\"cap\":32,\"accuracy\":0.1,\"stderr\":0.01,\"tokens_mean\":40}]}\n");
    run_write(run_in("uncapped.json"),
              "{\"accuracy\":0.8,\"stderr\":0.01,\"tokens_mean\":50,\"caps\":["
              "{\"cap\":48,\"accuracy\":0.7,\"stderr\":0.02,\"tokens_mean\":45}]}\n");
    run_write(run_in("shorter.json"),
              "{\"compression\":{\"mean\":2,\"median\":1.9,\"longer\":0.1,\"bin_width\":0.5,"
              "\"histogram\":[0,0,3,5,1]}}\n");
    run_write(run_in("zero.json"),
              "{\"compression\":{\"mean\":2,\"median\":1.9,\"longer\":0.1,\"bin_width\":0,"
              "\"histogram\":[0]}}\n");
    run_write(run_in("bins.json"),
              "{\"compression\":{\"mean\":2,\"median\":1.9,\"longer\":0.1,\"bin_width\":1,"
              "\"histogram\":[1,-2]}}\n");
    run_write(run_in("other.json"), "{\"accuracy\":1}\n");
    run_write(run_in("cut.json"), "{\"caps\":[{\"cap\":3");
}

static void plots_are_text_without_a_picture(void **state)
{
    (void)state;
    write_inputs();
    runs(0, "", "plot @/metrics.jsonl --key loss,lr");
    run_says(run_log, "loss");
    run_says(run_log, "lr");
    run_says(run_log, "step 3");
    runs(0, "", "plot @/caps.json @/uncapped.json --names SFT,brief");
    run_says(run_log, "SFT");
    run_says(run_log, "10.0 % +- 1.0    40.0 tok                         -");
    run_says(run_log, "    none   90.0 % +- 1.0   100.0 tok   80.0 % +- 1.0    50.0 tok");
    runs(0, "", "plot @/shorter.json");
    run_says(run_log, "median 1.90, 10.0 % longer");
    run_says(run_log, "1.50 .. 2.00");
}

static void what_cannot_be_plotted(void **state)
{
    (void)state;
    write_inputs();
    fails(1, "[JSON_TRUNC]", "torn.jsonl:2", "plot @/torn.jsonl");
    fails(1, "[DATA_EMPTY]", "no \"reward\"", "plot @/metrics.jsonl -k reward");
    fails(1, "[FIELD_MISSING]", "neither", "plot @/other.json");
    fails(1, "[JSON_TRUNC]", "cut.json", "plot @/cut.json");
    fails(1, "[FIELD_RANGE]", "bin_width", "plot @/zero.json");
    fails(1, "[FIELD_TYPE]", "bin 1", "plot @/bins.json");
    fails(2, "[USAGE]", "one kind at a time", "plot @/caps.json @/shorter.json");
    fails(2, "[USAGE]", "1 names for 2 files", "plot @/caps.json @/uncapped.json --names SFT");
    fails(2, "[USAGE]", "takes a metrics.jsonl", "plot");
    fails(1, "[FILE_MISSING]", "absent", "plot @/absent.jsonl");
}

static void is_png(const char *path)
{
    static const char magic[] = "\x89PNG\r\n\x1a\n";
    char head[8] = "";
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fread(head, 1, 8, f), 8);
    assert_memory_equal(head, magic, 8);
    fseek(f, 0, SEEK_END);
    assert_true(ftell(f) > 4000);
    fclose(f);
}

static void pictures_are_drawn_by_gnuplot(void **state)
{
    (void)state;
    if (system("gnuplot --version >/dev/null 2>&1")) {
        printf("skip: gnuplot is not here\n");
        skip();
    }
    write_inputs();
    run_write(run_in("it's.jsonl"), "{\"step\":1,\"loss\":3}\n{\"step\":2,\"loss\":2.5}\n");
    runs(0, "", "plot @/metrics.jsonl \"@/it's.jsonl\" --png \"@/a 'b'.png\"");
    is_png(run_in("a 'b'.png"));
    runs(0, "", "plot @/metrics.jsonl -k loss,lr --png @/lines.png");
    is_png(run_in("lines.png"));
    runs(0, "", "plot @/caps.json @/uncapped.json --png @/caps.png");
    is_png(run_in("caps.png"));
    runs(0, "", "plot @/shorter.json @/shorter.json --png @/shorter.png");
    is_png(run_in("shorter.png"));
    fails(1, "[", "cannot", "plot @/shorter.json --png nowhere/x.png");
}

/* Without gnuplot, and with one that fails: a sentence, and an older picture stays. */
static void without_gnuplot_it_says_so(void **state)
{
    (void)state;
    write_inputs();
    run_write(run_in("old.png"), "old");
    run_expect(0, run_log, "mkdir -p %s", run_in("bin"));
    run_write(run_in("bin/gnuplot"), "#!/bin/sh\necho 'line 3: no terminal' >&2\nexit 1\n");
    run_expect(0, run_log, "chmod +x %s", run_in("bin/gnuplot"));
    runs(1, "env PATH=/nowhere", "plot @/shorter.json --png @/old.png");
    run_says(run_log, "gnuplot-nox");
    run_says(run_log, "[TOOL]");
    char path[400];
    snprintf(path, sizeof path, "env PATH=%s:/usr/bin:/bin", run_in("bin"));
    runs(1, path, "plot @/shorter.json --png @/old.png");
    run_says(run_log, "no terminal");
    char *text = run_read(run_in("old.png"));
    assert_string_equal(text, "old");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_evaluations_are_compared), cmocka_unit_test(plots_are_text_without_a_picture),
        cmocka_unit_test(what_cannot_be_plotted),       cmocka_unit_test(pictures_are_drawn_by_gnuplot),
        cmocka_unit_test(without_gnuplot_it_says_so),
    };
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
