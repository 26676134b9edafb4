/* The forecast of a run of reinforcement learning. */
#ifndef TERSE_RL_PLAN_PPO_H
#define TERSE_RL_PLAN_PPO_H

#include "rl/ppo_options.h"
#include "train/plan.h"

/* What is known of prompts and answers, in tokens. */
struct plan_answers {
    uint32_t longest;    /* prompt */
    double prompt, mean; /* a prompt, an answer, in the mean */
    double problems;     /* in the dataset; 0: unknown */
};

/* o: an outline with the adapter, whose context holds the longest prompt and its answer. limit: as
 * plan_sft's. c was settled. What is counted is that of terse bench ppo's phases: prompts once an iteration,
 * answers all of the mean length. */
void plan_ppo(struct plan *out, const struct ppo_config *c, const struct outline *o,
              const struct plan_answers *a, uint64_t limit);

#endif
