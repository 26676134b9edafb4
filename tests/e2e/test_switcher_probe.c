/* A switcher on real prompts with the states of random weights: whatever it learns is in the words; with
 * labels dealt out anew nothing is left, so nothing leaks from the test's part. (scripts/probe-switcher does
 * this at full size.) */
#include "checkpoints/file.h"
#include "checkpoints/json.h"
#include "tests/support/run.h"
#include "tests/support/small_base.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char prompts[] = "../shared/data/prompts/switcher_labeled.jsonl";

enum { RUNS = 6 };

/* Every third line that is short: the file is in order of its sources. */
static void some_prompts(const char *to)
{
    static char line[1 << 14];
    FILE *in = fopen(prompts, "r"), *out = fopen(to, "w");
    assert_true(in && out);
    for (int i = 0; fgets(line, sizeof line, in); i++)
        if (i % 3 == 0 && strlen(line) < 500) fputs(line, out);
    fclose(in);
    assert_int_equal(fclose(out), 0);
}

/* The means over a report's runs of the AUCs of the head, and of length alone. */
static void read_aucs(const char *path, int runs, double mean[2])
{
    static const char *const keys[] = {"auc", "auc_of_prompt_length"};
    struct js *report;
    struct err e = {0};
    if (js_load(&report, path, NULL, &e)) fail_msg("%s", e.msg);
    const struct js *all = js_get(report, "runs");
    assert_int_equal(js_size(all), runs);
    mean[0] = mean[1] = 0;
    for (int i = 0; i < 2 * runs; i++) {
        double value;
        assert_true(js_number(js_get(js_get(js_at(all, (size_t)i / 2), keys[i & 1]), "value"), &value));
        mean[i & 1] += value / runs;
    }
    js_free(report);
}

static void nothing_leaks(void **state)
{
    (void)state;
    char dir[256], base[300], rows[300], log[300], report[300];
    double auc[2];
    if (!file_exists(prompts)) {
        printf("skip: %s is not there\n", prompts);
        skip();
    }
    run_folder(dir, sizeof dir, "probe");
    snprintf(base, sizeof base, "%s/base", dir);
    snprintf(rows, sizeof rows, "%s/rows.jsonl", dir);
    snprintf(log, sizeof log, "%s/log", dir);
    snprintf(report, sizeof report, "%s/out/report.json", dir);
    small_base(base, 1024, 1);
    some_prompts(rows);
    for (int control = 0; control < 2; control++) {
        run_expect(0, log,
                   "%s switcher model=%s train=%s output=%s/out threads=1 layers=1,final train_share=0.4 "
                   "valid_share=0.1 epochs=20 resamples=100 seeds=%d shuffle_labels=%s",
                   run_terse(), base, rows, dir, control ? RUNS : 1, control ? "true" : "false");
        read_aucs(report, control ? RUNS : 1, auc);
        printf("%s: AUC %.3f, of length %.3f\n", control ? "shuffled" : "labels", auc[0], auc[1]);
        if (control)
            assert_true(fabs(auc[0] - 0.5) < 0.08 && fabs(auc[1] - 0.5) < 0.08);
        else
            assert_true(auc[0] > 0.6); /* mathematics looks like mathematics to random weights too */
    }
    run_folder_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_leaks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
