/* A sandbox for tests, where there can be one. */
#ifndef TERSE_TESTS_SANDBOX_RIG_H
#define TERSE_TESTS_SANDBOX_RIG_H

#include "rl/sandbox.h"

/* 60 seconds, 512 MiB. */
extern struct sandbox sandbox_rig;
/* Skips the running test, saying why, where bwrap or python3 is missing or may not be used. */
void sandbox_rig_need(void);

#endif
