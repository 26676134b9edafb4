/* What a run leaves for others: a PEFT adapter, or a Hugging Face folder. */
#include "checkpoints/hf_save.h"
#include "checkpoints/hf_tokenizer.h"
#include "checkpoints/peft.h"
#include "train/sft_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The tokens that open an assistant's turn: where the adapter begins to act. */
static int invocation_fill(const struct sft *s, struct adapter_info *info, struct err *e)
{
    static const char header[] = "<|im_start|>assistant\n";
    size_t n = 0;
    if (s->l.adapter->cfg.gate != GATE_ASSISTANT) return 0;
    int r = tokenizer_encode(s->l.tokenizer, header, sizeof header - 1, 1, info->invocation,
                             ADAPTER_MAX_INVOCATION, &n, e);
    info->n_invocation = (uint32_t)n;
    return r;
}

static int adapter_save(struct sft *s, const char *dir, struct err *e)
{
    struct adapter_info info = {0};
    struct peft_save_options o = {.dtype = DTYPE_F32, .force = true};
    snprintf(info.base_name, sizeof info.base_name, "%s", s->c->model_name_or_path);
    snprintf(info.base, sizeof info.base, "%s", s->l.digest_base);
    snprintf(info.tokenizer, sizeof info.tokenizer, "%s", s->l.digest_tokenizer);
    int r = invocation_fill(s, &info, e);
    return r ? r : peft_save(dir, s->l.adapter, &info, &o, e);
}

/* The parts as tensors in the type the model came in. bf16 values are made in `half`. */
static void tensors_fill(const struct sft *s, struct tensor *t, uint16_t *half)
{
    for (uint32_t i = 0; i < s->trainee.parts; i++) {
        const struct trainee_part *p = &s->trainee.part[i];
        const struct tensor *was = s->l.base->bound[p->slot];
        t[i] = *was, t[i].dtype = s->l.base->dtype;
        t[i].name = p->name, t[i].data = s->trainee.weights + p->at, t[i].bytes = p->count * sizeof(float);
        if (!half) continue;
        s->l.m->kern.to_bf16((int64_t)p->count, s->trainee.weights + p->at, half + p->at);
        t[i].data = half + p->at, t[i].bytes = p->count * sizeof *half;
    }
}

static int dense_save(struct sft *s, const char *dir, struct err *e)
{
    int bf16 = s->l.base->dtype == DTYPE_BF16;
    struct tensor *t = calloc(s->trainee.parts, sizeof *t);
    uint16_t *half = bf16 ? malloc(s->trainee.count * sizeof *half) : NULL;
    int r = t && (half || !bf16) ? 0 : err_set(e, ERR_NOMEM, "no memory to write the model");
    if (!r) tensors_fill(s, t, half);
    if (!r) r = hf_save_model(dir, &s->l.base->config, t, s->trainee.parts, NULL, e);
    if (!r) r = hf_tokenizer_copy(s->c->model_name_or_path, dir, e);
    free(half);
    free(t);
    return r;
}

int sft_save(struct sft *s, char *path, struct err *e)
{
    int r = file_path(path, e, "%s/%s", s->c->output_dir, s->l.adapter ? "adapter" : "model");
    if (r) return r;
    return s->l.adapter ? adapter_save(s, path, e) : dense_save(s, path, e);
}
