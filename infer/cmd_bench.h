/* terse bench: what this machine can do, and what terse makes of it. */
#ifndef TERSE_INFER_CMD_BENCH_H
#define TERSE_INFER_CMD_BENCH_H

#include "infer/cli.h"
#include "infer/run_options.h"

/* Runs a row of the table (which ends with a row whose name is NULL), or with `all` every one of them, with
 * the rest of the command line. A folder adds its benchmarks to the table that its main() hands over. */
int cmd_bench(const struct command *benches, int argc, char **argv);

/* Rows of infer: `machine`, `kernels`; and `infer`, for whose models a program has its source. */
int cmd_bench_machine(int argc, char **argv);
int cmd_bench_kernels(int argc, char **argv);
int cmd_bench_infer(const struct model_source *from, int argc, char **argv);
#define BENCHES_INFER                                                                                        \
    {.name = "machine", .summary = "what this machine can do at most", .run = cmd_bench_machine},            \
    {                                                                                                        \
        .name = "kernels", .summary = "products of a 0.5B model's shapes", .run = cmd_bench_kernels          \
    }
#define BENCH_INFER(function)                                                                                \
    {                                                                                                        \
        .name = "infer", .summary = "prompts and answers, one and many at a time", .run = function           \
    }

#endif
