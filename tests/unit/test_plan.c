/* Forecasts: the numbers that are known from elsewhere, and what must hold between them. Memory against a
 * run's own is tests/e2e/test_cli_plan.c. */
#include "rl/forecast.h"
#include "tests/support/scratch.h"
#include "train/bench_train.h"
#include "train/cost.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NEAR(a, b, share) assert_true(fabs((double)(a) - (double)(b)) <= (share)*fabs((double)(b)))

static struct plan planned(const char *path, const char *const *set, int n, struct forecast_request q)
{
    struct forecast r;
    struct plan p = {0};
    struct err e = {0};
    q.path = path, q.set = set, q.n_set = n, q.threads = 1, q.sample = q.sample ? q.sample : 50;
    int code = forecast_open(&r, &q, &e);
    if (!code) code = forecast_plan(&r, NULL, &p, &e);
    if (code) fail_msg("%s: %s", path, e.msg);
    forecast_close(&r);
    return p;
}

static const struct plan_bytes *role(const struct plan_list *l, const char *what)
{
    for (unsigned i = 0; i < l->n; i++)
        if (!strcmp(l->at[i].what, what)) return &l->at[i];
    fail_msg("no %s", what);
    return NULL;
}

static double flops(const struct plan *p, const char *what)
{
    for (unsigned i = 0; i < p->phases; i++)
        if (!strcmp(p->phase[i].what, what)) return p->phase[i].flops;
    return 0;
}

/* The paper's section 3, and the model cards. */
static void as_many_weights_as_the_paper_trains(void **state)
{
    static const struct {
        const char *shape;
        double parameters, trained;
    } known[] = {{"qwen2.5-0.5b", 494.0, 70.4},
                 {"qwen2.5-1.5b", 1543.7, 147.7},
                 {"qwen2.5-3b", 3085.9, 239.5},
                 {"qwen2.5-7b", 7615.6, 323.0}};
    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct plan p =
            planned("recipes/paper-7b-sft.yaml", NULL, 0, (struct forecast_request){.shape = known[i].shape});
        assert_true(fabs(1e-6 * (double)p.parameters - known[i].parameters) < 0.051);
        assert_true(fabs(1e-6 * (double)p.trained - known[i].trained) < 0.051);
    }
    struct plan dense = planned("recipes/paper-7b-dense.yaml", NULL, 0, (struct forecast_request){0});
    assert_int_equal(dense.trained, dense.parameters);
}

/* Recipes are told apart by their keys; shapes by the model's name. */
static void every_recipe_of_the_paper(void **state)
{
    static const struct {
        const char *path;
        double millions;
        uint64_t steps, parts;
    } known[] = {{"recipes/paper-3b-sft.yaml", 3085.9, 85831, 64},
                 {"recipes/paper-7b-sft.yaml", 7615.6, 85831, 64},
                 {"recipes/paper-3b-dense.yaml", 3085.9, 10729, 512},
                 {"recipes/paper-7b-dense.yaml", 7615.6, 10729, 512},
                 {"recipes/paper-3b-budget.yaml", 3085.9, 200, 256},
                 {"recipes/paper-7b-budget.yaml", 7615.6, 200, 256},
                 {"recipes/qwen2.5-0.5b-sft.yaml", 494.0, 1145, 16},
                 {"recipes/qwen2.5-0.5b-gsm8k-ppo.yaml", 494.0, 200, 128}};
    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct plan p = planned(known[i].path, NULL, 0, (struct forecast_request){0});
        assert_true(fabs(1e-6 * (double)p.parameters - known[i].millions) < 0.051);
        assert_int_equal(p.steps, known[i].steps);
        assert_int_equal(p.parts, known[i].parts);
        assert_true(p.resident <= plan_bytes(&p.memory));
    }
}

static void refused(struct forecast_request q, int code, const char *says)
{
    struct forecast r;
    struct err e = {0};
    q.threads = 1, q.sample = 10;
    assert_int_equal(forecast_open(&r, &q, &e), code);
    if (!strstr(e.msg, says)) fail_msg("no \"%s\" in: %s", says, e.msg);
    forecast_close(&r);
}

static void what_no_command_knows(void **state)
{
    static const char *const nameless[] = {"model_name_or_path=nowhere/thing"}, *const bad[] = {"lora_rank"};
    struct forecast_request nano = {.path = "recipes/nano-sft.yaml"};
    (void)state;
    refused((struct forecast_request){.path = "recipes/nano-verifier.yaml"}, ERR_CFG_CONFLICT, "--kind");
    refused((struct forecast_request){.path = scratch("none.yaml")}, ERR_FILE_MISSING, "none.yaml");
    nano.kind = FORECAST_PPO;
    refused(nano, ERR_CFG_CONFLICT, "belongs to terse sft");
    nano.kind = FORECAST_AUTO, nano.n_set = 1, nano.set = nameless;
    refused(nano, ERR_FILE_MISSING, "--shape");
    nano.set = bad;
    refused(nano, ERR_USAGE, "key=value");
}

/* ---- products ------------------------------------------------------------------------------------------ */

static struct cost counted(const struct cost_model *m, double n, double from, double labels)
{
    struct cost c = {0};
    cost_add(&c, m, n, from, labels, 1);
    return c;
}

static void products_are_counted_as_they_run(void **state)
{
    struct model_config m;
    struct err e = {0};
    (void)state;
    assert_int_equal(model_config_named(&m, "qwen2.5-0.5b", &e), 0);
    struct cost_model lora = {&m, 128, LORA_ALL, RECOMPUTE_NONE}, dense = {&m, 0, 0, RECOMPUTE_NONE};
    /* weights of all products: the head's once, norms and biases not */
    double head = (double)m.vocab * m.width,
           linear = (double)model_config_params(&m) - head - 24 * (2 * 896 + 1152) - 896;
    double scores = 4.0 * m.layers * m.heads * m.head_dim;
    struct cost one = counted(&dense, 1, 0, 1);
    NEAR(one.forward, 2 * linear + scores, 1e-9);
    NEAR(one.head, 2 * head, 1e-9);
    NEAR(one.weights, 2 * linear + 2 * head, 1e-9);
    NEAR(one.backward, 2 * linear + 2 * head + 2.5 * scores, 1e-9);
    NEAR(counted(&lora, 1, 0, 1).weights, 2 * 70.4e6, 1e-3);
    /* what the base reads alone is read once, and nothing of it comes back */
    struct cost all = counted(&lora, 300, 0, 200), some = counted(&lora, 300, 100, 200);
    NEAR(some.prompt, 100 * 2 * linear + scores * 100 * 101 / 2, 1e-9);
    assert_true(all.prompt == 0 && some.again == 0);
    NEAR(some.forward / all.forward, 2.0 / 3, 0.02);
    assert_true(some.weights < 0.67 * all.weights && some.backward < all.backward);
    /* 22 % of a token's 2.46 GFLOP are the head's */
    NEAR(bench_train_flops(&m, 128, 512), 2.46e9, 0.01);
}

static void recompute_costs_a_forward_pass_less_a_layer(void **state)
{
    struct model_config m;
    struct err e = {0};
    (void)state;
    assert_int_equal(model_config_named(&m, "qwen2.5-0.5b", &e), 0);
    struct cost_model c = {&m, 128, LORA_ALL, RECOMPUTE_LAYER};
    struct cost layer = counted(&c, 300, 100, 200);
    NEAR(layer.again, layer.forward * 23 / 24, 1e-9);
    c.recompute = RECOMPUTE_MLP;
    struct cost mlp = counted(&c, 300, 100, 200);
    assert_true(mlp.again < layer.again && mlp.again > 0.6 * layer.again);
}

/* ---- data ---------------------------------------------------------------------------------------------- */

/* A sample of nano's shard against all of it. */
static void a_sample_stands_for_the_dataset(void **state)
{
    static const char *const here[] = {"output_dir="
                                       "/nonexistent/run"};
    (void)state;
    struct plan some = planned("recipes/nano-sft.yaml", here, 1, (struct forecast_request){.sample = 100});
    struct plan all = planned("recipes/nano-sft.yaml", here, 1, (struct forecast_request){.sample = 6000});
    assert_true(all.docs == 6000 && some.docs == 6000);
    NEAR(some.tokens, all.tokens, 0.05);
    NEAR(some.rows, all.rows, 0.05);
    NEAR(flops(&some, "backward"), flops(&all, "backward"), 0.08);
    assert_true(role(&some.disk, "token shards")->bytes > 0);
}

static void what_is_said_counts(void **state)
{
    struct forecast_request q = {.assumed = {1000, 4096, 96}};
    (void)state;
    struct plan p = planned("recipes/paper-7b-sft.yaml", NULL, 0, q);
    assert_true(p.docs == 1000 && p.tokens == 4096000 && p.learned == 4000000 && p.rows == 250);
    assert_int_equal(p.steps, 20); /* 5 epochs of 250 rows, 64 a step */
    static const char *const cut[] = {"cutoff_len=2048"};
    p = planned("recipes/paper-7b-sft.yaml", cut, 1, q);
    assert_true(p.tokens == 2048000 && p.learned == 1952000 && p.rows == 1000);
    q.answer_tokens = 1000, q.assumed.prompt = 100;
    p = planned("recipes/paper-7b-budget.yaml", NULL, 0, q);
    assert_true(p.learned == 256 * 1000 && p.seen == 200 * (256 * 1000.0 + 32 * 100));
}

/* ---- machines ------------------------------------------------------------------------------------------ */

static void time_is_the_slower_limit_over_its_share(void **state)
{
    struct plan p = {.parts = 10, .phases = 2};
    struct plan_machine m = {.products = 100, .fp32 = 50, .read = 10, .share = {0.5, 0.5, 0.25}, .ranks = 1};
    (void)state;
    p.phase[0] = (struct plan_phase){"products", 1e12, 1e9, false, PLAN_PRODUCTS};
    p.phase[1] = (struct plan_phase){"sums", 0, 5e9, false, PLAN_MEMORY};
    NEAR(plan_phase_seconds(&p, &p.phase[0], &m), 20, 1e-9);
    NEAR(plan_phase_seconds(&p, &p.phase[1], &m), 2, 1e-9);
    p.phase[0].fp32 = true;
    NEAR(plan_phase_seconds(&p, &p.phase[0], &m), 40, 1e-9);
    m.ranks = 4; /* the busiest has 3 of 10 parts; what is summed is everywhere */
    NEAR(plan_seconds(&p, &m), 40 * 0.3 + 2, 1e-9);
    m.ranks = 64;
    NEAR(plan_seconds(&p, &m), 40 * 0.1 + 2, 1e-9);
}

/* More memory than there is: recompute=auto gives way. */
static void less_memory_means_recomputing(void **state)
{
    (void)state;
    struct plan much = planned("recipes/qwen2.5-0.5b-sft.yaml", NULL, 0, (struct forecast_request){0});
    struct plan little =
        planned("recipes/qwen2.5-0.5b-sft.yaml", NULL, 0, (struct forecast_request){.limit = 8ull << 30});
    assert_string_equal(much.recompute, "none");
    assert_string_equal(little.recompute, "layer");
    assert_true(role(&little.memory, "activations")->bytes < role(&much.memory, "activations")->bytes);
    assert_true(flops(&much, "recomputed") == 0 && flops(&little, "recomputed") > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_many_weights_as_the_paper_trains),
        cmocka_unit_test(every_recipe_of_the_paper),
        cmocka_unit_test(what_no_command_knows),
        cmocka_unit_test(products_are_counted_as_they_run),
        cmocka_unit_test(recompute_costs_a_forward_pass_less_a_layer),
        cmocka_unit_test(a_sample_stands_for_the_dataset),
        cmocka_unit_test(what_is_said_counts),
        cmocka_unit_test(time_is_the_slower_limit_over_its_share),
        cmocka_unit_test(less_memory_means_recomputing),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
