#ifndef TERSE_DATA_CMD_CAT_H
#define TERSE_DATA_CMD_CAT_H

/* terse data cat. */
int cmd_cat(int argc, char **argv);

#endif
