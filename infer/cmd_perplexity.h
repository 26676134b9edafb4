/* terse perplexity: how well a model foresees a text. */
#ifndef TERSE_INFER_CMD_PERPLEXITY_H
#define TERSE_INFER_CMD_PERPLEXITY_H

#include "infer/run_options.h"

int cmd_perplexity(const struct model_source *from, int argc, char **argv);

#endif
