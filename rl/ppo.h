/* Reinforcement learning of an adapter: PPO, and the estimators that do without a value head, in one loop.
 *
 * An iteration: answers are sampled and graded (rl/rollout.h), rewarded (rl/reward.h), looked at once by the
 * trainer - which must find the very log-probabilities that were sampled, so that the first ratio is exactly
 * 1 -, turned into advantages (rl/advantage.h), and learned from in mini-batches (rl/policy.h). A state is
 * saved between iterations and, if that takes long or is interrupted, within one, so a run that was killed
 * anywhere ends with the same bits as one that was not. */
#ifndef TERSE_RL_PPO_H
#define TERSE_RL_PPO_H

#include "rl/ppo_options.h"
#include "rl/rollout.h"

/* What an iteration was like; means over its answers unless said otherwise. */
struct ppo_step {
    uint64_t step, total;
    double reward, term[REWARD_TERMS];
    double accuracy, tokens, thinking, truncated, unanswered, malformed;
    double kl, entropy; /* KL: of an answer, sampled tokens' log p - log ref summed; entropy a token */
    double policy_kl, clipped,
        ratio; /* of the last epoch: k3 to the sampling policy, share clipped, mean ratio */
    double first_ratio_low, first_ratio_high; /* before the first step: exactly 1 */
    double value_loss, explained;             /* explained variance of the returns */
    double grad_norm, rate, kl_coef;
    double dead_groups; /* share of groups whose rewards are all the same */
    double rollout_seconds, look_seconds, learn_seconds;
    double grade_seconds, reference_seconds; /* of the rollout; of the look */
    uint64_t prompt_tokens, answer_tokens;
    uint64_t sampled_tokens; /* of the answers, by this process */
    double seconds;          /* trained so far */
};

struct ppo_events {
    void (*note)(void *ctx, const char *sentence);
    void (*step)(void *ctx, const struct ppo_step *s);
    void (*samples)(void *ctx, uint64_t step, const struct sample *s, size_t n); /* every sample_steps */
    void (*tick)(void *ctx, const char *phase, size_t done, size_t all);         /* within an iteration */
    int (*interrupted)(void *ctx);
    void *ctx;
};

struct ppo;

/* c (checked by ppo_config_check), o and ev are borrowed. Errors: those of the model, the problems and the
 * adapter, LOCKED, RUN_MISMATCH, NOMEM. */
int ppo_open(struct ppo **out, struct ppo_config *c, struct options *o, const struct ppo_events *ev,
             struct err *e);
void ppo_close(struct ppo *p);
/* Loads the newest sound state, if there is one. *step: where the run goes on. */
int ppo_resume(struct ppo *p, uint64_t *step, struct err *e);
/* Runs to the last iteration. Errors: NONFINITE, MODE (the trainer's log-probabilities are not those
 * sampled), ALARM, INTERRUPTED; a state is saved where that is of use. */
int ppo_train(struct ppo *p, struct err *e);
/* Writes output_dir/adapter, the value head beside it where there is one. path: FILE_PATH bytes. */
int ppo_save(struct ppo *p, char *path, struct err *e);

uint64_t ppo_problems(const struct ppo *p);

#endif
