#ifndef TERSE_RL_CMD_PPO_H
#define TERSE_RL_CMD_PPO_H

int cmd_ppo(int argc, char **argv);

#endif
