/* terse init: a model with random weights. */
#ifndef TERSE_CHECKPOINTS_CMD_INIT_H
#define TERSE_CHECKPOINTS_CMD_INIT_H

/* argv[0] is "init". Returns the exit status. */
int cmd_init(int argc, char **argv);

#endif
