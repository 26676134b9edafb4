#ifndef TERSE_DATA_CMD_STATS_H
#define TERSE_DATA_CMD_STATS_H

/* terse data stats: lengths, domains, duplicates, packing. */
int cmd_stats(int argc, char **argv);

#endif
