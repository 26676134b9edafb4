/* terse eval: how many problems a model solves. */
#ifndef TERSE_RL_CMD_EVAL_H
#define TERSE_RL_CMD_EVAL_H

int cmd_eval(int argc, char **argv);

#endif
