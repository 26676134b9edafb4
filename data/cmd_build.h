#ifndef TERSE_DATA_CMD_BUILD_H
#define TERSE_DATA_CMD_BUILD_H

/* terse data build: a recipe becomes token shards, or problems. */
int cmd_build(int argc, char **argv);

#endif
