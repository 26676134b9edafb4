/* terse switcher with an adapter: answers both ways become labels and columns of the features, all four cases
 * of right and wrong; the curve and the thresholds in the report; what is refused. */
#include "checkpoints/file.h"
#include "checkpoints/head_file.h"
#include "checkpoints/json.h"
#include "data/features.h"
#include "infer/answer.h"
#include "rl/cmd_heads.h"
#include "rl/switcher.h"
#include "tests/support/run.h"
#include "tests/support/small_base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PROMPTS = 80, MAX_NEW = 12 };

/* What a prompt's reference is made to be. */
enum { BASE_RIGHT, ADAPTER_RIGHT, NONE_RIGHT, NUMBER_RIGHT, CASES };

static char dir[256], log_path[300], rows_path[300], adapter[300], prompt[PROMPTS][120];
static char *reply[2][PROMPTS];
static uint32_t tokens[2][PROMPTS];

/* ---- what either says ---------------------------------------------------------------------------------- */

static int keep(void *ctx, const struct eval_sample *s, struct err *e)
{
    int way = *(int *)ctx;
    (void)e;
    reply[way][s->index] = strndup(s->text, s->len);
    tokens[way][s->index] = s->tokens;
    return 0;
}

/* Sums, which some references go with, and greetings. */
static void ask(void)
{
    struct load_options o = {.model = "checkpoints/nano", .threads = 1, .context = 128};
    struct problems p = {.n = PROMPTS};
    struct chat_turn turns[PROMPTS];
    struct eval_config c = {.session = {.streams = 8},
                            .ask = {.mode = ASK_REASON, .chains = 1, .max_new = MAX_NEW}};
    struct eval_result unused;
    struct loaded l;
    struct err e = {0};
    int way;
    struct eval_events ev = {keep, NULL, &way};
    sampler_config_init(&c.ask.sampler);
    o.adapter = adapter;
    p.at = calloc(PROMPTS, sizeof *p.at);
    for (int i = 0; i < PROMPTS; i++) {
        snprintf(prompt[i], sizeof prompt[i],
                 i % 2 ? "Tom has %d pens. He buys %d more. How many pens has he?"
                       : "Hello, %d! I am friend %d.",
                 i + 2, i % 7 + 2);
        turns[i] = (struct chat_turn){ROLE_USER, prompt[i], strlen(prompt[i])};
        p.at[i] = (struct problem){.turns = &turns[i], .n_turns = 1, .reference = (char *)"1"};
    }
    if (cmd_heads_load(&l, &o, &e)) fail_msg("%s", e.msg);
    way = 1;
    if (eval_run(&unused, &l, &p, &c, &ev, &e)) fail_msg("%s", e.msg);
    load_clear(&l);
    o.adapter = NULL, way = 0;
    if (cmd_heads_load(&l, &o, &e) || eval_run(&unused, &l, &p, &c, &ev, &e)) fail_msg("%s", e.msg);
    load_clear(&l);
    free(p.at);
}

/* Greetings go well with the base, but for every tenth; pens with the adapter, but for some. */
static int case_of(int i)
{
    if (i % 2 == 0) return i % 20 == 10 ? NONE_RIGHT : BASE_RIGHT;
    return i % 16 == 3 ? NONE_RIGHT : i % 16 == 7 ? NUMBER_RIGHT : ADAPTER_RIGHT;
}

static int setup(void **state)
{
    struct js_out w;
    (void)state;
    run_folder(dir, sizeof dir, "measured");
    snprintf(log_path, sizeof log_path, "%s/log", dir);
    snprintf(rows_path, sizeof rows_path, "%s/rows.jsonl", dir);
    snprintf(adapter, sizeof adapter, "%s/adapter", dir);
    small_adapter(adapter, "checkpoints/nano", GATE_RESPONSE, 3);
    ask();
    FILE *f = fopen(rows_path, "w");
    assert_non_null(f);
    for (int i = 0; i < PROMPTS; i++) {
        int kind = case_of(i);
        js_out_init(&w, 0);
        js_object(&w, NULL);
        js_put_string(&w, "prompt", prompt[i]);
        if (kind == NUMBER_RIGHT) { /* the base's own, right by what it means */
            struct answer a = answer_find(reply[0][i], strlen(reply[0][i]));
            assert_true(a.kind);
            js_put_text(&w, "answer", a.s, a.n);
        } else {
            js_put_string(&w, "reply",
                          kind == NONE_RIGHT ? "Nobody says this." : reply[kind == ADAPTER_RIGHT][i]);
        }
        js_close(&w);
        assert_int_equal(js_out_end(&w, NULL), 0);
        fprintf(f, "%s\n", w.text);
        js_out_free(&w);
    }
    assert_int_equal(fclose(f), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * PROMPTS; i++) free(reply[i & 1][i >> 1]);
    run_folder_remove(dir);
    return 0;
}

/* ---- the command --------------------------------------------------------------------------------------- */

static const char settings[] = "max_new=12 layers=2,final epochs=15 seeds=2 resamples=100 hidden=0 noise=0.1 "
                               "train_share=0.5 valid_share=0.25";

static void run(const char *more)
{
    run_expect(0, log_path, "%s switcher lora=%s train=%s output=%s/out threads=1 %s %s", run_terse(),
               adapter, rows_path, dir, settings, more);
}

static void labels(void **state)
{
    (void)state;
    char path[400];
    struct features *f;
    int seen[2][2] = {{0}};
    run("");
    run_says(log_path, "80 prompts (75 judged by their whole reply)");
    run_says(log_path, "always think");
    run_says(log_path, "the least gain at any threshold");
    snprintf(path, sizeof path, "%s/out/features", dir);
    assert_int_equal(features_open(&f, path, NULL), 0);
    assert_int_equal(features_count(f), PROMPTS);
    for (int i = 0; i < PROMPTS; i++) {
        const struct feature *row = &features_rows(f)[i];
        int kind = case_of(i);
        assert_int_equal(row->text, i);
        assert_int_equal(row->base_tokens, tokens[0][i]);
        assert_int_equal(row->adapter_tokens, tokens[1][i]);
        bool same = strcmp(reply[0][i], reply[1][i]) == 0;
        assert_int_equal(row->base_right,
                         kind == BASE_RIGHT || kind == NUMBER_RIGHT || (kind == ADAPTER_RIGHT && same));
        if (kind != NUMBER_RIGHT)
            assert_int_equal(row->adapter_right, kind == ADAPTER_RIGHT || (kind == BASE_RIGHT && same));
        assert_int_equal(row->label, !row->base_right && row->adapter_right);
        seen[row->base_right][row->adapter_right]++;
    }
    for (int k = 0; k < 4; k++) assert_true(seen[k >> 1][k & 1] > 1); /* all four cases */
    features_close(f);
    snprintf(path, sizeof path, "%s/out/report.json", dir);
    run_says(path, "\"target\": \"accurate\"");
    run_says(path, "\"least_gain\"");
    run_says(path, "\"always_think\"");
    run_says(path, "\"auc_measured\"");
    run_says(path, "\"auc_above_length\"");
}

/* Thresholds for targets, from the same features; that of the head's file is the one that was picked. */
static void targets(void **state)
{
    (void)state;
    char path[400], text[80];
    struct head *h;
    run("");
    run("target_accuracy=0.6");
    run_says(log_path, "80 rows are there already");
    run_says(log_path, "for an accuracy of 60.0 %");
    run("target_saving=1"); /* an answer has a token at least */
    run_says(log_path, "which none of them reaches: this is the nearest");
    snprintf(path, sizeof path, "%s/out/report.json", dir);
    run_says(path, "\"target_met\": false");
    snprintf(path, sizeof path, "%s/out/switcher.safetensors", dir);
    assert_int_equal(head_file_load(&h, path, NULL), 0);
    snprintf(text, sizeof text, "routing at threshold %.4f", h->c.threshold);
    run_says(log_path, text);
    head_free(h);
}

/* The control learns nothing, and a head that is no better than length is said to be so. */
static void shuffled(void **state)
{
    (void)state;
    run("shuffle_labels=true seeds=5");
    run_says(log_path, "better than length alone");
}

static void refused(void **state)
{
    (void)state;
    static const struct {
        const char *args;
        int adapter;
        const char *says;
    } cases[] = {
        {"target_saving=0.3", 0, "give --lora"},
        {"target_accuracy=0.3", 0, "give --lora"},
        {"labels=measured", 0, "labels: measured"},
        {"target_saving=0.3 target_accuracy=0.3", 1, "one of them"},
        {"labels=files", 1, "no \"label\""},
        {"train=missing.jsonl", 1, "missing.jsonl"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        run_expect(1, log_path, "%s switcher %s%s train=%s output=%s/bad threads=1 %s %s", run_terse(),
                   cases[i].adapter ? "lora=" : "", cases[i].adapter ? adapter : "", rows_path, dir, settings,
                   cases[i].args);
        run_says(log_path, cases[i].says);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(labels), cmocka_unit_test(targets),
                                       cmocka_unit_test(shuffled), cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
