/* The rows that data/ adds to `terse bench`. */
#ifndef TERSE_DATA_CMD_BENCH_GRADE_H
#define TERSE_DATA_CMD_BENCH_GRADE_H

#include "data/cmd_bench_loader.h"

int cmd_bench_grade(int argc, char **argv);

/* clang-format off */
#define BENCHES_DATA                                                                                         \
    {.name = "grade", .summary = "answers graded in a second", .run = cmd_bench_grade},                      \
    {.name = "loader", .summary = "rows of token shards read in a second", .run = cmd_bench_loader}
/* clang-format on */

#endif
