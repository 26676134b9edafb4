/* The objective of reinforcement learning - clipped surrogate, KL, entropy, value - against finite
 * differences of the same in double, through the head and the final norm. */
#include "rl/policy.h"
#include "tests/support/double_model.h"
#include "tests/support/finite.h"
#include "train/blas.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 150, LABELS = 140, WIDTH = 22 };

struct scene {
    struct double_model d;
    double *x, *value; /* residuals [ROWS][WIDTH]; the value head [WIDTH + 1] */
    const struct label *labels;
    const struct policy_token *token;
    const struct policy_config *c;
    double policy, critic; /* how much of either is in the function */
};

static double surrogate(const struct policy_config *c, const struct policy_token *t, double logp)
{
    double ratio = exp(logp - (double)t->logp_old), a = (double)t->advantage, x = logp - (double)t->logp_ref;
    double held = ratio < 1 - c->clip_low    ? 1 - c->clip_low
                  : ratio > 1 + c->clip_high ? 1 + c->clip_high
                                             : ratio;
    double loss = -fmin(ratio * a, held * a);
    return loss + (c->kl == KL_K2   ? c->kl_coef * x * x / 2
                   : c->kl == KL_K3 ? c->kl_coef * (exp(-x) + x - 1)
                                    : 0);
}

static double critic(const struct policy_config *c, const struct policy_token *t, double v)
{
    double old = (double)t->value_old, most = c->value_clip, ret = (double)t->ret;
    double held = most > 0 ? fmin(fmax(v, old - most), old + most) : v;
    return fmax((v - ret) * (v - ret), (held - ret) * (held - ret)) / 2;
}

static double entropy(uint32_t v, const double *logits)
{
    double h = 0;
    for (uint32_t j = 0; j < v; j++) {
        double nats = double_nats(v, logits, (int32_t)j);
        h += exp(-nats) * nats;
    }
    return h;
}

static double total(void *ctx)
{
    const struct scene *s = ctx;
    const struct model_config *m = &s->d.c;
    const double *norm = s->d.param[params_slot(m, P_NORM, 0)], *head = s->d.param[params_slot(m, P_HEAD, 0)];
    double xn[WIDTH], logits[128], sum = 0;
    for (int i = 0; i < LABELS; i++) {
        const struct policy_token *t = &s->token[i];
        double v = s->value[WIDTH];
        double_rmsnorm(m->width, m->rms_eps, s->x + (uint64_t)s->labels[i].row * m->width, norm, xn);
        double_product(m->vocab, m->width, head, xn, logits);
        for (int j = 0; j < WIDTH; j++) v += s->value[j] * xn[j];
        double policy = surrogate(s->c, t, -double_nats(m->vocab, logits, s->labels[i].target)) -
                        s->c->entropy_coef * entropy(m->vocab, logits);
        sum += (double)t->weight * (s->policy * policy + s->critic * critic(s->c, t, v));
    }
    return sum;
}

static void tokens_fill(const struct random_model *r, struct loss_scratch *l, const float *x,
                        const struct label *labels, struct policy_token *t)
{
    float nats[LABELS];
    loss_forward(r->m, l, x, labels, LABELS, nats);
    for (int i = 0; i < LABELS; i++) {
        t[i] = (struct policy_token){.weight = 0.01f + 0.01f * random_at(9, (uint64_t)i)};
        t[i].logp_old = -nats[i] + 0.6f * random_at(5, (uint64_t)i);
        t[i].logp_ref = -nats[i] + 0.6f * random_at(6, (uint64_t)i);
        t[i].advantage = 2 * random_at(7, (uint64_t)i);
        t[i].ret = 2 * random_at(8, (uint64_t)i), t[i].value_old = 2 * random_at(10, (uint64_t)i);
    }
}

static void objective_of(struct policy_config c)
{
    static double x[ROWS * WIDTH];
    static float fx[ROWS * WIDTH], dx[ROWS * WIDTH], dhead[128 * WIDTH], grad[WIDTH + 1];
    struct model_config config = tiny_config();
    struct random_model r;
    struct loss_scratch l;
    struct back back;
    struct label labels[LABELS];
    struct policy_token token[LABELS];
    struct micro_place place[LABELS];
    struct value_head head;
    struct err e = {0};
    double value[WIDTH + 1];
    config.width = WIDTH, config.tied = false, config.layers = 1;
    random_model_create(&r, &config, WT_F32, 2, NULL, 8);
    struct scene s = {.x = x, .value = value, .labels = labels, .token = token, .c = &c, .policy = 1};
    double_model_init(&s.d, &r, NULL);
    for (int i = 0; i < ROWS * WIDTH; i++) fx[i] = 2 * random_at(4, (uint64_t)i), x[i] = (double)fx[i];
    for (int i = 0; i < LABELS; i++) {
        labels[i] = (struct label){i + 3, i * 7 % (int)config.vocab};
        place[i] = (struct micro_place){0, (uint32_t)i + 1};
    }
    assert_int_equal(loss_create(&l, r.m, &e), 0);
    assert_int_equal(back_create(&back, r.m, 0, ROWS, ROWS, 1, &e), 0);
    assert_int_equal(value_create(&head, WIDTH, &e), 0);
    for (int i = 0; i <= WIDTH; i++)
        head.weight[i] = random_at(11, (uint64_t)i), value[i] = (double)head.weight[i];
    tokens_fill(&r, &l, fx, labels, token);
    struct policy_doc doc = {token, 1};
    struct policy_loss loss = {.c = &c, .head = &head, .place = place, .doc = &doc};
    struct objective o = policy_objective(&loss);
    float **dense = calloc(r.slots, sizeof *dense);
    dense[params_slot(&config, P_HEAD, 0)] = dhead;
    struct grads g = {.dense = dense};
    memset(dx, 0, sizeof dx), memset(dhead, 0, sizeof dhead);
    loss_objective(r.m, &l, &back, fx, labels, 0, LABELS, &o, &g, dx, NULL);
    memcpy(grad, head.grad, sizeof grad);
    assert_gradient(TOL_DERIVATIVE, "policy dhead", total, &s, s.d.param[params_slot(&config, P_HEAD, 0)],
                    config.vocab * WIDTH, dhead, 6);
    s.critic = c.value_coef;
    assert_gradient(TOL_DERIVATIVE, "policy dx", total, &s, x, ROWS * WIDTH, dx, 6);
    s.policy = 0, s.critic = 1;
    assert_close_f64(TOL_LOSS, "value loss", loss.value_loss, total(&s));
    assert_gradient(TOL_DERIVATIVE, "value head", total, &s, value, WIDTH + 1, grad, 6);
    double_model_clear(&s.d);
    value_free(&head), back_free(&back), loss_free(&l), free(dense);
    random_model_free(&r);
}

static void surrogates(void **state)
{
    (void)state;
    objective_of((struct policy_config){.clip_low = 0.2, .clip_high = 0.2, .critic = true});
    objective_of(
        (struct policy_config){.clip_low = 0.2, .clip_high = 0.28, .critic = true, .value_clip = 0.3});
}

static void with_everything(void **state)
{
    (void)state;
    struct policy_config c = {
        .clip_low = 0.2, .clip_high = 0.28, .critic = true, .value_coef = 0.5, .value_clip = 0.2};
    c.entropy_coef = 0.3, c.kl_coef = 0.7;
    c.kl = KL_K2, objective_of(c);
    c.kl = KL_K3, objective_of(c);
}

static int setup(void **state)
{
    (void)state;
    blas_init();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(surrogates), cmocka_unit_test(with_everything)};
    return cmocka_run_group_tests(tests, setup, NULL);
}
