/* Iterations, what may stop them, and when a state is saved. */
#include "rl/ppo_parts.h"

#include <stdio.h>

/* ---- an iteration -------------------------------------------------------------------------------------- */

static int on_token(void *ctx, bool done)
{
    struct ppo *p = ctx;
    if (done) ppo_tick(p, "answering", ++p->answered, p->n);
    return p->ev->interrupted ? p->ev->interrupted(p->ev->ctx) : 0;
}

/* Budgets begin larger and shrink to their size. */
static double budget_scale(const struct ppo *p)
{
    const struct ppo_config *c = p->c;
    if (p->step >= c->budget_steps) return 1;
    return c->budget_start + (1 - c->budget_start) * (double)p->step / (double)c->budget_steps;
}

static int answers_sample(struct ppo *p, struct ppo_step *t, struct err *e)
{
    double start = progress_clock();
    p->answered = 0;
    rollout_forget(&p->rollout);
    int r = session_set_lora(p->session, p->l.lora, e);
    if (!r) r = rollout_begin(&p->rollout, (uint64_t)p->step, budget_scale(p), e);
    if (!r) r = rollout_answer(&p->rollout, on_token, p, e);
    if (!r && !rollout_whole(&p->rollout))
        r = err_set(e, ERR_INTERRUPTED,
                    "stopped in iteration %lld, which the same command will begin again; saved are those "
                    "before it",
                    (long long)p->step + 1);
    double answered = progress_clock();
    if (!r) r = rollout_grade(&p->rollout, e);
    t->grade_seconds = progress_clock() - answered;
    t->rollout_seconds = progress_clock() - start, t->prompt_tokens = p->rollout.stats.prompt_tokens;
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

static int iteration(struct ppo *p, struct ppo_step *t, struct err *e)
{
    double start = progress_clock(), at;
    *t = (struct ppo_step){.total = (uint64_t)p->c->total_steps, .kl_coef = p->kl_coef};
    int r = answers_sample(p, t, e);
    at = progress_clock();
    if (!r) r = ppo_look(p, t, e);
    if (!r) r = ppo_judge(p, t, e);
    if (!r && p->step == 0) p->first_tokens = t->tokens;
    if (!r && p->step == 0 && p->c->estimator == EST_PPO && p->c->value_pretrain_epochs) {
        struct ppo_step again = {0};
        r = ppo_pretrain(p, e);
        if (!r) r = ppo_look(p, &again, e);
        if (!r) r = ppo_judge(p, &again, e);
        t->explained = again.explained;
    }
    t->look_seconds = progress_clock() - at, at = progress_clock();
    if (!r) r = alarm_heed(p, t, e);
    if (!r) r = ppo_learn(p, t, e);
    if (r) return r;
    kl_adapt(p, t);
    t->learn_seconds = progress_clock() - at;
    p->step++, p->seconds += progress_clock() - start;
    t->step = (uint64_t)p->step, t->seconds = p->seconds;
    return 0;
}

static int save_if_due(struct ppo *p, int stopping, struct err *e)
{
    if (!stopping && p->step != p->c->total_steps && p->step % p->c->save_steps) return 0;
    int r = metrics_sync(&p->metrics, e);
    return r ? r : ppo_state_save(p, e);
}

/* An iteration ended with `code` before it had changed anything that a state holds but the value head of the
 * first one: saves what the one before left. */
static int last_save(struct ppo *p, int code, struct err *e)
{
    struct err why = {0};
    int r = p->step ? metrics_sync(&p->metrics, &why) : 0;
    if (!r && p->step) r = ppo_state_save(p, &why);
    if (r) *e = why;
    return r ? r : code;
}

int ppo_train(struct ppo *p, struct err *e)
{
    struct ppo_step t;
    int r = ppo_logs_open(p, e);
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
