/* What must hold between the keys of a run, and whether the run that stands in output_dir is this one. */
#include "rl/ppo_options.h"
#include "train/run_record.h"

#include <stdlib.h>

static int budgets_read(struct ppo_config *c, const struct options *o, struct err *e)
{
    for (c->n_budgets = 0; c->n_budgets < c->budgets.n; c->n_budgets++) {
        const char *text = c->budgets.items[c->n_budgets];
        char *end;
        long b = strtol(text, &end, 10);
        if (c->n_budgets == BUDGETS_MAX || end == text || *end || b < 1 || b > BUDGET_LONGEST)
            return err_set(e, ERR_FIELD_RANGE,
                           "budgets: \"%.40s\", expected at most %d whole numbers from 1 on (%s)", text,
                           BUDGETS_MAX, options_where(o, "budgets"));
        c->budget[c->n_budgets] = (uint32_t)b;
    }
    return c->n_budgets ? 0 : err_set(e, ERR_FIELD_MISSING, "budgets: expected at least one number");
}

static int reward_read(struct ppo_config *c, struct err *e)
{
    c->reward = (struct reward_config){.lambda = c->reward_lambda,
                                       .margin = c->reward_margin,
                                       .floor = c->reward_floor,
                                       .slope = c->reward_slope,
                                       .sharpness = c->reward_sharpness,
                                       .buffer = (uint32_t)c->reward_buffer,
                                       .truncated = (enum truncated_reward)c->truncated};
    if (!c->reward_terms.n) return err_set(e, ERR_FIELD_MISSING, "reward: expected at least one term");
    for (size_t i = 0; i < c->reward_terms.n; i++) {
        int r = reward_parse(&c->reward, c->reward_terms.items[i], e);
        if (r) return r;
    }
    return 0;
}

int ppo_config_settle(struct ppo_config *c, struct options *o, struct err *e)
{
    int r = options_check_required(o, e);
    if (!r) r = budgets_read(c, o, e);
    if (!r) r = reward_read(c, e);
    if (r) return r;
    if (c->estimator != EST_PPO && c->num_generations < 2)
        return err_set(e, ERR_CFG_CONFLICT,
                       "estimator (%s) compares the answers of a group, but num_generations is %lld (%s)",
                       options_where(o, "estimator"), (long long)c->num_generations,
                       options_where(o, "num_generations"));
    if (c->num_mini_batches > c->prompts_per_step * c->num_generations)
        return err_set(e, ERR_CFG_CONFLICT, "num_mini_batches %lld of %lld answers (%s)",
                       (long long)c->num_mini_batches, (long long)(c->prompts_per_step * c->num_generations),
                       options_where(o, "num_mini_batches"));
    if (!options_given(o, "cliprange_high")) c->cliprange_high = c->cliprange;
    if (!options_given(o, "critic_learning_rate")) c->critic_learning_rate = 10 * c->learning_rate;
    return 0;
}

static int settle(void *config, struct options *o, struct err *e)
{
    return ppo_config_settle(config, o, e);
}

static const char *const free_keys[] = {"config",       "output_dir", "overwrite_output_dir", "save_steps",
                                        "threads",      "streams",    "save_total_limit",     "sample_steps",
                                        "prompt_cache", "recompute",  "save_seconds",         NULL};
static const struct run_kind kind = {free_keys, settle};

int ppo_config_check(struct ppo_config *c, struct options *o, struct err *e)
{
    struct ppo_config then_config;
    struct options then;
    int r = ppo_config_settle(c, o, e);
    if (!r) r = run_input_check(o, "model_name_or_path", c->model_name_or_path, c->output_dir, e);
    if (!r) r = run_input_check(o, "adapter_name_or_path", c->adapter_name_or_path, c->output_dir, e);
    if (!r) r = run_output_check(o, c->output_dir, e);
    if (!r) r = ppo_options_init(&then, &then_config, e);
    if (r) return r;
    r = run_record_check(c->output_dir, &kind, o, &then, &then_config, e);
    c->anew = r == ERR_RUN_MISMATCH && c->overwrite_output_dir;
    options_free(&then);
    return c->anew ? 0 : r;
}

int ppo_config_digest(const struct options *o, char hex[SHA256_HEX], struct err *e)
{
    return run_digest(&kind, o, hex, e);
}
