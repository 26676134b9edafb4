/* terse switcher. */
#ifndef TERSE_RL_CMD_SWITCHER_H
#define TERSE_RL_CMD_SWITCHER_H

int cmd_switcher(int argc, char **argv);

#endif
