#include "rl/plan_ppo.h"
#include "infer/bench_cost.h"
#include "rl/ppo_sizes.h"
#include "train/cost.h"
#include "train/optim.h"

#include <math.h>

enum { HEADER = 3 }; /* tokens of the assistant's header, where the adapter begins to act */

/* ---- memory and disk ----------------------------------------------------------------------------------- */

/* What the host keeps of all answers: ids, log-probabilities, values, what is learned of each token. */
static uint64_t answers_bytes(const struct ppo_config *c, const struct ppo_sizes *z)
{
    uint64_t token = sizeof(struct policy_token) + 4 * sizeof(float);
    return z->answers * ((uint64_t)c->response_length * token + z->micro.max_tokens * sizeof(int32_t));
}

/* Keys and values of prompts that the sampler keeps for their next epoch: whole pages, as far as they come.
 */
static uint64_t cached_bytes(const struct ppo_config *c, const struct outline *o, const struct ppo_sizes *z,
                             const struct plan_answers *a)
{
    double prompts = (double)(c->total_steps * c->prompts_per_step);
    if (a->problems > 0 && a->problems < prompts) prompts = a->problems;
    double bytes = prompts * floor(a->prompt / KV_PAGE) * (double)kv_page_bytes(&o->m, KV_MODEL);
    return bytes < (double)z->session.cache_bytes ? (uint64_t)bytes : z->session.cache_bytes;
}

static void sampler_fill(struct plan *p, const struct ppo_config *c, const struct outline *o,
                         const struct ppo_sizes *z, const struct plan_answers *a)
{
    struct session_config session = z->session;
    uint64_t pages = (session.max_tokens + KV_PAGE - 1) / KV_PAGE;
    uint64_t kv = session.streams * pages * kv_page_bytes(&o->m, KV_MODEL);
    session.cache_bytes = 0;
    plan_add(&p->memory, "keys and values", kv);
    plan_add(&p->memory, "prompt cache", cached_bytes(c, o, z, a));
    plan_add(&p->memory, "rest of the sampler", session_plan(&o->m, outline_lora(o), &session) - kv);
}

static enum recompute memory_fill(struct plan *p, const struct ppo_config *c, const struct outline *o,
                                  const struct ppo_sizes *z, const struct plan_answers *answers,
                                  uint64_t limit)
{
    const struct model *m = &o->m;
    const struct adapter_config *a = outline_adapter(o);
    struct micro_config micro = z->micro;
    plan_add(&p->memory, "weights", m->arena.size);
    plan_add(&p->memory, "adapter", o->trained * sizeof(float) + lora_plan(m, a));
    plan_add(&p->memory, "reference", c->kl == KLP_NONE ? 0 : lora_plan(m, a));
    plan_add(&p->memory, "gradients, optimiser", optim_plan(o->trained, z->batch_rows));
    sampler_fill(p, c, o, z, answers);
    plan_add(&p->memory, "answers", answers_bytes(c, z));
    plan_add(&p->memory, "program, tokenizer", plan_program_bytes(&m->c));
    uint64_t others = plan_bytes(&p->memory);
    if (c->recompute) micro.recompute = (enum recompute)(c->recompute - 1);
    while (!c->recompute && limit && others + micro_plan(m, a, &micro) > limit &&
           micro.recompute < RECOMPUTE_LAYER)
        micro.recompute++;
    plan_add(&p->memory, "activations", micro_plan(m, a, &micro));
    return micro.recompute;
}

/* Less what longer answers, or more of them in a row, would touch. */
static void resident_fill(struct plan *p, const struct ppo_config *c, const struct outline *o,
                          const struct ppo_sizes *z, const struct plan_answers *a, enum recompute r)
{
    const struct adapter_config *adapter = outline_adapter(o);
    struct micro_config micro = z->micro;
    double doc = a->prompt + a->mean, batch = (double)z->answers / (double)c->num_mini_batches;
    double docs = ceil((double)c->row_tokens / doc), rows = ceil(batch * doc / (double)c->row_tokens);
    micro.recompute = r;
    uint64_t most = micro_plan(&o->m, adapter, &micro) + optim_plan(o->trained, z->batch_rows);
    uint64_t pages = (z->session.max_tokens + KV_PAGE - 1) / KV_PAGE, used = (uint64_t)ceil(doc / KV_PAGE);
    if (docs < micro.max_docs) micro.max_docs = (uint32_t)docs;
    if (used < pages) most += z->session.streams * (pages - used) * kv_page_bytes(&o->m, KV_MODEL);
    uint32_t summed = rows < z->batch_rows ? (uint32_t)rows : z->batch_rows;
    p->resident =
        plan_bytes(&p->memory) - most + micro_plan(&o->m, adapter, &micro) + optim_plan(o->trained, summed);
}

/* ---- work ---------------------------------------------------------------------------------------------- */

static void add(struct plan *p, const char *what, double flops)
{
    plan_phase(p, (struct plan_phase){.what = what, .flops = flops});
}

/* All answers of the run, so many at a time: in the mean each step stands in the middle of an answer. */
static struct plan_phase decode_phase(const struct ppo_config *c, const struct outline *o,
                                      const struct ppo_sizes *z, const struct plan_answers *a)
{
    struct bench_cost step = {0};
    double answers = (double)c->total_steps * (double)z->answers;
    double steps = answers / z->session.streams * a->mean;
    bench_cost_step(&step, &o->m, outline_lora(o), KV_MODEL, z->session.streams, (uint32_t)a->prompt,
                    (uint32_t)(a->prompt + a->mean / 2));
    return (struct plan_phase){.what = "sampling answers",
                               .flops = steps * step.flops,
                               .bytes = steps * step.bytes,
                               .share = PLAN_DECODE};
}

/* Bytes of gradients and moments, as in fine-tuning. */
static double optimiser_bytes(const struct ppo_config *c, const struct outline *o, const struct ppo_sizes *z,
                              const struct plan_answers *a)
{
    double rows = ceil((double)z->answers * (a->prompt + a->mean) / (double)c->row_tokens);
    double row = 4 + 12 + 8 * ceil((double)c->row_tokens / MICRO_CHUNK), step = 4 + 28 + 6;
    return (double)c->total_steps * (double)c->num_ppo_epochs * (double)o->trained *
           (rows * row + (double)c->num_mini_batches * step);
}

static void phases_fill(struct plan *p, const struct ppo_config *c, const struct outline *o,
                        const struct ppo_sizes *z, const struct plan_answers *a, enum recompute r)
{
    struct cost_model m = {&o->m.c, o->adapter.rank, o->adapter.targets, r};
    double iterations = (double)c->total_steps, answers = iterations * (double)z->answers;
    double from = a->prompt > HEADER ? a->prompt - HEADER : 0, epochs = (double)c->num_ppo_epochs;
    struct cost all = {0};
    cost_add(&all, &m, a->prompt + a->mean, from, a->mean, answers);
    double forward = all.forward + all.head, prompts = all.prompt / (double)c->num_generations;
    add(p, "prompts, base alone", 2 * prompts); /* by the sampler, and by the trainer */
    plan_phase(p, decode_phase(c, o, z, a));
    add(p, "look", forward);
    if (c->kl != KLP_NONE) add(p, "reference", forward);
    if (c->estimator == EST_PPO)
        add(p, "value head's start", (double)c->value_pretrain_epochs * forward / iterations);
    add(p, "learning: forward", epochs * (forward + all.again));
    add(p, "learning: backward", epochs * all.backward);
    plan_phase(p, (struct plan_phase){
                      .what = "learning: gradients of weights", .flops = epochs * all.weights, .fp32 = true});
    plan_phase(p, (struct plan_phase){
                      .what = "sums, optimiser", .bytes = optimiser_bytes(c, o, z, a), .share = PLAN_MEMORY});
}

void plan_ppo(struct plan *out, const struct ppo_config *c, const struct outline *o,
              const struct plan_answers *a, uint64_t limit)
{
    static const char *const names[] = {"none", "mlp", "layer"};
    struct ppo_sizes z;
    ppo_sizes(&z, c, &o->m, o->adapter.gate, a->longest);
    *out = (struct plan){.trained = o->trained, .width = o->m.c.width, .parts = z.answers};
    out->parameters = model_config_params(&o->m.c), out->steps = (uint64_t)c->total_steps;
    enum recompute r = memory_fill(out, c, o, &z, a, limit);
    out->recompute = names[r], out->docs = a->problems, out->rows = (double)z.answers;
    out->learned = (double)z.answers * a->mean; /* of an iteration */
    out->tokens = out->learned + (double)c->prompts_per_step * a->prompt;
    out->seen = (double)c->total_steps * out->tokens;
    plan_add(&out->disk, "states", plan_states_bytes(o->trained, c->save_total_limit));
    plan_add(&out->disk, "adapter", o->trained * sizeof(float));
    resident_fill(out, c, o, &z, a, r);
    phases_fill(out, c, o, &z, a, r);
}
