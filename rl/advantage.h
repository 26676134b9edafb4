/* How much better than expected: from rewards to what the policy's gradient is weighted with. */
#ifndef TERSE_RL_ADVANTAGE_H
#define TERSE_RL_ADVANTAGE_H

#include <stdbool.h>
#include <stdint.h>

/* Generalised advantage estimation (Schulman et al. 2016) of an answer of n tokens: reward [n] comes after
 * each token, value [n] before it; nothing follows the last one. adv [n]. */
void gae(uint32_t n, const float *reward, const float *value, double gamma, double lambda, float *adv);

/* One advantage for all tokens of each of n answers to one prompt. */
enum group_baseline {
    GROUP_GRPO,    /* (r - mean) / (std + 1e-4) (Shao et al. 2024) */
    GROUP_DR_GRPO, /* r - mean (Liu et al. 2025) */
    GROUP_RLOO,    /* r - mean of the others (Ahmadian et al. 2024) */
};
void group_advantage(enum group_baseline b, uint32_t n, const float *reward, float *adv);

/* (x - mean) / sqrt(var + 1e-8), the mean kept if so wanted, over n values. */
void whiten(uint64_t n, float *x, bool keep_mean);

#endif
