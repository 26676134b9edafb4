/* A model in an ordinary Hugging Face folder: config.json, generation_config.json (optional), and the weights
 * in model.safetensors or in the shards that model.safetensors.index.json names.
 *
 * A shard's name in the index must be a plain file name. It may be a symbolic link only to a file inside the
 * folder, or, for a snapshot in Hugging Face's cache (.../snapshots/REVISION), inside the cache's own blobs.
 */
#ifndef TERSE_CHECKPOINTS_HF_MODEL_H
#define TERSE_CHECKPOINTS_HF_MODEL_H

#include "checkpoints/sha256.h"
#include "infer/params.h"

#include <stddef.h>

struct safetensors;

enum { HF_DIGEST_WHOLE = 64 << 20 }; /* models up to so many bytes of weights are digested whole */

struct hf_model {
    struct model_config config;
    const struct tensor **bound; /* [params_slots(&config)], as params_bind makes it */
    enum dtype dtype;            /* of the matrices: F32 or BF16 */
    uint64_t bytes;              /* of all tensors */
    uint64_t claimed;            /* the same as the index says, UINT64_MAX when it does not */

    struct tensor *tensors; /* every tensor of every shard; data lies in the maps */
    size_t n;
    struct safetensors **shards;
    size_t n_shards;
    void **copies; /* of tensors that a file has at odd addresses, NULL-terminated */
};

/* Opens a folder: reads the configs, maps the weights, validates and binds them, and looks at every value.
 * *out is the caller's to close, and NULL after an error: those of hf_config_load, safetensors_open and
 * params_bind, PATH, SHARD_MISSING, SHARD_TENSOR, DUP_TENSOR, INDEX_SIZE, INDEX_TYPE, NONFINITE, CHANGED. */
int hf_model_open(struct hf_model **out, const char *dir, struct err *e);
/* NULL is fine. The tensors are gone afterwards. */
void hf_model_close(struct hf_model *m);

/* 0 when no file changed since it was opened, else ERR_CHANGED. Call it after the weights were copied
 * (model_create): a file cut short meanwhile has made zeros of them. */
int hf_model_intact(const struct hf_model *m, struct err *e);

/* SHA-256 over the shape of the model and, slot by slot, each tensor's name, dtype, shape and bytes: the same
 * for any way of sharding. Of models above HF_DIGEST_WHOLE bytes, sixteen evenly spaced pieces of 4 KiB stand
 * for each tensor: enough to tell models and fine-tunes apart, not to find a flipped bit. Errors: NOMEM. */
int hf_model_digest(const struct hf_model *m, char hex[SHA256_HEX], struct err *e);
/* The same of tensors from elsewhere, under Hugging Face's names. */
int model_digest(const struct model_config *c, const struct tensor *const *bound, char hex[SHA256_HEX],
                 struct err *e);

#endif
