/* The folder that holds a run's states: their names, and which stay. Private to state*.c. */
#ifndef TERSE_CHECKPOINTS_STATE_DIR_H
#define TERSE_CHECKPOINTS_STATE_DIR_H

#include "infer/err.h"

#include <stdint.h>

/* N of "step-N" (decimal, no leading zero), -1 for any other name. */
int64_t state_step_of(const char *name);

/* Removes what broken-off saves left, and states below the newest `keep` (0: none) of steps <= `step`. */
int state_prune(const char *dir, int64_t step, unsigned keep, struct err *e);

#endif
