/* What a run of reinforcement learning can be told. Key names are TRL's and verl's where they have the thing.
 */
#ifndef TERSE_RL_PPO_OPTIONS_H
#define TERSE_RL_PPO_OPTIONS_H

#include "checkpoints/sha256.h"
#include "infer/option.h"
#include "rl/reward.h"

enum estimator { EST_PPO, EST_GRPO, EST_DR_GRPO, EST_RLOO };
enum kl_place { KLP_NONE, KLP_REWARD, KLP_K2, KLP_K3 };
enum loss_mean { MEAN_TOKEN, MEAN_SEQUENCE, MEAN_CONSTANT };
enum alarm_action { ALARM_STOP, ALARM_BACKOFF, ALARM_OFF };

enum { BUDGETS_MAX = 16, BUDGET_LONGEST = 1 << 20, GROUP_LONGEST = 1024 };

struct ppo_config {
    char *config, *model_name_or_path, *adapter_name_or_path;
    char *dataset, *system_prompt, *budget_prompt;
    bool think;
    int64_t max_samples;
    struct string_list budgets;
    uint32_t budget[BUDGETS_MAX], n_budgets; /* what budgets says */
    double budget_start;
    int64_t budget_steps;

    int64_t total_steps, prompts_per_step, num_generations, response_length, streams;
    double temperature;

    struct string_list reward_terms;
    double reward_lambda, reward_margin, reward_floor, reward_slope, reward_sharpness;
    int64_t reward_buffer;
    int truncated;
    struct reward_config reward; /* what the above say */

    int estimator, loss_mean;
    double gamma, lam, lam_critic, cliprange, cliprange_high, cliprange_value, vf_coef, ent_coef;
    bool whiten_advantages;
    int kl;
    double kl_coef, kl_target, kl_horizon;
    int64_t num_ppo_epochs, num_mini_batches, value_pretrain_epochs;

    double learning_rate, critic_learning_rate, weight_decay, adam_beta1, adam_beta2, adam_epsilon,
        max_grad_norm, warmup_ratio;
    int lr_scheduler_type;

    int alarm;
    double kl_limit, length_limit;

    int compute_dtype, base_dtype, recompute; /* recompute: 0 auto, else 1 + enum recompute */
    int64_t threads, row_tokens, prompt_cache;
    uint64_t seed;
    char *output_dir;
    bool overwrite_output_dir;
    bool anew; /* another run stands there, to be overwritten; filled by ppo_config_check */
    int64_t save_steps, save_total_limit, sample_steps;
    double save_seconds;
};

int ppo_options_init(struct options *o, struct ppo_config *c, struct err *e);
/* Everything that can be told before a model is read; fills budget, reward and anew. Errors: RUN_MISMATCH,
 * FIELD_MISSING, FIELD_RANGE, FIELD_TYPE, CFG_CONFLICT, FILE_MISSING, PATH, EACCES. */
int ppo_config_check(struct ppo_config *c, struct options *o, struct err *e);
/* The part of it that looks at keys only, and fills budget and reward. */
int ppo_config_settle(struct ppo_config *c, struct options *o, struct err *e);
/* Digest of what decides a run's result, for its state. */
int ppo_config_digest(const struct options *o, char hex[SHA256_HEX], struct err *e);

#endif
