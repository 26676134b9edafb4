/* What a run takes of memory: the same functions plan and take it. */
#include "train/sft_parts.h"

uint32_t sft_micro_docs(const struct sft_config *c)
{
    return (uint32_t)c->cutoff_len / 32 + 1;
}

void sft_adapter_config(struct adapter_config *a, const struct sft_config *c)
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

void sft_micro_config(struct micro_config *m, const struct sft_config *c, const struct adapter_config *a,
                      enum recompute r)
{
    *m = (struct micro_config){
        .max_tokens = (uint32_t)c->cutoff_len,
        .max_docs = sft_micro_docs(c),
        .recompute = r,
        .gate = a ? a->gate : GATE_ALL,
        .dropout = a ? (float)c->lora_dropout : 0,
    };
}

void sft_memory_plan(struct sft_memory *out, const struct sft_config *c, const struct model *m,
                     const struct adapter_config *a, enum recompute r)
{
    uint64_t trained = a ? adapter_count(&m->c, a) : trainee_dense_count(&m->c);
    struct loader_config loader;
    struct micro_config micro;
    sft_loader_config(&loader, c, LOADER_TRAIN);
    sft_micro_config(&micro, c, a, r);
    out->weights = m->arena.size;
    out->adapter = trained * sizeof(float) + (a ? lora_plan(m, a) : 0);
    out->optimiser = optim_plan(trained, (uint32_t)c->rows_per_step);
    out->activations = micro_plan(m, a, &micro);
    out->rows = loader_plan(&loader);
    out->total = out->weights + out->adapter + out->optimiser + out->activations + out->rows;
}
