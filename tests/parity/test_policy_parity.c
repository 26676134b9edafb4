/* PPO's and GRPO's losses, advantages and gradients on stored trajectories, against torch's autograd
 * (scripts/fixtures/policy_fixture.py): within 1e-5 of the largest number of each array. */
#include "checkpoints/safetensors.h"
#include "rl/advantage.h"
#include "rl/policy.h"
#include "tests/support/random_model.h"
#include "train/blas.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WIDTH = 24, VOCAB = 64, ANSWERS = 8, TOKENS_MAX = 128 };

static struct safetensors *file;

static const void *tensor(const char *name, uint64_t *n)
{
    const struct tensor *t = safetensors_find(file, name);
    if (!t) fail_msg("no %s in the fixture", name);
    if (n) *n = t->bytes / 4;
    return t->data;
}

static const float *floats(const char *name)
{
    return tensor(name, NULL);
}

static void same(const char *what, const float *got, const float *want, uint64_t n)
{
    float top = 0, off = 0;
    for (uint64_t i = 0; i < n; i++) {
        top = fmaxf(top, fabsf(want[i]));
        off = !(fabsf(got[i] - want[i]) <= off) ? fabsf(got[i] - want[i]) : off;
    }
    if (!(off <= 1e-5f * top)) fail_msg("%s: off by %g, the largest is %g", what, (double)off, (double)top);
}

struct scene {
    struct random_model r;
    struct loss_scratch loss;
    struct back back;
    struct value_head head;
    struct label label[TOKENS_MAX];
    struct micro_place place[TOKENS_MAX];
    struct policy_token token[TOKENS_MAX];
    int64_t n;
    const int32_t *lengths;
};

/* The fixture's head and norm in a model of one layer that is never run. */
static void model_open(struct scene *s)
{
    struct model_config c = tiny_config();
    struct err e = {0};
    c.width = WIDTH, c.vocab = VOCAB, c.layers = 1, c.tied = false, c.rms_eps = 1e-6;
    random_model_create(&s->r, &c, WT_F32, 2, NULL, 1);
    memcpy((void *)s->r.tensors[params_slot(&c, P_NORM, 0)].data, floats("norm"), WIDTH * sizeof(float));
    memcpy((void *)s->r.tensors[params_slot(&c, P_HEAD, 0)].data, floats("head"),
           VOCAB * WIDTH * sizeof(float));
    model_free(s->r.m);
    assert_int_equal(model_create(&s->r.m, &c, WT_F32, 0, s->r.bound, s->r.pool, cpu_detect(), &e), 0);
    assert_int_equal(loss_create(&s->loss, s->r.m, &e), 0);
    assert_int_equal(back_create(&s->back, s->r.m, 0, TOKENS_MAX, TOKENS_MAX, 1, &e), 0);
    assert_int_equal(value_create(&s->head, WIDTH, &e), 0);
    memcpy(s->head.weight, floats("value"), (WIDTH + 1) * sizeof(float));
}

static void scene_open(struct scene *s)
{
    uint64_t n;
    const int32_t *targets = tensor("targets", &n);
    memset(s, 0, sizeof *s);
    model_open(s);
    s->n = (int64_t)n, s->lengths = tensor("lengths", NULL);
    for (int64_t i = 0; i < s->n; i++) {
        s->label[i] = (struct label){i, targets[i]};
        s->place[i] = (struct micro_place){0, (uint32_t)i};
        s->token[i] = (struct policy_token){.logp_old = floats("logp_old")[i],
                                            .logp_ref = floats("logp_ref")[i],
                                            .value_old = floats("value_old")[i]};
    }
}

static void scene_close(struct scene *s)
{
    value_free(&s->head), back_free(&s->back), loss_free(&s->loss);
    random_model_free(&s->r);
}

/* The objective's gradient by the states, into dx; returns the policy's loss. */
static double run(struct scene *s, const struct policy_config *c, double *critic, float *dx)
{
    struct policy_doc doc = {s->token, 0};
    struct policy_loss l = {.c = c, .head = &s->head, .place = s->place, .doc = &doc, .entropy = true};
    struct objective o = policy_objective(&l);
    struct grads g = {0};
    double loss = 0;
    memset(dx, 0, TOKENS_MAX * WIDTH * sizeof *dx);
    loss_objective(s->r.m, &s->loss, &s->back, floats("x"), s->label, 0, s->n, &o, &g, dx, NULL);
    for (int64_t i = 0; i < s->n; i++) {
        const struct policy_token *t = &s->token[i];
        float d;
        loss +=
            (double)t->weight * (policy_surrogate(c, t, t->logp, &d) - c->entropy_coef * (double)t->entropy);
    }
    *critic = l.value_loss;
    return loss;
}

static void ppo(void **state)
{
    (void)state;
    struct scene s;
    struct policy_config c = {
        .clip_low = 0.2, .clip_high = 0.28, .value_clip = 0.2, .value_coef = 0.5, .critic = true};
    float adv[TOKENS_MAX], ret[TOKENS_MAX], dx[TOKENS_MAX * WIDTH], reward[64], value[64];
    scene_open(&s);
    for (int64_t i = 0, at = 0; i < ANSWERS; at += s.lengths[i++]) {
        uint32_t n = (uint32_t)s.lengths[i];
        for (uint32_t k = 0; k < n; k++) {
            reward[k] = -0.05f * (s.token[at + k].logp_old - s.token[at + k].logp_ref);
            if (k + 1 == n) reward[k] += floats("rewards")[i];
            value[k] = s.token[at + k].value_old;
        }
        gae(n, reward, value, 0.99, 0.95, adv + at);
        gae(n, reward, value, 0.99, 1, ret + at);
        for (uint32_t k = 0; k < n; k++) ret[at + k] += value[k];
    }
    whiten((uint64_t)s.n, adv, false);
    same("advantages", adv, floats("ppo.advantage"), (uint64_t)s.n);
    same("returns", ret, floats("ppo.return"), (uint64_t)s.n);
    for (int64_t i = 0; i < s.n; i++)
        s.token[i].advantage = adv[i], s.token[i].ret = ret[i], s.token[i].weight = 1 / (float)s.n;
    c.entropy_coef = 0.01;
    double critic, policy = run(&s, &c, &critic, dx);
    same("policy loss", &(float){(float)policy}, floats("ppo.policy"), 1);
    same("value loss", &(float){(float)critic}, floats("ppo.critic"), 1);
    same("gradient by the states", dx, floats("ppo.dx"), (uint64_t)s.n * WIDTH);
    same("gradient of the value head", s.head.grad, floats("ppo.dvalue"), WIDTH + 1);
    scene_close(&s);
}

static void grpo(void **state)
{
    (void)state;
    struct scene s;
    struct policy_config c = {.clip_low = 0.2, .clip_high = 0.2, .kl = KL_K3, .kl_coef = 0.04};
    float adv[ANSWERS], dx[TOKENS_MAX * WIDTH];
    scene_open(&s);
    for (int g = 0; g < ANSWERS; g += 4) group_advantage(GROUP_GRPO, 4, floats("rewards") + g, adv + g);
    same("advantages", adv, floats("grpo.advantage"), ANSWERS);
    for (int64_t i = 0, at = 0; i < ANSWERS; at += s.lengths[i++])
        for (int64_t k = at; k < at + s.lengths[i]; k++)
            s.token[k].advantage = adv[i], s.token[k].weight = 1 / (float)(ANSWERS * s.lengths[i]);
    double critic, loss = run(&s, &c, &critic, dx);
    same("loss", &(float){(float)loss}, floats("grpo.loss"), 1);
    same("gradient by the states", dx, floats("grpo.dx"), (uint64_t)s.n * WIDTH);
    scene_close(&s);
}

static int setup(void **state)
{
    struct err e = {0};
    (void)state;
    blas_init();
    if (safetensors_open(&file, "tests/fixtures/policy/policy.safetensors", &e)) fail_msg("%s", e.msg);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    safetensors_close(file);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ppo), cmocka_unit_test(grpo)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
