/* terse data: looking at training data. */
#ifndef TERSE_DATA_CMD_DATA_H
#define TERSE_DATA_CMD_DATA_H

/* argv[0] is "data". Returns the exit status. */
int cmd_data(int argc, char **argv);

#endif
