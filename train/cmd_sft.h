#ifndef TERSE_TRAIN_CMD_SFT_H
#define TERSE_TRAIN_CMD_SFT_H

/* terse sft: exit statuses as infer/cli.h. */
int cmd_sft(int argc, char **argv);

#endif
