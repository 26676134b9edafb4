#ifndef TERSE_DATA_CMD_FETCH_H
#define TERSE_DATA_CMD_FETCH_H

/* terse data fetch. */
int cmd_fetch(int argc, char **argv);

#endif
