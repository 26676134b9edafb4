#ifndef TERSE_DATA_CMD_SHOW_H
#define TERSE_DATA_CMD_SHOW_H

/* terse data show: one example as the model sees it. */
int cmd_show(int argc, char **argv);

#endif
