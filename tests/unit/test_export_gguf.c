/* A model and its adapter leave as GGUF files and come back the same. */
#include "checkpoints/export_gguf.h"
#include "checkpoints/file.h"
#include "checkpoints/gguf_save.h"
#include "checkpoints/hf_random.h"
#include "checkpoints/hf_tokenizer.h"
#include "infer/gguf_adapter.h"
#include "tests/support/clock.h"
#include "tests/support/random_model.h"
#include "tests/support/scratch.h"
#include "tests/support/small_base.h"
#include "tests/support/tiny_tokenizer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
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

static struct model_config shape(void)
{
    struct base *b;
    struct err e = {0};
    if (base_open(&b, base, &e)) fail_msg("%s", e.msg);
    struct model_config c = b->config;
    base_close(b);
    return c;
}

/* Every number comes back, whatever the gate and the scale's rule. */
static void adapters_come_back(void **state)
{
    (void)state;
    const struct model_config m = shape();
    for (int gate = 0; gate < 3; gate++)
        for (int rslora = 0; rslora < 2; rslora++) {
            struct adapter *a = random_adapter(&m, 6, 1 << LORA_K | 1 << LORA_UP, (uint64_t)gate), *b;
            struct adapter_info info = {.base_name = "some base"}, again;
            struct err e = {0};
            a->cfg.gate = (enum lora_gate)gate, a->cfg.rslora = rslora, a->cfg.alpha = 12.3;
            if (gate == GATE_ASSISTANT) info.invocation[info.n_invocation++] = 77;
            snprintf(info.base, sizeof info.base, "%064d", 1);
            if (gguf_adapter_save(scratch("a.gguf"), a, &info, DTYPE_F32, &e)) fail_msg("%s", e.msg);
            if (gguf_adapter_load(&b, &again, NULL, scratch("a.gguf"), &m, NULL, &e)) fail_msg("%s", e.msg);
            assert_int_equal(a->count, b->count);
            assert_memory_equal(a->weights, b->weights, a->count * sizeof *a->weights);
            assert_true(adapter_scale(&a->cfg) == adapter_scale(&b->cfg));
            assert_int_equal(a->cfg.gate, b->cfg.gate);
            assert_int_equal(info.n_invocation, again.n_invocation);
            assert_string_equal(again.base, info.base);
            assert_string_equal(again.base_name, "some base");
            struct gguf *g;
            double alpha = 0;
            assert_int_equal(gguf_open(&g, scratch("a.gguf"), &e), 0);
            assert_int_equal(gguf_get_float(g, "adapter.lora.alpha", true, &alpha, &e), 0);
            assert_true(fabs(alpha - (rslora ? 12.3 * sqrt(6) : 12.3)) < 1e-5);
            gguf_close(g);
            adapter_free(a);
            adapter_free(b);
        }
}

static void what_no_adapter_file_holds(void **state)
{
    (void)state;
    const struct model_config m = shape();
    struct adapter *a = random_adapter(&m, 4, LORA_ALL, 1);
    struct adapter_info info = {.n_invocation = 1};
    struct err e = {0}, f = {0};
    a->cfg.gate = GATE_ALL;
    assert_int_equal(gguf_adapter_save(scratch("no.gguf"), a, &info, DTYPE_F32, &e), ERR_CFG_CONFLICT);
    info.n_invocation = 0;
    a->weights[7] = NAN;
    assert_int_equal(gguf_adapter_save(scratch("no.gguf"), a, &info, DTYPE_F32, &f), ERR_NONFINITE);
    assert_non_null(strstr(f.msg, "blk.0.attn_q.weight.lora_a"));
    assert_false(file_exists(scratch("no.gguf")));
    assert_false(file_exists(scratch("no.gguf.tmp")));
    adapter_free(a);
}

static int load(struct loaded *l, const char *model, const char *with, struct err *e)
{
    struct load_options o = {.model = model, .adapter = with, .threads = 1, .context = 256};
    return load_all(l, &o, e);
}

static void a_folder_of_both(void **state)
{
    (void)state;
    static const enum load_dtype types[] = {LOAD_AUTO, LOAD_FP32, LOAD_Q8_0, LOAD_Q4_0, LOAD_W4};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct export_gguf_options o = {.model = base,
                                        .adapter = adapter,
                                        .dtype = types[i],
                                        .base = true,
                                        .check = true,
                                        .force = true,
                                        .threads = 1};
        struct export_report r;
        struct loaded l;
        struct err e = {0};
        if (export_gguf(scratch("both"), &o, &r, &e)) fail_msg("%s", e.msg);
        assert_true(r.rows > 30 && r.difference == 0);
        assert_false(file_exists(scratch("both.unchecked")));
        if (load(&l, scratch("both/model.gguf"), scratch("both/adapter.gguf"), &e)) fail_msg("%s", e.msg);
        assert_int_equal(l.adapter->cfg.gate, GATE_ASSISTANT);
        assert_true(l.info.n_invocation > 0);
        load_clear(&l);
    }
}

static void single_files(void **state)
{
    (void)state;
    struct export_gguf_options o = {
        .model = base, .adapter = adapter, .base = true, .check = true, .threads = 1};
    struct export_report r;
    struct loaded l;
    struct err e = {0}, f = {0}, g = {0};
    assert_int_equal(export_gguf(scratch("one.gguf"), &o, &r, &e), ERR_CFG_CONFLICT);
    assert_false(file_exists(scratch("one.gguf")));
    o.base = false;
    if (export_gguf(scratch("one.gguf"), &o, &r, &f)) fail_msg("%s", f.msg);
    assert_true(r.difference == 0);
    if (load(&l, base, scratch("one.gguf"), &f)) fail_msg("%s", f.msg);
    load_clear(&l);
    assert_int_equal(export_gguf(scratch("one.gguf"), &o, &r, &g), ERR_EXISTS);
    o.merge = true, o.force = true, o.dtype = LOAD_FP32;
    if (export_gguf(scratch("one.gguf"), &o, &r, &f)) fail_msg("%s", f.msg);
    assert_true(r.rows > 30 && r.difference < 1e-4);
    if (load(&l, scratch("one.gguf"), NULL, &f)) fail_msg("%s", f.msg);
    load_clear(&l);
    assert_int_equal(load(&l, scratch("one.gguf"), adapter, &f), 0); /* merged, it does not say what it is */
    load_clear(&l);
}

/* An adapter does not fit another base, in whatever either comes. */
static void the_wrong_base(void **state)
{
    (void)state;
    struct export_gguf_options o = {
        .model = base, .adapter = adapter, .base = true, .threads = 1, .force = true};
    struct export_report r;
    struct loaded l;
    struct err e = {0};
    if (export_gguf(scratch("right"), &o, &r, &e)) fail_msg("%s", e.msg);
    o.model = other, o.adapter = NULL, o.dtype = LOAD_Q8_0;
    if (export_gguf(scratch("wrong"), &o, &r, &e)) fail_msg("%s", e.msg);
    const char *models[] = {other, scratch("wrong/model.gguf")};
    const char *adapters[] = {adapter, scratch("right/adapter.gguf")};
    for (int m = 0; m < 2; m++)
        for (int a = 0; a < 2; a++) {
            struct err f = {0};
            assert_int_equal(load(&l, models[m], adapters[a], &f), ERR_BASE_HASH);
            assert_non_null(strstr(f.msg, adapters[a]));
        }
    struct err g = {0}, h = {0};
    assert_int_equal(load(&l, scratch("right/adapter.gguf"), NULL, &g), ERR_CFG_TYPE);
    assert_int_equal(load(&l, base, scratch("right/model.gguf"), &h), ERR_AD_TYPE);
}

/* Qwen2.5's own tokenizer and template: 151,643 tokens, 22 added ones, padding up to the embedding's rows. */
static void the_real_tokenizer(void **state)
{
    (void)state;
    const char *folder = qwen_folder();
    if (!folder) skip();
    struct model_config c;
    struct pool *pool;
    struct tokenizer *was, *is;
    struct gguf_model *m;
    struct err e = {0};
    char a[SHA256_HEX], b[SHA256_HEX];
    model_config_init(&c);
    c.layers = 1, c.heads = 1, c.kv_heads = 1, c.head_dim = 32, c.width = 32, c.ff = 32, c.vocab = 151936;
    c.tied = true, c.eos[0] = 151645, c.eos[1] = 151643, c.n_eos = 2;
    assert_int_equal(pool_create(&pool, 2, &e), 0);
    if (hf_random_save(scratch("real"), &c, DTYPE_BF16, 1, 0, pool, NULL, &e)) fail_msg("%s", e.msg);
    if (hf_tokenizer_copy(folder, scratch("real"), &e)) fail_msg("%s", e.msg);
    pool_free(pool);
    struct export_gguf_options o = {.model = scratch("real"), .dtype = LOAD_Q4_0, .base = true, .threads = 2};
    struct export_report r;
    if (export_gguf(scratch("real.gguf"), &o, &r, &e)) fail_msg("%s", e.msg);
    if (hf_tokenizer_load(&was, scratch("real"), 0, &e)) fail_msg("%s", e.msg);
    if (gguf_model_open(&m, scratch("real.gguf"), &e)) fail_msg("%s", e.msg);
    double t = cpu_seconds();
    if (gguf_tokenizer(&is, m->file, &e)) fail_msg("%s", e.msg);
    assert_true(cpu_seconds() - t < 1 * slowness());
    assert_int_equal(tokenizer_digest(was, a, &e), 0);
    assert_int_equal(tokenizer_digest(is, b, &e), 0);
    assert_string_equal(a, b);
    assert_string_equal(a, m->tokenizer);
    assert_int_equal(tokenizer_vocab(is), 151665);
    assert_string_equal(tokenizer_default_system(is), tokenizer_default_system(was));
    assert_true(tokenizer_is_eos(is, 151643) && tokenizer_is_eos(is, 151645));
    tokenizer_free(was);
    tokenizer_free(is);
    gguf_model_close(m);
}

static void what_is_not_replaced(void **state)
{
    (void)state;
    struct export_gguf_options o = {.model = base, .base = true, .force = true, .threads = 1};
    struct export_report r;
    struct err e = {0}, f = {0};
    scratch_write("precious", "text", 4);
    assert_int_equal(export_gguf(scratch("precious"), &o, &r, &e), ERR_EXISTS);
    assert_int_equal(file_make_dirs(scratch("home"), &f), 0);
    assert_int_equal(export_gguf(scratch("home"), &o, &r, &f), ERR_EXISTS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adapters_come_back),   cmocka_unit_test(what_no_adapter_file_holds),
        cmocka_unit_test(a_folder_of_both),     cmocka_unit_test(single_files),
        cmocka_unit_test(the_wrong_base),       cmocka_unit_test(the_real_tokenizer),
        cmocka_unit_test(what_is_not_replaced),
    };
    return cmocka_run_group_tests(tests, setup, scratch_teardown);
}
