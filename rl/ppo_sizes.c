#include "rl/ppo_sizes.h"

enum { DOC_TOKENS = 16 }; /* a row of shorter ones is not filled */

/* Pages of the prompts of an iteration, as far as prompt_cache allows. */
static uint32_t pages_kept(const struct ppo_sizes *z, const struct ppo_config *c, const struct model *m)
{
    uint64_t most = z->session.cache_bytes / kv_page_bytes(m, KV_MODEL);
    uint64_t all = (uint64_t)c->prompts_per_step * ((z->longest + KV_PAGE - 1) / KV_PAGE);
    return (uint32_t)(all < most ? all : most);
}

/* Two rows that follow one another hold more than fits one, or all that one may. */
static uint32_t batch_rows(const struct ppo_sizes *z, const struct ppo_config *c, uint64_t doc)
{
    uint64_t answers = (z->answers + (uint64_t)c->num_mini_batches - 1) / (uint64_t)c->num_mini_batches;
    uint64_t packed = 2 * answers * doc / (uint64_t)c->row_tokens + 2 * answers / z->micro.max_docs + 2;
    return (uint32_t)(answers < packed ? answers : packed);
}

void ppo_sizes(struct ppo_sizes *z, const struct ppo_config *c, const struct model *m, enum lora_gate gate,
               uint32_t longest)
{
    uint32_t doc = longest + (uint32_t)c->response_length;
    *z =
        (struct ppo_sizes){.answers = (size_t)(c->prompts_per_step * c->num_generations), .longest = longest};
    z->session =
        (struct session_config){.streams = (uint32_t)c->streams, .max_tokens = doc, .cache_base = true};
    z->session.cache_bytes = (uint64_t)c->prompt_cache << 20;
    if (z->session.streams > z->answers) z->session.streams = (uint32_t)z->answers;
    z->micro = (struct micro_config){.max_tokens = doc, .gate = gate};
    if (doc < c->row_tokens) z->micro.max_tokens = (uint32_t)c->row_tokens;
    z->micro.max_docs = z->micro.max_tokens / DOC_TOKENS + 1;
    if (z->micro.max_docs > z->answers) z->micro.max_docs = (uint32_t)z->answers;
    z->micro.keep = pages_kept(z, c, m);
    z->batch_rows = batch_rows(z, c, doc);
}

void ppo_rollout_config(struct rollout_config *r, const struct ppo_config *c)
{
    *r = (struct rollout_config){
        .prompts = (uint32_t)c->prompts_per_step,
        .group = (uint32_t)c->num_generations,
        .max_new = (uint32_t)c->response_length,
        .temperature = c->temperature,
        .seed = c->seed,
        .system = c->system_prompt,
        .budget_prompt = c->budget_prompt,
        .think = c->think,
        .budgets = c->budget,
        .n_budgets = c->n_budgets,
    };
}
