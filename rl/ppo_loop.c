/* Iterations, what may stop them, and when a state is saved. */
#include "rl/ppo_parts.h"

#include <stdio.h>

/* ---- an iteration -------------------------------------------------------------------------------------- */

static int on_token(void *ctx, bool done)
{
    struct ppo *p = ctx;
    if (done) ppo_tick(p, "answering", ++p->answered, p->n);
    p->saving = ppo_state_save_late(p, &p->save_err);
    return p->saving || (p->ev->interrupted && p->ev->interrupted(p->ev->ctx));
}

/* Budgets begin larger and shrink to their size. */
static double budget_scale(const struct ppo *p)
{
    const struct ppo_config *c = p->c;
    if (p->step >= c->budget_steps) return 1;
    return c->budget_start + (1 - c->budget_start) * (double)p->step / (double)c->budget_steps;
}

/* Samples what is not there yet. */
static int answers_sample(struct ppo *p, struct err *e)
{
    p->saving = 0;
    int r = rollout_answer(&p->rollout, on_token, p, e);
    if (!r && p->saving) *e = p->save_err;
    if (r || p->saving) return r ? r : p->saving;
    if (!rollout_whole(&p->rollout))
        return err_set(e, ERR_INTERRUPTED,
                       "stopped in iteration %lld; its answers so far are saved: run the same "
                       "command to go on",
                       (long long)p->step + 1);
    return ppo_state_save_late(p, e);
}

static int answers_get(struct ppo *p, struct ppo_step *t, struct err *e)
{
    double start = progress_clock();
    p->answered = 0;
    if (!p->going_on) rollout_forget(&p->rollout);
    for (size_t i = 0; i < p->n; i++) p->answered += p->rollout.finish[i] != FINISH_NONE;
    int r = session_set_lora(p->session, p->l.lora, e);
    if (!r) r = rollout_begin(&p->rollout, (uint64_t)p->step, budget_scale(p), e);
    if (!r) r = answers_sample(p, e);
    double answered = progress_clock();
    if (!r) r = rollout_grade(&p->rollout, e);
    t->grade_seconds = progress_clock() - answered, t->rollout_seconds = progress_clock() - start;
    t->prompt_tokens = p->rollout.stats.prompt_tokens, t->sampled_tokens = p->rollout.stats.decoded_tokens;
    return r;
}

static void kl_adapt(struct ppo *p, const struct ppo_step *t)
{
    if (p->c->kl_target <= 0) return;
    double error = t->kl / p->c->kl_target - 1;
    error = error > 0.2 ? 0.2 : error < -0.2 ? -0.2 : error;
    p->kl_coef *= 1 + error * (double)p->n / p->c->kl_horizon;
}

/* What ran away in this iteration; NULL: nothing. */
static const char *alarm_of(const struct ppo *p, const struct ppo_step *t)
{
    if (p->c->alarm == ALARM_OFF) return NULL;
    if (p->c->kl_limit > 0 && t->kl > p->c->kl_limit) return "KL is above kl_limit";
    if (p->c->length_limit > 0 && t->tokens < p->c->length_limit * p->first_tokens)
        return "answers are shorter than length_limit allows";
    return NULL;
}

static int alarm_heed(struct ppo *p, const struct ppo_step *t, struct err *e)
{
    const char *why = alarm_of(p, t);
    if (!why) return 0;
    if (p->c->alarm == ALARM_STOP)
        return err_set(
            e, ERR_ALARM,
            "iteration %lld: %s (KL %.3g, %.1f tokens, %.1f at first); saved is what came before it",
            (long long)p->step + 1, why, t->kl, t->tokens, p->first_tokens);
    p->rate_scale /= 2, p->kl_coef *= 2;
    ppo_note(p, "iteration %lld: %s; learning rate halved, kl_coef doubled to %.3g", (long long)p->step + 1,
             why, p->kl_coef);
    return 0;
}

/* Looks and judges; in the first iteration the value head has learned something in between. */
static int answers_look(struct ppo *p, struct ppo_step *t, struct err *e)
{
    int r = ppo_look(p, t, e);
    if (!r) r = ppo_judge(p, t, e);
    if (!r && p->step == 0 && p->policy.critic) r = ppo_pretrain(p, t, e);
    if (!r && p->step == 0) p->first_tokens = t->tokens;
    p->entropy = t->entropy;
    return r ? r : alarm_heed(p, t, e);
}

static int iteration(struct ppo *p, struct ppo_step *t, struct err *e)
{
    double start = progress_clock(), at;
    bool looked = p->going_on && p->place[0] == PHASE_LEARN;
    if (!p->going_on) p->place[0] = PHASE_ANSWERS, p->place[1] = 0, p->kl_judged = p->kl_coef;
    *t = (struct ppo_step){.total = (uint64_t)p->c->total_steps, .kl_coef = p->kl_judged};
    int r = answers_get(p, t, e);
    p->going_on = false, at = progress_clock();
    if (r) return r;
    if (looked) {
        ppo_state_recall(p, t);
        r = ppo_judge(p, t, e);
    } else
        r = answers_look(p, t, e);
    t->look_seconds = progress_clock() - at, at = progress_clock();
    if (!r) r = ppo_learn(p, t, e);
    if (r) return r;
    kl_adapt(p, t);
    rollout_forget(&p->rollout);
    t->learn_seconds = progress_clock() - at;
    p->step++, p->seconds += progress_clock() - start;
    p->place[0] = PHASE_ANSWERS, p->place[1] = 0;
    t->step = (uint64_t)p->step, t->seconds = p->seconds;
    return 0;
}

static int save_if_due(struct ppo *p, int stopping, struct err *e)
{
    if (!stopping && p->step != p->c->total_steps && p->step % p->c->save_steps) return 0;
    int r = metrics_sync(&p->metrics, e);
    return r ? r : ppo_state_save(p, e);
}

/* An iteration ended with `code` where it can go on: saves what there is of it. (In the first one an alarm
 * has come too late for that: the value head has learned.) */
static int last_save(struct ppo *p, int code, struct err *e)
{
    struct err why = {0};
    if (code == ERR_ALARM && !p->step) return code;
    int r = metrics_sync(&p->metrics, &why);
    if (!r) r = ppo_state_save(p, &why);
    if (r) *e = why;
    return r ? r : code;
}

int ppo_train(struct ppo *p, struct err *e)
{
    struct ppo_step t;
    int r = ppo_logs_open(p, e);
    p->saved_at = progress_clock();
    while (!r && p->step < p->c->total_steps) {
        int stopping = 0;
        r = iteration(p, &t, e);
        if (r == ERR_ALARM || r == ERR_INTERRUPTED) r = last_save(p, r, e);
        if (!r) r = ppo_log(p, &t, e);
        if (!r && p->ev->step) p->ev->step(p->ev->ctx, &t);
        if (!r) r = ppo_samples_tell(p, e);
        if (!r && p->ev->interrupted) stopping = p->ev->interrupted(p->ev->ctx);
        if (!r) r = save_if_due(p, stopping, e);
        if (!r && stopping && p->step < p->c->total_steps)
            r = err_set(e, ERR_INTERRUPTED,
                        "stopped after iteration %lld of %lld; run the same command to go on",
                        (long long)p->step, (long long)p->c->total_steps);
    }
    metrics_close(&p->metrics);
    return r;
}
