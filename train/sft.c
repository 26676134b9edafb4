/* Opening and closing a run, and what it leaves behind. */
#include "train/sft.h"
#include "train/blas.h"
#include "train/run_record.h"
#include "train/run_rows.h"
#include "train/sft_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sft_note(const struct sft *s, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    if (!s->ev->note) return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    s->ev->note(s->ev->ctx, text);
}

/* ---- the model
 * -------------------------------------------------------------------------------------------------- */

static int model_open(struct sft *s, struct err *e)
{
    struct load_options o = {
        .model = s->c->model_name_or_path,
        .dtype = run_load_dtype(s->c->compute_dtype, s->c->base_dtype),
        .threads = (unsigned)s->c->threads,
        .context = (uint32_t)s->c->cutoff_len,
    };
    int r = load_folder(&s->l, &o, e);
    if (!r && s->c->tuning == TUNING_DENSE && s->l.base->gguf)
        r = err_set(e, ERR_CFG_CONFLICT,
                    "dense tuning trains and writes a Hugging Face folder, but %s is a GGUF file", o.model);
    if (!r) r = sft_config_check_model(s->c, s->o, &s->l.base->config, e);
    if (!r) r = load_digests(&s->l, e);
    return r ? r : load_model(&s->l, &o, e);
}

static int adapter_start(struct sft *s, struct err *e)
{
    struct adapter_config a;
    sft_adapter_config(&a, s->c);
    int r = adapter_create(&s->l.adapter, &s->l.m->c, &a, e);
    if (r) return r;
    adapter_init_random(s->l.adapter, s->c->seed);
    return lora_create(&s->l.lora, s->l.m, s->l.adapter, e);
}

/* The adapter that is trained. The folder's maps are closed: the weights are in their panels now. */
static int adapter_open(struct sft *s, struct err *e)
{
    const char *from = s->c->adapter_name_or_path;
    int r = from ? load_adapter(&s->l, from, e) : adapter_start(s, e);
    base_close(s->l.base);
    s->l.base = NULL;
    return r ? r : trainee_init_adapter(&s->trainee, s->l.m, s->l.adapter, s->l.lora, e);
}

/* ---- memory
 * ------------------------------------------------------------------------------------------------------ */

static const char *const recompute_names[] = {"none", "mlp", "layer"};

static const struct adapter_config *adapter_of(const struct sft *s)
{
    return s->l.adapter ? &s->l.adapter->cfg : NULL;
}

/* The least recompute that fits; what was asked for, if something was. */
static int memory_choose(struct sft *s, enum recompute *r, struct err *e)
{
    int asked = s->c->recompute;
    *r = asked == SFT_RECOMPUTE_AUTO ? RECOMPUTE_NONE : (enum recompute)(asked - SFT_RECOMPUTE_NONE);
    for (;; ++*r) {
        struct err why = {0};
        sft_memory_plan(&s->memory, s->c, s->l.m, adapter_of(s), *r);
        int code = sft_config_check_resources(s->c, 0, s->memory.optimiser + s->memory.activations, &why);
        if (!code) break;
        if (asked != SFT_RECOMPUTE_AUTO || *r == RECOMPUTE_LAYER) return err_set(e, code, "%s", why.msg);
    }
    if (*r != RECOMPUTE_NONE && asked == SFT_RECOMPUTE_AUTO)
        sft_note(s, "memory is short: recompute=%s", recompute_names[*r]);
    return 0;
}

static void optim_config_fill(const struct sft *s, int64_t warmup, struct optim_config *o)
{
    const struct sft_config *c = s->c;
    *o = (struct optim_config){
        .learning_rate = c->learning_rate,
        .weight_decay = c->weight_decay,
        .beta1 = c->adam_beta1,
        .beta2 = c->adam_beta2,
        .eps = c->adam_epsilon,
        .max_grad_norm = c->max_grad_norm,
        .schedule = c->lr_scheduler_type,
        .warmup_steps = (uint64_t)warmup,
        .total_steps = s->total_steps,
    };
}

static int machinery_create(struct sft *s, struct err *e)
{
    struct optim_config o;
    struct micro_config m;
    enum recompute recompute;
    int64_t warmup;
    s->micro_docs = sft_micro_docs(s->c);
    int r = sft_config_check_steps(s->c, s->o, (int64_t)s->total_steps, &warmup, e);
    if (!r) r = memory_choose(s, &recompute, e);
    if (r) return r;
    optim_config_fill(s, warmup, &o);
    sft_micro_config(&m, s->c, adapter_of(s), recompute);
    if ((r = optim_create(&s->optim, &o, &s->trainee, (uint32_t)s->c->rows_per_step, e))) return r;
    if ((r = micro_create(&s->micro, s->l.m, s->l.adapter, s->l.lora, &m, e))) return r;
    return sft_rows_alloc(s, e);
}

/* ---- the run's folder
 * ------------------------------------------------------------------------------------------------ */

static int folder_open(struct sft *s, struct err *e)
{
    int stale, r = run_folder_open(&s->lock, s->c->output_dir, &stale, e);
    if (r) return r;
    s->locked = 1;
    if (stale > 0) sft_note(s, "took over from process %d, which died", stale);
    return s->c->anew ? run_states_remove(s->c->output_dir, e) : 0;
}

static int open_all(struct sft *s, struct err *e)
{
    blas_init();
    int r = folder_open(s, e);
    if (!r) r = model_open(s, e);
    if (!r)
        r = s->c->tuning == TUNING_LORA ? adapter_open(s, e)
                                        : trainee_init_dense(&s->trainee, s->l.m, s->l.base->bound, e);
    if (!r) r = sft_data_open(s, e);
    if (!r) r = machinery_create(s, e);
    if (!r) r = sft_config_digest(s->o, s->digest_config, e);
    if (!r) r = run_record_save(s->c->output_dir, s->o, e);
    return r ? r : sft_state_prepare(s, e);
}

int sft_open(struct sft **out, struct sft_config *c, struct options *o, const struct sft_events *ev,
             struct err *e)
{
    *out = NULL;
    struct sft *s = calloc(1, sizeof *s);
    if (!s) return err_set(e, ERR_NOMEM, "no memory for a run");
    s->c = c, s->o = o, s->ev = ev;
    s->metrics.jsonl = s->metrics.events = -1;
    int r = open_all(s, e);
    if (r) {
        sft_close(s);
        return r;
    }
    *out = s;
    return 0;
}

void sft_close(struct sft *s)
{
    if (!s) return;
    micro_free(s->micro);
    optim_free(&s->optim);
    sft_data_close(s);
    trainee_clear(&s->trainee);
    load_clear(&s->l);
    if (s->locked) file_lock_release(&s->lock);
    free(s);
}

const struct sft_memory *sft_memory(const struct sft *s)
{
    return &s->memory;
}

uint64_t sft_total_steps(const struct sft *s)
{
    return s->total_steps;
}

uint64_t sft_rows(const struct sft *s)
{
    return s->rows_an_epoch;
}

uint64_t sft_docs(const struct sft *s)
{
    return loader_epoch_docs(s->loader);
}
