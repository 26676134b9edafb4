/* Where the time of an iteration of reinforcement learning goes: the rows of `terse bench ppo`.
 *
 *   prefill     the prompts, each once for its group
 *   decode      answers, all streams at a time, with log-probabilities; all of the same length
 *   reward      grading texts of that length, rewards and advantages
 *   look        values and log-probabilities by the trainer, checked against those sampled
 *   reference   log-probabilities by the adapter as it was, for KL
 *   policy      epochs of mini-batches: forward, backward, AdamW
 *   sft         the same for the likelihood of the answers, before it and after it
 *   infer       decoding as `terse bench infer` measures it, before the answers and after them:
 *               as many streams, the same lengths, no sampling
 *
 * All of it is terse ppo's own code, on a model of random weights. Shares are of the machine's limits,
 * measured before and after each iteration: the time in which they could have done the same work, divided by
 * the time it took. Counted are a prompt's products once, an answer's forward pass, and of its backward pass
 * what an adapter needs. */
#ifndef TERSE_RL_BENCH_PPO_H
#define TERSE_RL_BENCH_PPO_H

#include "infer/bench.h"
#include "infer/loaded.h"
#include "rl/ppo_options.h"

struct bench_ppo_config {
    struct model_config model;
    enum load_dtype dtype;
    uint32_t rank;
    uint32_t prompts, group, streams;
    uint32_t prompt, response; /* tokens */
    uint32_t row_tokens, epochs, batches;
    uint32_t iterations; /* measured, after one that is not */
    unsigned threads;
};

enum { BENCH_PPO_ROWS = 8, BENCH_PPO_OWN = 6 }; /* the first of which are an iteration's own */

struct bench_ppo_result {
    struct bench_row row[BENCH_PPO_ROWS]; /* tok_s: of prompts or answers; ns: of an iteration, all epochs */
    struct machine_limits limits;
    double seconds;         /* of an iteration */
    double rollout_ratio;   /* speed of decode to that of infer */
    double policy_ratio;    /* time of policy to that of sft */
    uint64_t answer_tokens; /* of an iteration */
};

/* Errors: NOMEM, those of ppo's parts. Texts in the rows are static. */
int bench_ppo_run(const struct bench_ppo_config *c, struct bench_ppo_result *out, struct err *e);

#endif
