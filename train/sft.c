/* Opening and closing a run, and what it leaves behind. */
#include "train/sft.h"
#include "checkpoints/hf_save.h"
#include "checkpoints/hf_tokenizer.h"
#include "checkpoints/peft.h"
#include "train/blas.h"
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

/* ---- the model -------------------------------------------------------------------------------------------------- */

static enum weight_type compute_type(const struct sft *s)
{
    if (s->c->compute_dtype == COMPUTE_AUTO) return s->hf->dtype == DTYPE_BF16 ? WT_BF16 : WT_F32;
    return s->c->compute_dtype == COMPUTE_FP32 ? WT_F32 : WT_BF16;
}

static int model_open(struct sft *s, struct err *e)
{
    int r = hf_model_open(&s->hf, s->c->model_name_or_path, e);
    if (!r) r = sft_config_check_model(s->c, s->o, &s->hf->config, e);
    if (!r) r = hf_tokenizer_load(&s->tokenizer, s->c->model_name_or_path, s->hf->config.vocab, e);
    if (!r) r = tokenizer_digest(s->tokenizer, s->digest_tokenizer, e);
    if (!r) r = hf_model_digest(s->hf, s->digest_base, e);
    if (!r)
        r = model_create(&s->m, &s->hf->config, compute_type(s), (uint32_t)s->c->cutoff_len, s->hf->bound, s->pool,
                         cpu_detect(), e);
    return r ? r : hf_model_intact(s->hf, e);
}

static void adapter_config_fill(const struct sft_config *c, struct adapter_config *a)
{
    *a = (struct adapter_config){
        .rank = (uint32_t)c->lora_rank,
        .alpha = c->lora_alpha,
        .dropout = c->lora_dropout,
        .rslora = c->use_rslora,
        .targets = c->lora_targets,
        .gate = (enum lora_gate)c->lora_gate,
    };
}

static int adapter_open(struct sft *s, struct err *e)
{
    struct adapter_config a;
    struct peft_info info;
    struct peft_expect expect = {.base = s->digest_base, .tokenizer = s->digest_tokenizer};
    adapter_config_fill(s->c, &a);
    int r;
    if (s->c->adapter_name_or_path)
        r = peft_load(&s->adapter, &info, NULL, s->c->adapter_name_or_path, &s->m->c, &expect, e);
    else if (!(r = adapter_create(&s->adapter, &s->m->c, &a, e)))
        adapter_init_random(s->adapter, s->c->seed);
    if (!r) r = lora_create(&s->lora, s->m, s->adapter, e);
    return r ? r : trainee_init_adapter(&s->trainee, s->m, s->adapter, s->lora, e);
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static const char *const recompute_names[] = {"none", "mlp", "layer"};

static void micro_config_fill(const struct sft *s, struct micro_config *m, enum recompute r)
{
    *m = (struct micro_config){
        .max_tokens = (uint32_t)s->c->cutoff_len,
        .max_docs = s->micro_docs,
        .recompute = r,
        .gate = s->adapter ? s->adapter->cfg.gate : GATE_ALL,
        .dropout = s->adapter ? (float)s->c->lora_dropout : 0,
    };
}

static void memory_plan(struct sft *s, enum recompute r)
{
    const struct adapter_config *a = s->adapter ? &s->adapter->cfg : NULL;
    struct micro_config m;
    micro_config_fill(s, &m, r);
    struct sft_memory *p = &s->memory;
    p->weights = s->m->arena.size;
    p->adapter = s->trainee.count * sizeof(float) + (s->lora ? s->lora->arena.size : 0);
    p->optimiser = optim_plan(s->trainee.count, (uint32_t)s->c->rows_per_step);
    p->activations = micro_plan(s->m, a, &m);
    p->total = p->weights + p->adapter + p->optimiser + p->activations;
}

/* The least recompute that fits; what was asked for, if something was. */
static int memory_choose(struct sft *s, enum recompute *r, struct err *e)
{
    int asked = s->c->recompute;
    *r = asked == SFT_RECOMPUTE_AUTO ? RECOMPUTE_NONE : (enum recompute)(asked - SFT_RECOMPUTE_NONE);
    for (;; ++*r) {
        struct err why = {0};
        memory_plan(s, *r);
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
    s->row_docs = (uint32_t)s->c->cutoff_len / 2 + 1;
    s->micro_docs = (uint32_t)s->c->cutoff_len / 32 + 1;
    int r = sft_config_check_steps(s->c, s->o, (int64_t)s->total_steps, &warmup, e);
    if (!r) r = memory_choose(s, &recompute, e);
    if (r) return r;
    optim_config_fill(s, warmup, &o);
    micro_config_fill(s, &m, recompute);
    if ((r = optim_create(&s->optim, &o, &s->trainee, (uint32_t)s->c->rows_per_step, e))) return r;
    if ((r = micro_create(&s->micro, s->m, s->adapter, s->lora, &m, e))) return r;
    return sft_rows_alloc(s, e);
}

/* ---- the run's folder ------------------------------------------------------------------------------------------------ */

static int folder_open(struct sft *s, struct err *e)
{
    char path[FILE_PATH];
    int r = file_make_dirs(s->c->output_dir, e);
    if (!r) r = file_path(path, e, "%s/lock", s->c->output_dir);
    if (!r) r = file_lock_take(&s->lock, path, e);
    if (r) return r;
    s->locked = 1;
    if (s->lock.stale > 0) sft_note(s, "took over from process %d, which died", (int)s->lock.stale);
    return 0;
}

/* config.yaml: everything resolved; the same command with it repeats the run. */
static int record_save(struct sft *s, struct err *e)
{
    char path[FILE_PATH], *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    if (!f) return err_set(e, ERR_NOMEM, "no memory for the run's record");
    options_dump_yaml(s->o, f);
    fclose(f);
    int r = file_path(path, e, "%s/config.yaml", s->c->output_dir);
    if (!r) r = file_save(path, text, n, e);
    free(text);
    return r;
}

static int open_all(struct sft *s, struct err *e)
{
    blas_init();
    int r = folder_open(s, e);
    if (!r) r = pool_create(&s->pool, (unsigned)s->c->threads, e);
    if (!r) r = model_open(s, e);
    if (!r) r = s->c->tuning == TUNING_LORA ? adapter_open(s, e)
                                            : trainee_init_dense(&s->trainee, s->m, s->hf->bound, e);
    if (!r) r = sft_data_open(s, e);
    if (!r) r = machinery_create(s, e);
    if (!r) r = sft_config_digest(s->o, s->digest_config, e);
    if (!r) r = record_save(s, e);
    return r ? r : sft_state_prepare(s, e);
}

int sft_open(struct sft **out, struct sft_config *c, struct options *o, const struct sft_events *ev, struct err *e)
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
    lora_free(s->lora);
    adapter_free(s->adapter);
    model_free(s->m);
    tokenizer_free(s->tokenizer);
    hf_model_close(s->hf);
    pool_free(s->pool);
    if (s->locked) file_lock_release(&s->lock);
    free(s);
}

const struct sft_memory *sft_memory(const struct sft *s) { return &s->memory; }

uint64_t sft_total_steps(const struct sft *s) { return s->total_steps; }

uint64_t sft_rows(const struct sft *s) { return s->rows_an_epoch; }

uint64_t sft_docs(const struct sft *s) { return loader_docs(s->loader); }
