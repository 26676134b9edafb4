/* terse verifier as a user types it: problems to a head and what votes by it are worth, the same bits again,
 * features used again, and what is refused. */
#include "checkpoints/file.h"
#include "checkpoints/head_file.h"
#include "tests/support/clock.h"
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

#include <cmocka.h>

static char rows_path[300];

/* Sums that nano's base gets right now and then. */
static int setup(void **state)
{
    (void)state;
    char *text = calloc(1, 1 << 14);
    size_t at = 0;
    run_setup(state);
    snprintf(rows_path, sizeof rows_path, "%s/sums.jsonl", run_dir);
    for (int i = 0; i < 40; i++) {
        int a = 11 + i * 7 % 60, b = 2 + i % 9;
        at += (size_t)snprintf(text + at, 128, "{\"problem\": \"What is %d plus %d?\", \"answer\": \"%d\"}\n",
                               a, b, a + b);
    }
    run_write(rows_path, text);
    free(text);
    return 0;
}

static const char settings[] =
    "chains=4 temperature=0.8 max_new=16 layers=2,final seeds=2 epochs=8 resamples=100 train_share=0.5 "
    "valid_share=0.25";

static void digest_of(const char *name, char hex[SHA256_HEX])
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s/verifier.safetensors", run_dir, name);
    assert_int_equal(sha256_file(path, hex, NULL, NULL), 0);
}

static void learns(void **state)
{
    (void)state;
    char path[400], digest[4][SHA256_HEX];
    struct head *h;
    run_expect(0, run_log, "%s verifier dataset=%s output=%s/one threads=1 %s", run_terse(), rows_path,
               run_dir, settings);
    run_says(run_log, "AUC of chain length alone");
    run_says(run_log, "by votes among N chains");
    run_says(run_log, "seed 1");
    digest_of("one", digest[0]);
    run_expect(0, run_log, "%s verifier dataset=%s output=%s/two threads=2 streams=7 %s", run_terse(),
               rows_path, run_dir, settings);
    digest_of("two", digest[1]);
    assert_string_equal(digest[0], digest[1]);

    /* other heads of the same chains, and back */
    run_expect(0, run_log, "%s verifier dataset=%s output=%s/two threads=1 %s hidden=4", run_terse(),
               rows_path, run_dir, settings);
    run_says(run_log, "160 rows are there already");
    digest_of("two", digest[2]);
    assert_string_not_equal(digest[1], digest[2]);
    run_expect(0, run_log, "%s verifier dataset=%s output=%s/two threads=1 %s", run_terse(), rows_path,
               run_dir, settings);
    digest_of("two", digest[3]);
    assert_string_equal(digest[1], digest[3]);

    snprintf(path, sizeof path, "%s/one/verifier.safetensors", run_dir);
    assert_int_equal(head_file_load(&h, path, NULL), 0);
    assert_true(h->c.task == HEAD_VERIFIER && h->c.pooling == POOL_LAST && h->c.hidden == 0 &&
                h->c.states.n == 1);
    assert_string_equal(h->c.prompt, HEAD_VERIFY_PROMPT);
    assert_true(h->c.base[0] && h->c.tokenizer[0] && !h->c.adapter[0]);
    head_free(h);
    snprintf(path, sizeof path, "%s/one/report.json", run_dir);
    run_says(path, "\"weighted_over_majority\"");
    run_says(path, "\"auc_of_chain_length\"");
}

/* Chains of an adapter, which the head then names; any other setting makes features anew. */
static void an_adapter(void **state)
{
    (void)state;
    char path[400];
    struct head *h;
    snprintf(path, sizeof path, "%s/adapter", run_dir);
    small_adapter(path, "checkpoints/nano", GATE_RESPONSE, 3);
    static const char *const others[] = {"pooling=mean",  "verify_prompt=", "temperature=0.7",
                                         "sample_seed=4", "system=Hi.",     "max_samples=39"};
    run_expect(0, run_log, "%s verifier dataset=%s output=%s/one threads=1 %s", run_terse(), rows_path,
               run_dir, settings);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        run_expect(0, run_log, "%s verifier dataset=%s output=%s/one threads=1 %s %s", run_terse(), rows_path,
                   run_dir, settings, others[i]);
        run_says(run_log, "made anew");
    }
    run_expect(0, run_log, "%s verifier dataset=%s output=%s/one threads=1 --lora %s/adapter %s", run_terse(),
               rows_path, run_dir, run_dir, settings);
    run_says(run_log, "made anew");
    snprintf(path, sizeof path, "%s/one/verifier.safetensors", run_dir);
    assert_int_equal(head_file_load(&h, path, NULL), 0);
    assert_int_equal(strlen(h->c.adapter), 64);
    head_free(h);
}

/* Interrupted while it samples, as soon as there is something to interrupt. */
static void is_interrupted(void **state)
{
    (void)state;
    char path[400];
    snprintf(path, sizeof path, "%s/long/features.tmp", run_dir);
    pid_t pid = run_start(run_log, "%s verifier dataset=%s output=%s/long threads=1 chains=1024 max_new=64",
                          run_terse(), rows_path, run_dir);
    while (!file_exists(path)) pause_for(0.01);
    kill(pid, SIGINT);
    assert_int_equal(run_wait(pid), 75);
    run_says(run_log, "the same command goes on");
}

static void refuses(void **state)
{
    (void)state;
    static const struct {
        const char *args;
        int status;
        const char *says;
    } cases[] = {
        {"layers=9", 1, "the model has 4 layers"},
        {"layers=last", 2, "expected a number of layers"},
        {"train_share=0.9 valid_share=0.1", 1, "leave nothing for the test"},
        {"pooling=mean verify_prompt=So", 1, "pooling mean"},
        {"pooling=ema", 2, "ema"},
        {"chains=0", 2, "chains"},
        {"verify=Yes", 2, "verify_prompt"},
        {"--lora nowhere", 1, "nowhere"},
        {"test=nowhere.jsonl", 1, "nowhere.jsonl"},
        {"ctx_size=30", 1, "row 0"},
    };
    char head[400];
    snprintf(head, sizeof head, "%s/bad/verifier.safetensors", run_dir);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        run_expect(cases[i].status, run_log,
                   "%s verifier dataset=%s output=%s/bad threads=1 chains=2 max_new=4 max_samples=4 %s",
                   run_terse(), rows_path, run_dir, cases[i].args);
        run_says(run_log, cases[i].says);
        assert_false(file_exists(head));
    }
    snprintf(head, sizeof head, "%s/mine/features", run_dir);
    assert_int_equal(file_make_dirs(head, NULL), 0);
    run_expect(1, run_log, "%s verifier dataset=%s output=%s/mine threads=1", run_terse(), rows_path,
               run_dir);
    run_says(run_log, "is there, but no features");
    assert_true(file_exists(head));
    run_expect(1, run_log, "%s verifier output=%s/bad", run_terse(), run_dir);
    run_says(run_log, "dataset");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(learns), cmocka_unit_test(an_adapter),
                                       cmocka_unit_test(is_interrupted), cmocka_unit_test(refuses)};
    return cmocka_run_group_tests(tests, setup, run_teardown);
}
