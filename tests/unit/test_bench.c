/* What benches count and report: costs of passes, rows in order, random weights. How fast anything is, is not
 * tested. */
#include "infer/bench_cost.h"
#include "infer/bench_infer.h"
#include "infer/random_weights.h"
#include "tests/support/random_model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct random_model rig;
static struct adapter *adapter;
static struct lora *lora;

static int setup(void **state)
{
    struct model_config c = tiny_config_for(WT_Q4_0);
    struct err e = {0};
    (void)state;
    random_model_create(&rig, &c, WT_Q4_0, 2, NULL, 1);
    adapter = random_adapter(&c, 8, LORA_ALL, 2);
    return lora_create(&lora, rig.m, adapter, &e);
}

static int teardown(void **state)
{
    (void)state;
    lora_free(lora);
    adapter_free(adapter);
    random_model_free(&rig);
    return 0;
}

/* ---- costs --------------------------------------------------------------------------------------------- */

/* Parameters of all products of a token: the tied head counts, norms and biases do not. */
static double products(const struct model_config *c)
{
    double q = c->heads * c->head_dim, kv = c->kv_heads * c->head_dim;
    double layer = 2 * q * c->width + 2 * kv * c->width + 3.0 * c->ff * c->width;
    return c->layers * layer + (double)c->vocab * c->width;
}

static void a_step_counts_every_product_once_a_stream(void **state)
{
    (void)state;
    const struct model_config *c = &rig.m->c;
    struct bench_cost one = {0}, three = {0};
    bench_cost_step(&one, rig.m, NULL, KV_MODEL, 1, 128, 130);
    bench_cost_step(&three, rig.m, NULL, KV_MODEL, 3, 128, 130);
    double attention = 4.0 * c->layers * c->heads * c->head_dim * 131;
    assert_true(fabs(one.flops - 2 * products(c) - attention) < 1);
    assert_true(fabs(three.flops - 3 * one.flops) < 1);
    double position = (double)kv_page_bytes(rig.m, KV_MODEL) / KV_PAGE;
    /* two whole pages are shared; the rest of 131 positions each stream has to itself */
    assert_true(fabs(three.bytes - one.bytes - 2 * (131 - 128) * position) < 1);
}

static void a_prompt_in_two_passes_is_a_prompt(void **state)
{
    (void)state;
    struct bench_cost whole = {0}, parts = {0};
    bench_cost_prompt(&whole, rig.m, lora, KV_MODEL, 0, 100, true);
    bench_cost_prompt(&parts, rig.m, lora, KV_MODEL, 0, 60, false);
    bench_cost_prompt(&parts, rig.m, lora, KV_MODEL, 60, 40, true);
    assert_true(fabs(whole.flops - parts.flops) < 1e-9 * whole.flops);
    assert_true(parts.bytes > whole.bytes); /* the weights were read twice */
}

static void seconds_are_those_of_the_slower_limit(void **state)
{
    (void)state;
    struct machine_limits l = {.fma = 100, .dot = 200, .dot8 = 400, .read = 10};
    struct bench_cost work = {.flops = 200e9, .flops8 = 400e9, .bytes = 1e9};
    int compute = 0;
    assert_true(fabs(bench_cost_seconds(&work, rig.m, &l, &compute) - 2) < 1e-9 && compute);
    work.bytes = 30e9;
    assert_true(fabs(bench_cost_seconds(&work, rig.m, &l, &compute) - 3) < 1e-9 && !compute);
    l.dot = l.dot8 = 0; /* a machine without such instructions does all with fp32's */
    assert_true(fabs(bench_cost_seconds(&work, rig.m, &l, &compute) - 6) < 1e-9 && compute);
}

/* ---- rows ---------------------------------------------------------------------------------------------- */

struct seen {
    char names[512];
    int rows;
};

static void see(void *ctx, const struct bench_row *row)
{
    struct seen *s = ctx;
    size_t n = strlen(s->names);
    snprintf(s->names + n, sizeof s->names - n, "%s,", row->test);
    s->rows++;
    assert_true(row->tok_s > 0 && row->ns > 0 && row->gb_s > 0 && row->gflop_s > 0);
    assert_true(row->ratio > 0 ? row->lora == 8 : row->lora == 0);
    assert_string_equal(row->dtype, "q4_0");
}

static struct bench_infer_config small(void)
{
    return (struct bench_infer_config){
        .m = rig.m,
        .lora = lora,
        .cpu_flags = cpu_detect(),
        .prompt = 70,
        .tokens = 3,
        .depth = 70,
        .streams = {1, 3},
        .counts = 2,
        .repetitions = 2,
        .first = true,
    };
}

static void rows_come_in_order(void **state)
{
    (void)state;
    struct bench_infer_config c = small();
    struct bench_infer_result r;
    struct seen s = {0};
    struct err e = {0};
    if (bench_infer_run(&c, &r, see, &s, &e)) fail_msg("%s", e.msg);
    assert_string_equal(s.names, "pp70,pp70 lora,tg3 x1,tg3 x1 lora,tg3 x3,tg3 x3 lora,ttft70,ttft70 lora,"
                                 "ttft70 +64,ttft70 +64 lora,");
    assert_int_equal(r.kv, 3 * 2 * kv_page_bytes(rig.m, KV_MODEL));
    assert_true(r.session > r.kv && r.weights > 0 && r.weights < rig.m->arena.used && r.adapter > 0);
    assert_true(r.limits.read == 0);
}

static void prompts_of_their_own(void **state)
{
    (void)state;
    struct bench_infer_config c = small();
    struct bench_infer_result r;
    struct seen s = {0};
    struct err e = {0};
    c.lora = NULL, c.separate = true, c.prompt = 0, c.depth = 65, c.kv = KV_INT8, c.first = false;
    if (bench_infer_run(&c, &r, see, &s, &e)) fail_msg("%s", e.msg);
    assert_string_equal(s.names, "tg3 @65 x1,tg3 @65 x3,");
    c.depth = rig.m->context;
    assert_int_equal(bench_infer_run(&c, &r, see, &s, &e), ERR_CTX_FULL);
}

static void shares_are_of_limits(void **state)
{
    (void)state;
    struct bench_infer_config c = small();
    struct bench_infer_result r;
    struct seen s = {0};
    struct err e = {0};
    c.lora = NULL, c.limits = true, c.repetitions = 1, c.counts = 1, c.prompt = 0, c.first = false;
    if (bench_infer_run(&c, &r, see, &s, &e)) fail_msg("%s", e.msg);
    assert_int_equal(s.rows, 1);
    assert_true(r.limits.read > 0 && r.limits.fma > 0);
}

/* ---- random weights --------------------------------------------------------------------------------------
 */

static void random_weights_are_numbers(void **state)
{
    (void)state;
    struct model_config c = tiny_config();
    struct random_weights w = {0};
    struct err e = {0};
    uint32_t layer;
    if (random_weights_make(&w, &c, rig.pool, &e)) fail_msg("%s", e.msg);
    for (uint32_t s = 0; s < params_slots(&c); s++) {
        enum param p = params_of_slot(&c, s, &layer);
        const struct tensor *t = w.bound[s];
        if (!params_has(&c, p)) continue;
        const uint16_t *v = t->data;
        for (uint64_t i = 0; i < t->bytes / 2; i++)
            if (params[p].kind == PARAM_NORM)
                assert_int_equal(v[i], 0x3f80);
            else
                assert_in_range(v[i] & 0x7fff, 0x3c00, 0x3cff);
    }
    random_weights_clear(&w);
    assert_null(w.bound);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_counts_every_product_once_a_stream),
        cmocka_unit_test(a_prompt_in_two_passes_is_a_prompt),
        cmocka_unit_test(seconds_are_those_of_the_slower_limit),
        cmocka_unit_test(rows_come_in_order),
        cmocka_unit_test(prompts_of_their_own),
        cmocka_unit_test(shares_are_of_limits),
        cmocka_unit_test(random_weights_are_numbers),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
