/* The row that train/ adds to `terse bench`. */
#ifndef TERSE_TRAIN_CMD_BENCH_TRAIN_H
#define TERSE_TRAIN_CMD_BENCH_TRAIN_H

int cmd_bench_train(int argc, char **argv);

#define BENCHES_TRAIN                                                                                        \
    {                                                                                                        \
        .name = "train", .summary = "a fine-tuning step of a model of random weights",                       \
        .run = cmd_bench_train                                                                               \
    }

#endif
