/* terse generate, terse-infer run: a model answers a prompt. */
#ifndef TERSE_INFER_CMD_RUN_H
#define TERSE_INFER_CMD_RUN_H

#include "infer/run_options.h"

int cmd_run(const struct model_source *from, int argc, char **argv);

#endif
