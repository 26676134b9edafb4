/* A row that data/ adds to `terse bench`. */
#ifndef TERSE_DATA_CMD_BENCH_LOADER_H
#define TERSE_DATA_CMD_BENCH_LOADER_H

int cmd_bench_loader(int argc, char **argv);

#endif
