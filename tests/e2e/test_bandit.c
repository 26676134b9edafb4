/* A bandit: one question, one token to answer it with, 1 for the right one. Without KL the right token's
 * probability goes to 1; with a penalty beta KL(pi || ref) the best policy is pi* ~ ref exp(r / beta), and
 * every estimator gets there. So does the k2 loss, whose gradient is that KL's; k3's is that of KL(ref ||
 * pi), whose optimum is another. */
#include "checkpoints/hf_random.h"
#include "infer/detok.h"
#include "rl/ppo_parts.h"
#include "tests/support/run.h"
#include "tests/support/small_base.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TAUGHT = 60 };

static char folder[256];

static void must(int r, const struct err *e)
{
    if (r) fail_msg("%s: %s", err_name(r), e->msg);
}

struct setting {
    const char *estimator, *kl, *beta;
};

static void options_fill(struct options *o, struct ppo_config *c, const char *adapter, const char *name,
                         const struct setting *s)
{
    const char *const set[][2] = {
        {"estimator", s->estimator},
        {"kl", s->kl},
        {"kl_coef", s->beta},
        {"reward", "correct"},
        {"truncated", "keep"}, /* no answer has room to end */
        {"response_length", "1"},
        {"budget_prompt", ""},
        {"prompts_per_step", "4"},
        {"num_generations", "16"},
        {"streams", "64"},
        {"total_steps", "60"},
        {"num_ppo_epochs", "1"},
        {"num_mini_batches", "1"},
        {"learning_rate", "4e-3"},
        {"lr_scheduler_type", "linear"},
        {"alarm", "off"},
        {"sample_steps", "0"},
        {"save_steps", "1000"},
        {"threads", "1"},
    };
    struct err e = {0};
    char path[400];
    must(ppo_options_init(o, c, &e), &e);
    for (unsigned i = 0; i < sizeof set / sizeof *set; i++)
        must(options_set_text(o, set[i][0], set[i][1], &e), &e);
    snprintf(path, sizeof path, "%s/base", folder);
    must(options_set_text(o, "model_name_or_path", path, &e), &e);
    snprintf(path, sizeof path, "%s/question.jsonl", folder);
    must(options_set_text(o, "dataset", path, &e), &e);
    snprintf(path, sizeof path, "%s/%s", folder, adapter);
    must(options_set_text(o, "adapter_name_or_path", path, &e), &e);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    must(options_set_text(o, "output_dir", path, &e), &e);
    must(ppo_config_check(c, o, &e), &e);
}

/* ---- the arms: both are taught to a random adapter, so that the policy begins near one half
 * -------------------- */

static int32_t token_of(const struct loaded *l, const char *text)
{
    int32_t id;
    size_t n;
    struct err e = {0};
    must(tokenizer_encode(l->tokenizer, text, strlen(text), 0, &id, 1, &n, &e), &e);
    assert_int_equal(n, 1);
    return id;
}

static void arms_learn(struct ppo *p)
{
    struct err e = {0};
    must(rollout_begin(&p->rollout, 0, 1, &e), &e);
    const struct sample *s = &p->rollout.sample[0];
    uint32_t ids[2][256];
    struct label_span span = {s->n_prompt, s->n_prompt + 1};
    struct shard_doc docs[2];
    for (int i = 0; i < 2; i++) {
        memcpy(ids[i], s->ids, s->n_prompt * sizeof **ids);
        ids[i][s->n_prompt] = (uint32_t)token_of(&p->l, i ? "7" : "3");
        docs[i] = (struct shard_doc){.ids = ids[i], .n = s->n_prompt + 1, .spans = &span, .n_spans = 1};
        docs[i].header_at = docs[i].response_at = s->adapt_from;
    }
    p->optim.c.learning_rate = 1e-2, p->optim.c.schedule = SCHEDULE_CONSTANT;
    for (int i = 0; i < TAUGHT; i++) {
        struct grads g = trainee_grads(&p->trainee, optim_leaf(&p->optim), p->slots);
        struct micro_result r;
        double rate, norm;
        must(micro_run(p->micro, docs, 2, 0.5f, 0, &g, &r, NULL, &e), &e);
        optim_fold(&p->optim);
        optim_sum(&p->optim);
        must(optim_step(&p->optim, &rate, &norm, &e), &e);
    }
}

/* Large embeddings, so that the head can put nearly everything on two tokens. */
static void base_make(const char *dir)
{
    struct model_config c;
    struct pool *pool;
    struct err e = {0};
    model_config_init(&c);
    c.layers = 1, c.heads = 2, c.kv_heads = 1, c.head_dim = 32, c.width = 64, c.ff = 64, c.vocab = 1024;
    c.max_positions = 512, c.tied = true, c.init_std = 0.5, c.eos[0] = 1023, c.n_eos = 1;
    must(pool_create(&pool, 1, &e), &e);
    must(hf_random_save(dir, &c, DTYPE_BF16, 1, 0, pool, NULL, &e), &e);
    must(hf_tokenizer_copy("checkpoints/nano", dir, &e), &e);
    pool_free(pool);
}

static int setup(void **state)
{
    static const struct ppo_events silent = {0};
    static const struct setting any = {"grpo", "none", "0"};
    struct ppo_config c;
    struct options o;
    struct ppo *p;
    struct err e = {0};
    char path[FILE_PATH], base[400];
    (void)state;
    run_folder(folder, sizeof folder, "bandit");
    snprintf(base, sizeof base, "%s/base", folder);
    base_make(base);
    snprintf(path, sizeof path, "%s/random", folder);
    small_adapter(path, base, GATE_ASSISTANT, 3);
    snprintf(path, sizeof path, "%s/question.jsonl", folder);
    run_write(path, "{\"problem\": \"Which arm?\", \"answer\": \"7\"}\n");
    options_fill(&o, &c, "random", "taught", &any);
    must(ppo_open(&p, &c, &o, &silent, &e), &e);
    arms_learn(p);
    must(ppo_save(p, path, &e), &e);
    ppo_close(p);
    options_free(&o);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    run_folder_remove(folder);
    return 0;
}

/* ---- what is learned -------------------------------------------------------------------------------------
 */

static bool rewarded(const struct ppo *p, int32_t token)
{
    struct detok d = {.t = p->l.tokenizer};
    struct err e = {0};
    must(detok_push(&d, token, &e), &e);
    must(detok_end(&d, &e), &e);
    bool right = grade_text("7", 1, d.text, d.n, NULL).verdict == GRADE_EQUAL;
    detok_clear(&d);
    return right;
}

/* Probability of all answers that are right. */
static double right_now(struct ppo *p, const struct lora *lora)
{
    struct err e = {0};
    double sum = 0;
    must(session_set_lora(p->session, lora, &e), &e);
    const struct sample *s = &p->rollout.sample[0];
    must(session_sync(p->session, 0, s->ids, s->n_prompt, s->adapt_from, NULL, &e), &e);
    for (int32_t i = 0; i < (int32_t)tokenizer_vocab(p->l.tokenizer); i++)
        if (rewarded(p, i)) sum += exp((double)session_logprob(p->session, 0, i));
    return sum;
}

/* Trains; *before and *after: the probability of being right. */
static void play(const struct setting *s, double *before, double *after)
{
    static const struct ppo_events silent = {0};
    struct ppo_config c;
    struct options o;
    struct ppo *p;
    struct err e = {0};
    char name[64];
    snprintf(name, sizeof name, "%s-%s-%s", s->estimator, s->kl, s->beta);
    options_fill(&o, &c, "taught/adapter", name, s);
    must(ppo_open(&p, &c, &o, &silent, &e), &e);
    must(rollout_begin(&p->rollout, 0, 1, &e), &e);
    *before = right_now(p, p->l.lora);
    must(ppo_train(p, &e), &e);
    *after = right_now(p, p->l.lora);
    ppo_close(p);
    options_free(&o);
}

static void the_right_arm_is_found(void **state)
{
    static const char *const estimators[] = {"ppo", "grpo", "rloo", "dr_grpo"};
    (void)state;
    for (int i = 0; i < 4; i++) {
        double before, after;
        play(&(struct setting){estimators[i], "none", "0"}, &before, &after);
        printf("%-8s %.4f -> %.4f\n", estimators[i], before, after);
        assert_true(before > 0.2 && before < 0.8);
        assert_true(after > 0.95);
    }
}

/* beta = 1, r = 1 for right answers: their odds grow by e. */
static double reverse_optimum(double p)
{
    return p * exp(1) / (p * exp(1) + 1 - p);
}

/* Of E r - KL(ref || pi): pi(a) = ref(a) / (x - r(a)), x such that they sum to 1: x in (1, 2). */
static double forward_optimum(double p)
{
    double low = 1, high = 2, x = 0;
    for (int i = 0; i < 60; i++) {
        x = (low + high) / 2;
        *(p / (x - 1) + (1 - p) / x > 1 ? &low : &high) = x;
    }
    return p / (x - 1);
}

static void kl_pulls_back_to_the_optimum(void **state)
{
    static const struct {
        struct setting s;
        double (*optimum)(double);
    } rows[] = {
        {{"ppo", "reward", "1"}, reverse_optimum},  {{"grpo", "reward", "1"}, reverse_optimum},
        {{"rloo", "reward", "1"}, reverse_optimum}, {{"dr_grpo", "reward", "1"}, reverse_optimum},
        {{"dr_grpo", "k2", "1"}, reverse_optimum},  {{"dr_grpo", "k3", "1"}, forward_optimum},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double before, after;
        play(&rows[i].s, &before, &after);
        double want = rows[i].optimum(before);
        printf("%-8s kl %-6s %.4f -> %.4f, best is %.4f\n", rows[i].s.estimator, rows[i].s.kl, before, after,
               want);
        assert_true(fabs(after - want) < 0.02);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_right_arm_is_found),
        cmocka_unit_test(kl_pulls_back_to_the_optimum),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
