#ifndef TERSE_RL_CMD_PLAN_H
#define TERSE_RL_CMD_PLAN_H

int cmd_plan(int argc, char **argv);

#endif
