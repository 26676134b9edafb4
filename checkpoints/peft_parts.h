/* The parts of peft.c: the config's JSON and the tensors' names. For checkpoints/peft*.c alone. */
#ifndef TERSE_CHECKPOINTS_PEFT_PARTS_H
#define TERSE_CHECKPOINTS_PEFT_PARTS_H

#include "checkpoints/peft.h"

#include <stddef.h>

enum { PEFT_NAME = 128 }; /* bytes of the longest tensor name of ours, with its NUL */

/* Reads adapter_config.json at `path`: *c (its gate is left alone) and *info's name and invocation tokens. */
int peft_config_load(struct adapter_config *c, struct peft_info *info, const char *path, struct err *e);
/* Writes it, with the keys PEFT's documentation recommends and no others. */
int peft_config_save(const char *path, const struct adapter_config *c, const struct peft_info *info,
                     struct err *e);

/* Where a tensor belongs: layer, target, A (0) or B (1). */
struct peft_slot {
    uint32_t layer;
    enum lora_target target;
    int is_b;
};

/* Parses a tensor's name. Returns 1 and fills *s, or 0 when it is no adapter tensor of a model with `layers`.
 */
int peft_name_parse(struct peft_slot *s, const char *name, uint32_t layers);
/* Slots are numbered layer by layer, target by target, A then B. */
struct peft_slot peft_slot_at(size_t i);
/* Writes the name PEFT saves. */
void peft_name_write(char name[PEFT_NAME], struct peft_slot s);

/* Finds every tensor of the adapter: one a slot, NULL where the target is not
 * adapted. `tensors[i]`, i < n, are what the file holds. Checks names, pairs, completeness, types and shapes.
 */
int peft_match(const struct tensor **found, const struct tensor *const *tensors, size_t n,
               const struct model_config *m, const struct adapter_config *c, struct err *e);

#endif
