/* terse generate: a model answers a prompt. */
#ifndef TERSE_CHECKPOINTS_CMD_GENERATE_H
#define TERSE_CHECKPOINTS_CMD_GENERATE_H

int cmd_generate(int argc, char **argv);

#endif
