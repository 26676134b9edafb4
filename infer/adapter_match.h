/* From the tensors of a file to an adapter, whoever named them: PEFT (checkpoints/peft.c) or llama.cpp
 * (infer/gguf_adapter.c). */
#ifndef TERSE_INFER_ADAPTER_MATCH_H
#define TERSE_INFER_ADAPTER_MATCH_H

#include "infer/adapter.h"

#include <stddef.h>

enum { ADAPTER_NAME = 128 }; /* bytes of the longest tensor name, with its NUL */

/* Where a tensor belongs: layer, target, A (0) or B (1). */
struct adapter_slot {
    uint32_t layer;
    enum lora_target target;
    int is_b;
};

/* How tensors are named. */
struct adapter_naming {
    /* Returns 1 and fills *s, or 0 when it is no adapter tensor of a model with `layers`. */
    int (*parse)(struct adapter_slot *s, const char *name, uint32_t layers);
    void (*write)(char name[ADAPTER_NAME], struct adapter_slot s);
    const char *outside[2]; /* parts of the names of the head and of the embedding */
};

/* Slots are numbered layer by layer, target by target, A then B; the flat buffer's order. */
size_t adapter_slots(const struct model_config *m);
struct adapter_slot adapter_slot_at(size_t i);

/* Finds every tensor of the adapter: found[i], i < adapter_slots(m), is NULL where the target is not adapted.
 * `tensors[i]`, i < n, are what the file holds. Checks names, pairs, completeness, types and shapes. Errors:
 * PATH, DUP_TENSOR, AD_NOMATCH, AD_KEY, AD_UNSUPPORTED, AD_PAIR, AD_PARTIAL, AD_SHAPE, AD_RANK, DTYPE. */
int adapter_match(const struct tensor **found, const struct tensor *const *tensors, size_t n,
                  const struct model_config *m, const struct adapter_config *c,
                  const struct adapter_naming *as, struct err *e);
/* Fills the weights from what was found; *cold when no B has a number in it. Errors: AD_NORM, NONFINITE. */
int adapter_fill(struct adapter *a, const struct tensor *const *found, bool *cold, struct err *e);
/* AD_NORM or NONFINITE when a weight is none that training makes. */
int adapter_weight_check(float x, const char *name, uint64_t i, struct err *e);

/* The gate that `name` (NULL: none given) means. Errors: FIELD_RANGE. */
int adapter_gate_read(enum lora_gate *gate, const char *name, uint32_t n_invocation, const char *path,
                      struct err *e);
/* BASE_HASH or TOK_HASH when the file names another base or tokenizer than the caller has. */
int adapter_expect_check(const struct adapter_info *info, const struct adapter_expect *x, const char *path,
                         struct err *e);
/* TOKEN_RANGE unless every invocation token is one of the model's. */
int adapter_invocation_check(const struct adapter_info *info, const struct model_config *m, const char *path,
                             struct err *e);

#endif
