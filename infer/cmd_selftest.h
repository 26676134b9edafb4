/* terse selftest: one line a check, `ok|FAIL name: figure`. */
#ifndef TERSE_INFER_CMD_SELFTEST_H
#define TERSE_INFER_CMD_SELFTEST_H

#include "infer/selfcheck.h"

/* Runs the table, which ends with a row whose name is NULL. Exit status 0 only if all is ok. Bare words on
 * the command line choose checks whose name contains one of them. */
int cmd_selftest(const struct selfcheck *checks, int argc, char **argv);

#endif
