#ifndef TERSE_TRAIN_CMD_PLOT_H
#define TERSE_TRAIN_CMD_PLOT_H

/* terse plot: a curve of metrics.jsonl as text. Exit statuses as infer/cli.h. */
int cmd_plot(int argc, char **argv);

#endif
