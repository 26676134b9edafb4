/* The forecast of a fine-tuning run. */
#include "infer/bench_cost.h"
#include "train/cost.h"
#include "train/plan.h"
#include "train/run_rows.h"
#include "train/sft_parts.h"

#include <math.h>

int sft_outline(struct outline *o, const struct sft_config *c, const struct model_config *m, enum dtype own,
                unsigned threads, struct err *e)
{
    struct adapter_config a;
    sft_adapter_config(&a, c);
    enum weight_type type = load_weight_type(run_load_dtype(c->compute_dtype, c->base_dtype), own);
    return outline_create(o, m, type, (uint32_t)c->cutoff_len, c->tuning == TUNING_LORA ? &a : NULL, threads,
                          e);
}

/* ---- memory and disk ----------------------------------------------------------------------------------- */

static enum recompute memory_fill(struct plan *p, const struct sft_config *c, const struct outline *o,
                                  uint64_t limit)
{
    struct sft_memory m;
    uint64_t program = plan_program_bytes(&o->m.c);
    int asked = c->recompute;
    enum recompute r =
        asked == SFT_RECOMPUTE_AUTO ? RECOMPUTE_NONE : (enum recompute)(asked - SFT_RECOMPUTE_NONE);
    for (;; r++) {
        sft_memory_plan(&m, c, &o->m, outline_adapter(o), r);
        if (asked != SFT_RECOMPUTE_AUTO || !limit || m.total + program <= limit || r == RECOMPUTE_LAYER)
            break;
    }
    plan_add(&p->memory, "weights", m.weights);
    plan_add(&p->memory, outline_adapter(o) ? "adapter" : "master weights", m.adapter);
    plan_add(&p->memory, "gradients, optimiser", m.optimiser);
    plan_add(&p->memory, "activations", m.activations);
    plan_add(&p->memory, "rows of a step", m.rows);
    plan_add(&p->memory, "program, tokenizer", program);
    return r;
}

static void disk_fill(struct plan *p, const struct sft_config *c, const struct outline *o,
                      const struct epoch *data)
{
    enum { BYTES_A_TOKEN = 2 }; /* ids with shuffle and zstd */
    bool dense = !outline_adapter(o);
    uint64_t result = o->trained * (dense && o->m.type == WT_BF16 ? 2 : sizeof(float));
    plan_add(&p->disk, "token shards", data->disk ? data->disk : (uint64_t)(BYTES_A_TOKEN * p->tokens));
    plan_add(&p->disk, "states", plan_states_bytes(o->trained, c->save_total_limit));
    plan_add(&p->disk, dense ? "model" : "adapter", result);
}

/* Less what is reserved for rows of many short documents. */
static void resident_fill(struct plan *p, const struct sft_config *c, const struct outline *o,
                          enum recompute r)
{
    struct micro_config micro;
    sft_micro_config(&micro, c, outline_adapter(o), r);
    uint64_t most = micro_plan(&o->m, outline_adapter(o), &micro), docs = (uint64_t)ceil(p->docs / p->rows);
    if (docs < micro.max_docs) micro.max_docs = (uint32_t)docs;
    p->resident = plan_bytes(&p->memory) - most + micro_plan(&o->m, outline_adapter(o), &micro);
}

/* ---- work ---------------------------------------------------------------------------------------------- */

/* First token of a document that is taped. */
static uint32_t taped_from(const struct epoch_doc *d, const struct outline *o)
{
    if (!outline_adapter(o) || o->adapter.gate == GATE_ALL) return 0;
    return o->adapter.gate == GATE_ASSISTANT ? d->header_at : d->response_at;
}

/* The epoch's documents, cut at cutoff_len, into p's counts and *cost. */
static void epoch_count(struct plan *p, struct cost *cost, const struct sft_config *c,
                        const struct outline *o, const struct epoch *data, enum recompute r)
{
    struct cost_model m = {&o->m.c, o->adapter.rank, o->adapter.targets, r};
    double each = data->docs / (double)data->n;
    for (size_t i = 0; i < data->n; i++) {
        const struct epoch_doc *d = &data->doc[i];
        uint32_t cut = d->n > c->cutoff_len ? d->n - (uint32_t)c->cutoff_len : 0;
        if (cut >= d->labels) continue; /* nothing is left to learn */
        cost_add(cost, &m, d->n - cut, taped_from(d, o), d->labels - cut, each);
        p->docs += each, p->tokens += each * (d->n - cut), p->learned += each * (d->labels - cut);
    }
    p->rows = c->packing ? ceil(p->tokens / data->fill / (double)c->cutoff_len) : p->docs;
    if (p->rows < 1) p->rows = 1;
}

/* Bytes that go through memory beside the products: for each row the gradient is cleared, added to by each
 * pass and folded into the tree; for each step AdamW reads and writes, and weights are packed. */
static double optimiser_bytes(const struct plan *p, const struct sft_config *c, const struct outline *o,
                              double steps)
{
    double passes = ceil(p->tokens / p->rows / MICRO_CHUNK), pack = 4 + (o->m.type == WT_BF16 ? 2 : 4);
    double row = 4 + 8 * passes + 12, step = 4 + 28 + pack;
    return steps * (double)o->trained * ((double)c->rows_per_step * row + step);
}

static void phases_fill(struct plan *p, const struct sft_config *c, const struct outline *o,
                        const struct cost *one)
{
    double epochs = (double)p->steps * (double)c->rows_per_step / p->rows;
    plan_phase(p, (struct plan_phase){.what = "prompts, base alone", .flops = epochs * one->prompt});
    plan_phase(p, (struct plan_phase){.what = "forward", .flops = epochs * one->forward});
    plan_phase(p, (struct plan_phase){.what = "head and loss", .flops = epochs * one->head});
    plan_phase(p, (struct plan_phase){.what = "recomputed", .flops = epochs * one->again});
    plan_phase(p, (struct plan_phase){.what = "backward", .flops = epochs * one->backward});
    plan_phase(
        p, (struct plan_phase){.what = "gradients of weights", .flops = epochs * one->weights, .fp32 = true});
    plan_phase(p, (struct plan_phase){.what = "sums, optimiser",
                                      .bytes = optimiser_bytes(p, c, o, (double)p->steps),
                                      .share = PLAN_MEMORY});
    p->seen = epochs * p->tokens;
}

void plan_sft(struct plan *out, const struct sft_config *c, const struct outline *o, const struct epoch *data,
              uint64_t limit)
{
    static const char *const names[] = {"none", "mlp", "layer"};
    struct cost one = {0};
    *out = (struct plan){.trained = o->trained, .width = o->m.c.width, .parts = (uint64_t)c->rows_per_step};
    out->parameters = model_config_params(&o->m.c);
    enum recompute r = memory_fill(out, c, o, limit);
    out->recompute = names[r];
    epoch_count(out, &one, c, o, data, r);
    out->steps = sft_steps(c, (uint64_t)out->rows);
    disk_fill(out, c, o, data);
    resident_fill(out, c, o, r);
    phases_fill(out, c, o, &one);
}
