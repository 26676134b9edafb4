/* Writes an ordinary Hugging Face folder of a Qwen2 model. */
#ifndef TERSE_CHECKPOINTS_HF_SAVE_H
#define TERSE_CHECKPOINTS_HF_SAVE_H

#include "checkpoints/safetensors.h"
#include "infer/config.h"

#include <stddef.h>
#include <stdint.h>

struct hf_save_options {
    uint64_t shard_bytes;   /* most bytes of a file; 0: 5e9, as Hugging Face does */
    safetensors_fill *fill; /* makes the data on the fly; NULL: it is at t[].data */
    void *ctx;
};

/* The tensors of a model in the order of its modules, with names, shapes and bytes but without data: what to
 * fill in, or to give to a `fill`. (*out)[*n] is one allocation, the caller's to free. Errors: NOMEM. */
int hf_tensor_list(struct tensor **out, size_t *n, const struct model_config *c, enum dtype dtype,
                   struct err *e);

/* Makes the folder if need be and writes the weights (model.safetensors, or shards and an index), then the
 * two configs. Each file is replaced whole; weights of the other layout are removed. t[n]: F32 or BF16, all
 * of the model's tensors. `o` may be NULL. Errors: PREFLIGHT_DISK, those of file_* and safetensors_save. */
int hf_save_model(const char *dir, const struct model_config *c, const struct tensor *t, size_t n,
                  const struct hf_save_options *o, struct err *e);

#endif
