/* The row that rl/ adds to `terse bench`. */
#ifndef TERSE_RL_CMD_BENCH_PPO_H
#define TERSE_RL_CMD_BENCH_PPO_H

int cmd_bench_ppo(int argc, char **argv);

#define BENCHES_RL                                                                                           \
    {                                                                                                        \
        .name = "ppo", .summary = "an iteration of reinforcement learning, on random weights",               \
        .run = cmd_bench_ppo                                                                                 \
    }

#endif
