/* terse tables: the paper's tables, measured. */
#ifndef TERSE_RL_CMD_TABLES_H
#define TERSE_RL_CMD_TABLES_H

/* argv[0] is "tables". Returns the exit status. */
int cmd_tables(int argc, char **argv);

#endif
