#ifndef TERSE_CHECKPOINTS_CMD_QUANTIZE_H
#define TERSE_CHECKPOINTS_CMD_QUANTIZE_H

/* terse quantize: a model as a smaller GGUF file. */
int cmd_quantize(int argc, char **argv);

#endif
