/* The parts of peft.c: the config's JSON and the tensors' names. For checkpoints/peft*.c alone. */
#ifndef TERSE_CHECKPOINTS_PEFT_PARTS_H
#define TERSE_CHECKPOINTS_PEFT_PARTS_H

#include "checkpoints/peft.h"
#include "infer/adapter_match.h"

#include <stddef.h>

/* Reads adapter_config.json at `path`: *c (its gate is left alone) and *info's name and invocation tokens. */
int peft_config_load(struct adapter_config *c, struct adapter_info *info, const char *path, struct err *e);
/* Writes it, with the keys PEFT's documentation recommends and no others. */
int peft_config_save(const char *path, const struct adapter_config *c, const struct adapter_info *info,
                     struct err *e);

/* base_model.model.model.layers.N.self_attn.q_proj.lora_A.weight */
extern const struct adapter_naming peft_naming;

#endif
