/* Opening and closing a run, and what it leaves behind. */
#include "checkpoints/sha256.h"
#include "infer/machine.h"
#include "rl/ppo_parts.h"
#include "train/blas.h"
#include "train/run_record.h"
#include "train/run_rows.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* The model with room for the longest prompt and its answer; *longest: that prompt. */
static int model_open(struct ppo *p, uint32_t *longest, struct err *e)
{
    struct load_options o = {
        .model = p->c->model_name_or_path,
        .dtype = run_load_dtype(p->c->compute_dtype, p->c->base_dtype),
        .threads = (unsigned)p->c->threads,
    };
    struct rollout_config rc;
    ppo_rollout_config(&rc, p->c);
    int r = load_folder(&p->l, &o, e);
    if (!r) r = rollout_longest(&rc, &p->l, &p->problems, longest, NULL, e);
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

static int sampler_open(struct ppo *p, const struct ppo_sizes *z, struct err *e)
{
    struct rollout_config rc;
    ppo_rollout_config(&rc, p->c);
    p->memory = session_plan(p->l.m, p->l.lora, &z->session);
    int r = session_create(&p->session, p->l.m, p->l.lora, &z->session, e);
    if (r) return r;
    return rollout_create(&p->rollout, &rc, &p->l, &p->problems, p->session, z->session.streams, z->longest,
                          e);
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

/* The least that fits, unless something was asked for. What was created by now has not been touched yet, so
 * it is still counted as available. */
static int recompute_choose(struct ppo *p, struct micro_config *m, struct err *e)
{
    static const char *const names[] = {"none", "mlp", "layer"};
    uint64_t limit = machine_available(), others = p->memory + optim_plan(p->trainee.count, p->batch_rows),
             all;
    int asked = p->c->recompute;
    if (asked) {
        m->recompute = (enum recompute)(asked - 1);
        return 0;
    }
    for (;; m->recompute++) {
        all = others + micro_plan(p->l.m, &p->l.adapter->cfg, m);
        if (!limit || all <= limit) break;
        if (m->recompute == RECOMPUTE_LAYER)
            return err_set(
                e, ERR_PREFLIGHT_MEM,
                "the run needs %.2f GiB of memory and %.2f GiB are available; lower row_tokens, streams or "
                "prompt_cache",
                (double)all / 0x1p30, (double)limit / 0x1p30);
    }
    if (m->recompute != RECOMPUTE_NONE) ppo_note(p, "memory is short: recompute=%s", names[m->recompute]);
    return 0;
}

static int memory_take(struct ppo *p, struct err *e)
{
    size_t new = (size_t)p->c->response_length;
    p->docs = calloc(p->row_docs, sizeof *p->docs);
    p->spans = calloc(p->row_docs, sizeof *p->spans);
    p->answers = calloc(p->row_docs, sizeof *p->answers);
    p->order = calloc(p->n, sizeof *p->order);
    p->scratch = calloc((p->n + 3) * new + 2 * p->n, sizeof *p->scratch);
    p->slots = calloc(params_slots(&p->l.m->c), sizeof *p->slots);
    p->reference_logp = calloc(p->n, new * sizeof *p->reference_logp);
    p->value = calloc(p->n, new * sizeof *p->value);
    if (p->docs && p->spans && p->answers && p->order && p->scratch && p->slots && p->reference_logp &&
        p->value)
        return 0;
    return err_set(e, ERR_NOMEM, "no memory for %zu answers", p->n);
}

static int learner_open(struct ppo *p, const struct ppo_sizes *z, struct err *e)
{
    const struct ppo_config *c = p->c;
    struct micro_config m = z->micro;
    struct optim_config o;
    p->n = z->answers, p->row_docs = m.max_docs, p->batch_rows = z->batch_rows;
    optim_config_fill(p, &o);
    int r = memory_take(p, e);
    if (!r) r = recompute_choose(p, &m, e);
    if (!r) r = optim_create(&p->optim, &o, &p->trainee, p->batch_rows, e);
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

int ppo_engine_open(struct ppo *p, uint32_t longest, struct err *e)
{
    struct ppo_sizes z;
    ppo_sizes(&z, p->c, p->l.m, p->l.adapter->cfg.gate, longest);
    int r = sampler_open(p, &z, e);
    return r ? r : learner_open(p, &z, e);
}

static int open_all(struct ppo *p, struct err *e)
{
    uint32_t longest = 0;
    blas_init();
    int r = folder_open(p, e);
    if (!r) r = problems_load(&p->problems, p->c->dataset, (uint64_t)p->c->max_samples, e);
    if (!r) r = sha256_file(p->c->dataset, p->digest_data, NULL, e);
    if (!r) r = model_open(p, &longest, e);
    if (!r) r = ppo_engine_open(p, longest, e);
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
    free(p->reference_logp);
    free(p->value);
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

int ppo_save(struct ppo *p, char *path, struct err *e)
{
    struct peft_save_options o = {.dtype = DTYPE_F32, .force = true};
    char head[FILE_PATH];
    int r = file_path(path, e, "%s/adapter", p->c->output_dir);
    if (!r) r = peft_save(path, p->l.adapter, &p->l.info, &o, e);
    if (r || p->c->estimator != EST_PPO) return r;
    r = file_path(head, e, "%s/" VALUE_FILE, path);
    return r ? r : value_save(head, &p->head, e);
}
