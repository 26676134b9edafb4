/* terse switcher as a user types it: labelled prompts to a head, the same bits again, and what is refused. */
#include "checkpoints/file.h"
#include "checkpoints/head_file.h"
#include "tests/support/run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char rows_path[300];

/* Questions of one shape and about one length, greetings of another. */
static int setup(void **state)
{
    (void)state;
    char *text = calloc(1, 1 << 16);
    size_t at = 0;
    run_setup(state);
    snprintf(rows_path, sizeof rows_path, "%s/rows.jsonl", run_dir);
    for (int i = 0; i < 60; i++) {
        at += (size_t)snprintf(
            text + at, 256, "{\"prompt\": \"Tom has %d pens and buys %d more. How many?\", \"label\": %s}\n",
            i + 2, i % 7 + 2, i % 2 ? "1" : "\"reason\"");
        at += (size_t)snprintf(
            text + at, 256,
            "{\"prompt\": \"Good day, I am friend number %d. And how are you?\", \"label\": %s}\n\n", i,
            i % 2 ? "0" : "\"chat\"");
    }
    run_write(rows_path, text);
    free(text);
    return 0;
}

static void learns(void **state)
{
    (void)state;
    char path[400], digest[3][SHA256_HEX];
    for (int i = 0; i < 3; i++) {
        run_expect(
            0, run_log,
            "%s switcher train=%s output=%s/out layers=2,final epochs=8 seeds=2 resamples=100 threads=%d%s",
            run_terse(), rows_path, run_dir, i + 1, i == 2 ? " seed=5" : "");
        snprintf(path, sizeof path, "%s/out/switcher.safetensors", run_dir);
        assert_int_equal(sha256_file(path, digest[i], NULL, NULL), 0);
    }
    assert_string_equal(digest[0], digest[1]); /* whatever the threads */
    assert_string_not_equal(digest[0], digest[2]);
    run_says(run_log, "AUC of prompt length alone");
    run_says(run_log, "seed 6");
    struct head *h;
    assert_int_equal(head_file_load(&h, path, NULL), 0);
    assert_true(h->c.task == HEAD_SWITCHER && h->c.pooling == POOL_EMA && h->c.hidden == 8 &&
                h->c.states.n == 1);
    assert_true(h->c.base[0] && h->c.tokenizer[0] && !h->c.adapter[0]);
    head_free(h);
    snprintf(path, sizeof path, "%s/out/report.json", run_dir);
    run_says(path, "\"valid_auc\": 1");
    run_says(path, "\"layer\": \"final\"");
    snprintf(path, sizeof path, "%s/out/features/manifest.json", run_dir);
    run_says(path, "terse-features");
}

static void refuses(void **state)
{
    (void)state;
    static const struct {
        const char *args, *line;
        int status;
        const char *says;
    } cases[] = {
        {"", "{\"prompt\": \"a\"}", 1, "bad.jsonl:1: no \"label\""},
        {"", "{\"prompt\": \"a\", \"label\": 2}", 1, "none of 0, 1"},
        {"", "{\"prompt\": \"a\", \"label\": \"no\"}", 1, "none of 0, 1"},
        {"", "{\"prompt\": \"a\", \"label\": true}", 1, "FIELD_TYPE"},
        {"", "{\"label\": 1}", 1, "prompt"},
        {"", "[1]", 1, "expected an object"},
        {"", "{\"prompt\": \"\", \"label\": 1}", 1, "no row has a question and a label"},
        {"", "{\"prompt\": \"a\", \"label\": 1}", 1, "nothing to tell apart"},
        {"layers=9", "{\"prompt\": \"a\", \"label\": 1}", 1, "the model has 4 layers"},
        {"layers=last", "{\"prompt\": \"a\", \"label\": 1}", 2, "expected a number of layers"},
        {"train_share=0.9 valid_share=0.1", "{\"prompt\": \"a\", \"label\": 1}", 1,
         "leave nothing for the test"},
        {"hiden=3", "", 2, "hidden"},
        {"dropout=1", "", 2, "dropout"},
    };
    char path[400], head[400];
    snprintf(path, sizeof path, "%s/bad.jsonl", run_dir);
    snprintf(head, sizeof head, "%s/bad/switcher.safetensors", run_dir);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        run_write(path, cases[i].line);
        run_expect(cases[i].status, run_log, "%s switcher train=%s output=%s/bad threads=1 %s", run_terse(),
                   path, run_dir, cases[i].args);
        run_says(run_log, cases[i].says);
        assert_false(file_exists(head));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(learns), cmocka_unit_test(refuses)};
    return cmocka_run_group_tests(tests, setup, run_teardown);
}
