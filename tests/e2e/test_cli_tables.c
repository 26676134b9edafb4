/* terse tables as a user types it: measured once, gone on with after a kill, measured again where something
 * changed; a figure in a table is the one in its result file. */
#include "checkpoints/file.h"
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

static char tables[1400];

static int setup(void **state)
{
    char base[300], adapter[300];
    (void)state;
    run_setup(state);
    snprintf(base, sizeof base, "%s/base", run_dir);
    snprintf(adapter, sizeof adapter, "%s/adapter", run_dir);
    small_base(base, 1024, 1);
    small_adapter(adapter, base, GATE_ASSISTANT, 2);
    snprintf(tables, sizeof tables,
             "%s tables -m %s --lora %s --brief %s --max-samples 5 -n 72 --caps 2,4 --chains 1,2 --prompt "
             "200 -t 1 -o %s/out",
             run_terse(), base, adapter, adapter, run_dir);
    return 0;
}

/* Replaces what follows `key` up to the comma in a file of the book. */
static void edit(const char *file, const char *key, const char *value)
{
    char path[400], out[20000];
    snprintf(path, sizeof path, "%s/out/%s", run_dir, file);
    char *text = run_read(path), *at = strstr(text, key);
    assert_non_null(at);
    at += strlen(key);
    snprintf(out, sizeof out, "%.*s%s%s", (int)(at - text), text, value, at + strcspn(at, ","));
    run_write(path, out);
    free(text);
}

static char *csv(void)
{
    char path[400];
    snprintf(path, sizeof path, "%s/out/tables.csv", run_dir);
    return run_read(path);
}

static void nothing_yet(void **state)
{
    (void)state;
    run_expect(0, run_log, "%s --run=false", tables);
    run_says(run_log, "not measured yet");
    run_says(run_log, "no model whose weights were all trained: --dense");
    run_says(run_log, "0 of ");
}

/* Killed at some moments, then once to the end; what was measured before stays. */
static void measured_once(void **state)
{
    (void)state;
    run_kill(run_log, tables, 5, 1.5, 7);
    run_expect(0, run_log, "%s", tables);
    run_says(run_log, "Thinking cut off");
    run_says(run_log, "report.html");
    char *first = csv();
    run_expect(0, run_log, "%s", tables);
    run_says(run_log, ", 0 of them new");
    char *again = csv();
    assert_string_equal(first, again);
    free(first), free(again);
}

static void a_cell_is_its_file(void **state)
{
    (void)state;
    edit("base-nano.json", "\"accuracy\": ", "0.4321");
    edit("caps-sft.json", "\"tokens_mean\": ", "77.5");
    run_expect(0, run_log, "%s --run=false", tables);
    char *text = csv();
    assert_non_null(strstr(text, "\"table1\",\"base\",\"nano\",fraction,0.4321,"));
    assert_non_null(strstr(text, "\"table8-tokens\",\"SFT\",\"none\",,77.5,"));
    free(text);
    char path[400], *page;
    snprintf(path, sizeof path, "%s/out/report.html", run_dir);
    page = run_read(path);
    assert_non_null(strstr(page, ">43.2"));
    free(page);
    /* a result that is damaged is said to be so */
    snprintf(path, sizeof path, "%s/out/base-nano.json", run_dir);
    run_write(path, "{\"nano\":");
    run_expect(1, run_log, "%s --run=false", tables);
    run_says(run_log, "base-nano.json");
    file_remove_tree(path, NULL);
}

/* Another number of problems: every evaluation again, but not the models. */
static void what_changed_is_measured_again(void **state)
{
    (void)state;
    run_expect(0, run_log, "%s --max-samples 4 --run=false", tables);
    run_says(run_log, "has changed since it was measured");
    run_expect(0, run_log, "%s --max-samples 4 --tasks nano", tables);
    char *log = run_read(run_log);
    assert_null(strstr(log, "\nmodel-w4\n"));
    assert_non_null(strstr(log, "base-nano\n"));
    free(log);
}

/* Adapters of one rank are one row: mean and standard error over seeds; differences have an interval. */
static void seeds_are_one_row(void **state)
{
    char other[300], command[1400];
    (void)state;
    snprintf(other, sizeof other, "%s/other", run_dir);
    snprintf(command, sizeof command, "%s/base", run_dir);
    small_adapter(other, command, GATE_ASSISTANT, 3);
    snprintf(
        command, sizeof command,
        "%s tables -m %s/base --lora %s/adapter,%s --max-samples 2 -n 72 --caps 2 --chains 1 --prompt 200 "
        "-t 1 -o %s/out",
        run_terse(), run_dir, run_dir, other, run_dir);
    run_expect(0, run_log, "%s", command);
    edit("base-nano.json", "\"accuracy\": ", "0.1");
    edit("lora1-nano.json", "\"accuracy\": ", "0.5");
    edit("lora1.2-nano.json", "\"accuracy\": ", "0.7");
    run_expect(0, run_log, "%s --run=false", command);
    char *text = csv();
    assert_non_null(strstr(text, ", 2 seeds\",\"nano\",fraction,0.6,0.1,"));
    assert_non_null(strstr(text, "\"seeds\",\"LoRA - base\",\"right, difference\",fraction,0.5,"));
    assert_non_null(strstr(text, "\"seeds\",\"LoRA - base\",\"low\",fraction,-0.7706,")); /* t = 12.706 */
    assert_non_null(strstr(text, "\"seeds\",\"LoRA - base\",\"high\",fraction,1.7706,"));
    free(text);
}

static void one_at_a_time(void **state)
{
    char path[400];
    struct file_lock lock;
    (void)state;
    snprintf(path, sizeof path, "%s/out/lock", run_dir);
    assert_int_equal(file_lock_take(&lock, path, NULL), 0);
    run_expect(1, run_log, "%s", tables);
    run_says(run_log, "LOCKED");
    run_expect(0, run_log, "%s --run=false", tables); /* looking is free */
    file_lock_release(&lock);
}

static void what_cannot_be(void **state)
{
    static const char *const cases[][2] = {{"--tasks maths", "no benchmark is called"},
                                           {"--caps 5,x", "expected a number"},
                                           {"--chains 1,2,3,4,5,6,7,8,9", "at most 8"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        run_expect(2, run_log, "%s %s", tables, cases[i][0]);
        run_says(run_log, cases[i][1]);
    }
    run_expect(1, run_log, "%s --dense %s/nowhere", tables, run_dir);
    run_says(run_log, "dense: cannot find");
    run_says(run_log, "FILE_MISSING");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_yet),        cmocka_unit_test(measured_once),
        cmocka_unit_test(a_cell_is_its_file), cmocka_unit_test(what_changed_is_measured_again),
        cmocka_unit_test(one_at_a_time),      cmocka_unit_test(seeds_are_one_row),
        cmocka_unit_test(what_cannot_be),
    };
    return cmocka_run_group_tests(tests, setup, run_teardown);
}
