#ifndef TERSE_DATA_CMD_CHECK_H
#define TERSE_DATA_CMD_CHECK_H

/* terse data check. */
int cmd_check(int argc, char **argv);

#endif
