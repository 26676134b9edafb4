/* Where terse's commands get their models from, and what they take for the same answer. */
#ifndef TERSE_RL_SOURCE_H
#define TERSE_RL_SOURCE_H

#include "infer/run_options.h"

/* Hugging Face folders, PEFT adapters and safetensors' heads as well as GGUF files; answers are the same when
 * they are graded so (data/grade.h). */
extern const struct model_source source_any;

#endif
