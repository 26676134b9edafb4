/* Opening and closing a run, its loop, and what it leaves behind. */
#include "checkpoints/json.h"
#include "checkpoints/sha256.h"
#include "checkpoints/state.h"
#include "rl/ppo_parts.h"
#include "train/blas.h"
#include "train/run_record.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void ppo_note(const struct ppo *p, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    if (!p->ev->note) return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    p->ev->note(p->ev->ctx, text);
}

void ppo_tick(const struct ppo *p, const char *phase, size_t done, size_t all)
{
    if (p->ev->tick) p->ev->tick(p->ev->ctx, phase, done, all);
}

/* ---- opening ------------------------------------------------------------------------------------------- */

static int folder_open(struct ppo *p, struct err *e)
{
    int stale, r = run_folder_open(&p->lock, p->c->output_dir, &stale, e);
    if (r) return r;
    p->locked = 1;
    if (stale > 0) ppo_note(p, "took over from process %d, which died", stale);
    return p->c->anew ? run_states_remove(p->c->output_dir, e) : 0;
}

static void rollout_config_fill(const struct ppo *p, struct rollout_config *c)
{
    *c = (struct rollout_config){
        .prompts = (uint32_t)p->c->prompts_per_step,
        .group = (uint32_t)p->c->num_generations,
        .max_new = (uint32_t)p->c->response_length,
        .temperature = p->c->temperature,
        .seed = p->c->seed,
        .system = p->c->system_prompt,
        .budget_prompt = p->c->budget_prompt,
        .think = p->c->think,
        .budgets = p->c->budget,
        .n_budgets = p->c->n_budgets,
    };
}

/* The model with room for the longest prompt and its answer; *longest: that prompt. */
static int model_open(struct ppo *p, uint32_t *longest, struct err *e)
{
    struct load_options o = {
        .model = p->c->model_name_or_path,
        .dtype = (enum load_dtype)(p->c->base_dtype ? LOAD_Q8_0 + p->c->base_dtype - 1 : p->c->compute_dtype),
        .threads = (unsigned)p->c->threads,
    };
    struct rollout_config rc;
    rollout_config_fill(p, &rc);
    int r = load_folder(&p->l, &o, e);
    if (!r) r = rollout_longest(&rc, &p->l, &p->problems, longest, e);
    if (r) return r;
    o.context = *longest + rc.max_new;
    if (!r) r = load_digests(&p->l, e);
    if (!r) r = load_model(&p->l, &o, e);
    if (!r) r = load_adapter(&p->l, p->c->adapter_name_or_path, e);
    base_close(p->l.base);
    p->l.base = NULL;
    if (!r && p->c->kl != KLP_NONE) r = lora_create(&p->reference, p->l.m, p->l.adapter, e);
    return r ? r : trainee_init_adapter(&p->trainee, p->l.m, p->l.adapter, p->l.lora, e);
}

static int sampler_open(struct ppo *p, uint32_t longest, struct err *e)
{
    struct rollout_config rc;
    rollout_config_fill(p, &rc);
    struct session_config sc = {.streams = (uint32_t)p->c->streams, .max_tokens = longest + rc.max_new};
    if (sc.streams > rc.prompts * rc.group) sc.streams = rc.prompts * rc.group;
    int r = session_create(&p->session, p->l.m, p->l.lora, &sc, e);
    return r ? r : rollout_create(&p->rollout, &rc, &p->l, &p->problems, p->session, sc.streams, longest, e);
}

static void optim_config_fill(const struct ppo *p, struct optim_config *o)
{
    const struct ppo_config *c = p->c;
    uint64_t steps = (uint64_t)(c->total_steps * c->num_ppo_epochs * c->num_mini_batches);
    *o = (struct optim_config){
        .learning_rate = c->learning_rate,
        .weight_decay = c->weight_decay,
        .beta1 = c->adam_beta1,
        .beta2 = c->adam_beta2,
        .eps = c->adam_epsilon,
        .max_grad_norm = c->max_grad_norm,
        .schedule = c->lr_scheduler_type,
        .warmup_steps = (uint64_t)ceil((double)steps * c->warmup_ratio),
        .total_steps = steps,
    };
}

static int learner_open(struct ppo *p, uint32_t longest, struct err *e)
{
    const struct ppo_config *c = p->c;
    struct micro_config m = {.max_tokens = longest + (uint32_t)c->response_length,
                             .gate = p->l.adapter->cfg.gate};
    struct optim_config o;
    size_t new = (size_t)c->response_length;
    p->n = (size_t)(c->prompts_per_step * c->num_generations);
    if (m.max_tokens < c->row_tokens) m.max_tokens = (uint32_t)c->row_tokens;
    m.max_docs = (uint32_t)p->n;
    optim_config_fill(p, &o);
    p->docs = calloc(p->n, sizeof *p->docs);
    p->spans = calloc(p->n, sizeof *p->spans);
    p->answers = calloc(p->n, sizeof *p->answers);
    p->order = calloc(p->n, sizeof *p->order);
    p->scratch = calloc((p->n + 3) * new + 2 * p->n, sizeof *p->scratch);
    p->slots = calloc(params_slots(&p->l.m->c), sizeof *p->slots);
    if (!p->docs || !p->spans || !p->answers || !p->order || !p->scratch || !p->slots)
        return err_set(e, ERR_NOMEM, "no memory for %zu answers", p->n);
    int r = optim_create(&p->optim, &o, &p->trainee, (uint32_t)p->n, e);
    if (!r) r = micro_create(&p->micro, p->l.m, p->l.adapter, p->l.lora, &m, e);
    if (!r) r = value_create(&p->head, p->l.m->c.width, e);
    p->policy = (struct policy_config){
        .clip_low = c->cliprange,
        .clip_high = c->cliprange_high,
        .value_clip = c->cliprange_value,
        .value_coef = c->vf_coef,
        .entropy_coef = c->ent_coef,
        .kl = c->kl == KLP_K2   ? KL_K2
              : c->kl == KLP_K3 ? KL_K3
                                : KL_NONE,
        .critic = c->estimator == EST_PPO,
    };
    p->kl_coef = c->kl_coef, p->rate_scale = 1;
    return r;
}

static int open_all(struct ppo *p, struct err *e)
{
    uint32_t longest = 0;
    blas_init();
    int r = folder_open(p, e);
    if (!r) r = problems_load(&p->problems, p->c->dataset, (uint64_t)p->c->max_samples, e);
    if (!r) r = sha256_file(p->c->dataset, p->digest_data, NULL, e);
    if (!r) r = model_open(p, &longest, e);
    if (!r) r = sampler_open(p, longest, e);
    if (!r) r = learner_open(p, longest, e);
    if (!r) r = ppo_config_digest(p->o, p->digest_config, e);
    if (!r) r = run_record_save(p->c->output_dir, p->o, e);
    return r ? r : ppo_state_prepare(p, e);
}

int ppo_open(struct ppo **out, struct ppo_config *c, struct options *o, const struct ppo_events *ev,
             struct err *e)
{
    *out = NULL;
    struct ppo *p = calloc(1, sizeof *p);
    if (!p) return err_set(e, ERR_NOMEM, "no memory for a run");
    p->c = c, p->o = o, p->ev = ev;
    p->metrics.jsonl = p->metrics.events = -1;
    int r = open_all(p, e);
    if (r) {
        ppo_close(p);
        return r;
    }
    *out = p;
    return 0;
}

void ppo_close(struct ppo *p)
{
    if (!p) return;
    rollout_clear(&p->rollout);
    session_free(p->session);
    value_free(&p->head);
    micro_free(p->micro);
    optim_free(&p->optim);
    free(p->docs);
    free(p->spans);
    free(p->answers);
    free(p->order);
    free(p->scratch);
    free(p->slots);
    trainee_clear(&p->trainee);
    lora_free(p->reference);
    load_clear(&p->l);
    problems_clear(&p->problems);
    if (p->locked) file_lock_release(&p->lock);
    free(p);
}

uint64_t ppo_problems(const struct ppo *p)
{
    return p->problems.n;
}

/* ---- an iteration -------------------------------------------------------------------------------------- */

static int on_token(void *ctx, struct request *r, int32_t token)
{
    struct ppo *p = ctx;
    (void)token;
    if (r->finish != FINISH_NONE) ppo_tick(p, "answering", ++p->answered, p->n);
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
    int r = session_set_lora(p->session, p->l.lora, e);
    if (!r) r = rollout_run(&p->rollout, (uint64_t)p->step, budget_scale(p), on_token, p, e);
    for (size_t i = 0; !r && i < p->n; i++)
        if (p->rollout.request[i].finish == FINISH_CANCEL || p->rollout.request[i].finish == FINISH_NONE)
            r = err_set(e, ERR_INTERRUPTED,
                        "stopped in iteration %lld, which the same command will begin again; saved are those "
                        "before it",
                        (long long)p->step + 1);
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

/* ---- what is told -------------------------------------------------------------------------------------- */

static int log_step(struct ppo *p, const struct ppo_step *t, struct err *e)
{
    char name[REWARD_TERMS][32];
    struct metric m[METRICS_MAX] = {
        {"total_steps", (double)t->total},
        {"objective/scores", t->reward},
        {"objective/kl", t->kl},
        {"objective/entropy", t->entropy},
        {"objective/accuracy", t->accuracy},
        {"completions/mean_length", t->tokens},
        {"completions/mean_thinking", t->thinking},
        {"completions/truncated", t->truncated},
        {"completions/unanswered", t->unanswered},
        {"completions/malformed", t->malformed},
        {"policy/approxkl_avg", t->policy_kl},
        {"policy/clipfrac_avg", t->clipped},
        {"val/ratio", t->ratio},
        {"val/first_ratio_low", t->first_ratio_low},
        {"val/first_ratio_high", t->first_ratio_high},
        {"loss/value_avg", t->value_loss},
        {"critic/explained_variance", t->explained},
        {"grad_norm", t->grad_norm},
        {"learning_rate", t->rate},
        {"kl_coef", t->kl_coef},
        {"dead_groups", t->dead_groups},
        {"timing/rollout", t->rollout_seconds},
        {"timing/look", t->look_seconds},
        {"timing/learn", t->learn_seconds},
        {"elapsed_time", t->seconds},
    };
    size_t n = 0;
    while (m[n].key) n++;
    for (unsigned i = 0; i < REWARD_TERMS; i++) {
        if (p->c->reward.weight[i] == 0) continue;
        snprintf(name[i], sizeof name[i], "reward/%s", reward_name(i));
        m[n++] = (struct metric){name[i], t->term[i]};
    }
    return metrics_write(&p->metrics, t->step, m, n, e);
}

static void sample_json(struct js_out *w, const struct ppo *p, const struct sample *s)
{
    const struct chat_turn *asked = &s->problem->turns[s->problem->n_turns - 1];
    js_out_init(w, 0);
    js_object(w, NULL);
    js_put_uint(w, "step", (uint64_t)p->step);
    js_put_uint(w, "row", s->problem->row);
    js_put_text(w, "prompt", asked->content, asked->len);
    js_put_uint(w, "budget", s->budget);
    js_put_string(w, "reference", s->problem->reference);
    if (s->grade.answer.kind)
        js_put_text(w, "answer", s->grade.answer.s, s->grade.answer.n);
    else
        js_put_null(w, "answer");
    js_put_bool(w, "correct", s->outcome.correct);
    js_put_bool(w, "truncated", s->outcome.truncated);
    js_put_bool(w, "formed", s->outcome.formed);
    js_put_uint(w, "tokens", s->outcome.tokens);
    js_put_real(w, "reward", (double)s->reward);
    for (unsigned i = 0; i < REWARD_TERMS; i++)
        if (p->c->reward.weight[i] != 0) js_put_real(w, reward_name(i), (double)s->term[i]);
    js_put_text(w, "text", s->text, strlen(s->text));
    js_close(w);
}

/* The first group's answers, for people who want to see what is rewarded. */
static int samples_tell(struct ppo *p, struct err *e)
{
    char path[FILE_PATH];
    size_t n = p->rollout.c.group;
    if (!p->c->sample_steps || (p->step != 1 && p->step % p->c->sample_steps)) return 0;
    if (p->ev->samples) p->ev->samples(p->ev->ctx, (uint64_t)p->step, p->rollout.sample, n);
    int r = file_path(path, e, "%s/samples.jsonl", p->c->output_dir);
    if (r) return r;
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0) return err_errno(e, errno, "cannot write %s", path);
    for (size_t i = 0; !r && i < n; i++) {
        struct js_out w;
        sample_json(&w, p, &p->rollout.sample[i]);
        r = js_out_end(&w, e);
        if (!r) w.text[w.n++] = '\n'; /* in the place of its NUL */
        if (!r) r = file_write_fd(fd, path, w.text, w.n, e);
        js_out_free(&w);
    }
    close(fd);
    return r;
}

static int logs_open(struct ppo *p, struct err *e)
{
    char path[FILE_PATH];
    struct state_log_cut cut;
    int r = file_path(path, e, "%s/samples.jsonl", p->c->output_dir);
    if (!r) r = state_cut_log(path, p->step, &cut, e);
    if (!r) r = metrics_open(&p->metrics, p->c->output_dir, (uint64_t)p->step, true, true, e);
    if (!r && p->metrics.said[0]) ppo_note(p, "%s", p->metrics.said);
    return r;
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
    int r = logs_open(p, e);
    while (!r && p->step < p->c->total_steps) {
        int stopping = 0;
        r = iteration(p, &t, e);
        if (r == ERR_ALARM || r == ERR_INTERRUPTED) r = last_save(p, r, e);
        if (!r) r = log_step(p, &t, e);
        if (!r && p->ev->step) p->ev->step(p->ev->ctx, &t);
        if (!r) r = samples_tell(p, e);
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

int ppo_save(struct ppo *p, char *path, struct err *e)
{
    struct peft_save_options o = {.dtype = DTYPE_F32, .force = true};
    int r = file_path(path, e, "%s/adapter", p->c->output_dir);
    return r ? r : peft_save(path, p->l.adapter, &p->l.info, &o, e);
}
