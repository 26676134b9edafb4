/* Loading what a command needs, where the adapter acts, and what an export must prove. */
#include "checkpoints/export.h"
#include "checkpoints/file.h"
#include "infer/prompt.h"
#include "tests/support/hf_folder.h"
#include "tests/support/scratch.h"
#include "tests/support/small_base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char base[300], other[300], adapter[300];

static int setup(void **state)
{
    int r = scratch_setup(state);
    snprintf(base, sizeof base, "%s", scratch("base"));
    snprintf(other, sizeof other, "%s", scratch("other"));
    snprintf(adapter, sizeof adapter, "%s", scratch("adapter"));
    small_base(base, 1024, 1);
    small_base(other, 1024, 2);
    small_adapter(adapter, base, GATE_ASSISTANT, 3);
    return r;
}

static void load_ok(struct loaded *l, const char *model, const char *with, enum load_dtype dtype)
{
    struct load_options o = {.model = model, .adapter = with, .dtype = dtype, .threads = 1, .context = 256};
    struct err e = {0};
    if (load_all(l, &o, &e)) fail_msg("%s", e.msg);
}

static void everything_is_there(void **state)
{
    (void)state;
    struct loaded l;
    load_ok(&l, base, adapter, LOAD_AUTO);
    assert_int_equal(l.m->type, WT_BF16);
    assert_int_equal(l.m->context, 256);
    assert_int_equal(l.lora->rank, 8);
    assert_null(l.base);
    assert_false(l.cold);
    assert_string_equal(l.info.base, l.digest_base);
    load_clear(&l);
    load_ok(&l, base, NULL, LOAD_FP32);
    assert_int_equal(l.m->type, WT_F32);
    assert_null(l.lora);
    assert_string_equal(l.digest_base, ""); /* nobody asked */
    load_clear(&l);
    load_clear(&l);
}

static void a_long_context_is_the_models(void **state)
{
    (void)state;
    struct loaded l;
    struct err e = {0};
    struct load_options o = {.model = base, .threads = 1, .context = 4096};
    assert_int_equal(load_all(&l, &o, &e), 0);
    assert_int_equal(l.m->context, 512);
    load_clear(&l);
}

static void refused(int code, const char *says, const char *model, const char *with)
{
    struct loaded l, none = {0};
    struct load_options o = {.model = model, .adapter = with, .threads = 1};
    struct err e = {0};
    memset(&l, 0xff, sizeof l);
    assert_int_equal(load_all(&l, &o, &e), code);
    if (!strstr(e.msg, says)) fail_msg("%s: does not say %s", e.msg, says);
    assert_memory_equal(&l, &none, sizeof l);
}

static void what_does_not_belong_together_is_refused(void **state)
{
    (void)state;
    char small[300];
    refused(ERR_BASE_HASH, "base model", other, adapter);
    refused(ERR_FILE_MISSING, "nowhere/config.json", scratch("nowhere"), NULL);
    refused(ERR_FILE_MISSING, "adapter_config.json", base, scratch("nowhere"));
    snprintf(small, sizeof small, "%s", scratch("small"));
    small_base(small, 1000, 1);
    refused(ERR_CFG_VOCAB, "vocab_size is 1000", small, NULL);
}

static void another_tokenizer_is_refused(void **state)
{
    (void)state;
    char theirs[300];
    snprintf(theirs, sizeof theirs, "%s", scratch("retokenised"));
    small_base(theirs, 1024, 1);
    free(hf_folder_edit(theirs, "tokenizer.json", "\"type\": \"NFC\"", "\"type\":  \"NFC\""));
    struct loaded l;
    load_ok(&l, theirs, adapter, LOAD_AUTO); /* the same tokenizer, written otherwise */
    load_clear(&l);
    free(hf_folder_edit(theirs, "tokenizer.json", "\"type\":  \"NFC\"", "\"type\": null"));
    free(hf_folder_edit(theirs, "tokenizer.json", "{\n    \"type\": null\n  }", "null"));
    refused(ERR_TOK_HASH, "tokenizer", theirs, adapter);
}

/* ---- where the adapter begins to act ----------------------------------------------------------------- */

static uint32_t acts_from(enum lora_gate gate, const char *raw, struct prompt *p)
{
    struct loaded l;
    struct err e = {0};
    struct chat_turn turns[] = {{ROLE_USER, "hi", 2}, {ROLE_ASSISTANT, "Hello!", 6}, {ROLE_USER, "bye", 3}};
    char dir[300];
    snprintf(dir, sizeof dir, "%s", scratch("gate"));
    assert_int_equal(file_remove_tree(dir, &e), 0);
    small_adapter(dir, base, gate, 4);
    load_ok(&l, base, dir, LOAD_AUTO);
    int r = raw ? prompt_raw(p, &l, raw, strlen(raw), &e) : prompt_chat(p, &l, turns, 3, NULL, true, &e);
    if (r) fail_msg("%s", e.msg);
    load_clear(&l);
    return p->adapt_from;
}

static void gates(void **state)
{
    (void)state;
    struct prompt p;
    uint32_t from = acts_from(GATE_ASSISTANT, NULL, &p);
    assert_true(p.forced >= 2); /* <think>\n */
    uint32_t response = p.n - p.forced;
    assert_int_equal(p.ids[from], 1022); /* the last <|im_start|> */
    for (uint32_t i = from + 1; i < p.n; i++) assert_int_not_equal(p.ids[i], 1022);
    assert_true(from < response);
    prompt_clear(&p);
    assert_int_equal(acts_from(GATE_RESPONSE, NULL, &p), response);
    prompt_clear(&p);
    assert_int_equal(acts_from(GATE_ALL, NULL, &p), 0);
    prompt_clear(&p);
    assert_int_equal(acts_from(GATE_ASSISTANT, "no header at all", &p), UINT32_MAX);
    prompt_clear(&p);
    from = acts_from(GATE_ASSISTANT, "<|im_start|>assistant\nA<|im_start|>assistant\nB", &p);
    assert_true(from > 0 && from < p.n && p.ids[from] == 1022);
    prompt_clear(&p);
    from = acts_from(GATE_RESPONSE, "plain", &p);
    assert_int_equal(from, p.n);
    prompt_clear(&p);
}

/* An adapter that names no tokens waits for the header itself, in a conversation and in a raw text. */
static void gates_without_names(void **state)
{
    (void)state;
    static const char raw[] = "<|im_start|>assistant\nA<|im_end|>\n<|im_start|>assistant\nB";
    struct loaded l;
    struct err e = {0};
    struct prompt named, p;
    uint32_t from = acts_from(GATE_ASSISTANT, raw, &named);
    load_ok(&l, base, adapter, LOAD_AUTO);
    l.info.n_invocation = 0;
    assert_int_equal(prompt_raw(&p, &l, raw, sizeof raw - 1, &e), 0);
    assert_int_equal(p.adapt_from, from);
    assert_memory_equal(p.ids, named.ids, p.n * sizeof *p.ids);
    assert_int_equal(prompt_gate(&from, &l, p.ids, from, &e), 0); /* the one before */
    assert_int_equal(from, 0);
    l.adapter->cfg.gate = GATE_RESPONSE;
    assert_int_equal(prompt_gate(&from, &l, p.ids, p.n, &e), 0);
    assert_true(from > p.adapt_from && p.ids[from - 1] != 1022 && from < p.n);
    prompt_clear(&p);
    prompt_clear(&named);
    load_clear(&l);
}

/* ---- export ------------------------------------------------------------------------------------------ */

static void export_open(struct loaded *l, enum load_dtype dtype)
{
    struct load_options o = {.model = base, .dtype = dtype, .threads = 1};
    struct err e = {0};
    memset(l, 0, sizeof *l);
    int r = load_folder(l, &o, &e);
    if (!r) r = load_model(l, &o, &e);
    if (!r) r = load_adapter(l, adapter, &e);
    if (r) fail_msg("%s", e.msg);
}

static void exports_answer_as_the_trained_one(void **state)
{
    (void)state;
    static const struct {
        enum load_dtype model;
        enum dtype file;
        bool merged;
    } rows[] = {{LOAD_BF16, DTYPE_F32, false},
                {LOAD_BF16, DTYPE_BF16, false},
                {LOAD_FP32, DTYPE_F32, false},
                {LOAD_FP32, DTYPE_F32, true}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct loaded l;
        struct export_report report;
        struct err e = {0};
        struct export_options o = {.model = base, .dtype = rows[i].file, .check = true, .force = true};
        char dir[300];
        snprintf(dir, sizeof dir, "%s", scratch(rows[i].merged ? "merged" : "exported"));
        export_open(&l, rows[i].model);
        int r = rows[i].merged ? export_merged(&l, dir, &o, &report, &e)
                               : export_adapter(&l, dir, &o, &report, &e);
        if (r) fail_msg("row %zu: %s", i, e.msg);
        assert_int_equal(report.rows, 3 * EXPORT_TOKENS);
        assert_true(report.difference <= export_tolerance(&l, o.dtype, rows[i].merged));
        load_clear(&l);
    }
}

static void an_export_in_place_needs_force(void **state)
{
    (void)state;
    struct err e = {0};
    assert_int_equal(export_check_target(adapter, false, false, &e), ERR_EXISTS);
    assert_int_equal(export_check_target(adapter, false, true, NULL), 0);
    assert_int_equal(export_check_target(adapter, true, true, NULL), ERR_EXISTS); /* not a model's folder */
    assert_int_equal(export_check_target(scratch("nothing"), false, false, NULL), 0);
}

static void another_adapter_is_told_apart(void **state)
{
    (void)state;
    struct loaded l;
    struct export_report report;
    struct err e = {0};
    char dir[300];
    snprintf(dir, sizeof dir, "%s", scratch("one-off"));
    export_open(&l, LOAD_FP32);
    struct loaded b = l;
    /* one weight, one unit in the last place of bf16 away */
    b.adapter = NULL, b.lora = NULL;
    assert_int_equal(load_adapter(&b, adapter, &e), 0);
    assert_int_equal(export_compare(&l, &b, false, 0, &report, &e), 0);
    b.adapter->weights[5] *= 1.004f;
    lora_refresh(b.lora, b.m, b.adapter);
    assert_int_equal(export_compare(&l, &b, false, 0, &report, &e), ERR_EXPORT_DIFF);
    assert_non_null(strstr(e.msg, "expected the same bits"));
    /* within rounding it passes; far off it does not */
    assert_int_equal(export_compare(&l, &b, false, 1e-2, &report, NULL), 0);
    for (uint64_t i = 0; i < b.adapter->count; i++) b.adapter->weights[i] *= -1.5f;
    lora_refresh(b.lora, b.m, b.adapter);
    assert_int_equal(export_compare(&l, &b, false, 1e-2, &report, NULL), ERR_EXPORT_DIFF);
    lora_free(b.lora);
    adapter_free(b.adapter);
    load_clear(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_there),
        cmocka_unit_test(a_long_context_is_the_models),
        cmocka_unit_test(what_does_not_belong_together_is_refused),
        cmocka_unit_test(another_tokenizer_is_refused),
        cmocka_unit_test(gates),
        cmocka_unit_test(gates_without_names),
        cmocka_unit_test(exports_answer_as_the_trained_one),
        cmocka_unit_test(an_export_in_place_needs_force),
        cmocka_unit_test(another_adapter_is_told_apart),
    };
    return cmocka_run_group_tests(tests, setup, scratch_teardown);
}
