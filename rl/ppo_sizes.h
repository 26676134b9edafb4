/* How large the parts of a run of reinforcement learning are made: for the run, and for its forecast. */
#ifndef TERSE_RL_PPO_SIZES_H
#define TERSE_RL_PPO_SIZES_H

#include "infer/session.h"
#include "rl/ppo_options.h"
#include "rl/rollout.h"
#include "train/micro.h"

struct ppo_sizes {
    size_t answers;      /* of an iteration */
    uint32_t longest;    /* tokens of the longest prompt */
    uint32_t batch_rows; /* rows of a mini-batch, at most */
    struct session_config session;
    struct micro_config micro; /* recompute is left at none */
};

/* m: an outline is enough. gate: the adapter's. longest: tokens of the longest prompt. */
void ppo_sizes(struct ppo_sizes *z, const struct ppo_config *c, const struct model *m, enum lora_gate gate,
               uint32_t longest);

void ppo_rollout_config(struct rollout_config *r, const struct ppo_config *c);

#endif
