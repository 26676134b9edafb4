/* terse compare. */
#ifndef TERSE_RL_CMD_COMPARE_H
#define TERSE_RL_CMD_COMPARE_H

int cmd_compare(int argc, char **argv);

#endif
