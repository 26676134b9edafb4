/* The row that data/ adds to `terse bench`. */
#ifndef TERSE_DATA_CMD_BENCH_GRADE_H
#define TERSE_DATA_CMD_BENCH_GRADE_H

int cmd_bench_grade(int argc, char **argv);

#define BENCHES_DATA                                                                                         \
    {                                                                                                        \
        .name = "grade", .summary = "answers graded in a second", .run = cmd_bench_grade                     \
    }

#endif
