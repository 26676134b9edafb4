/* A model with random weights as a Hugging Face folder: for tests, benchmarks and training from scratch. */
#ifndef TERSE_CHECKPOINTS_HF_RANDOM_H
#define TERSE_CHECKPOINTS_HF_RANDOM_H

#include "infer/config.h"
#include "infer/pool.h"
#include "infer/progress.h"
#include "infer/tensor.h"

/* Writes DIR with the values of params_random, whatever the number of threads, as F32 or BF16, sharded at
 * `shard_bytes` (0: 5e9). Takes a few MB of memory for any size of model. `progress` (counting megabytes) may
 * be NULL. Errors: DTYPE, those of hf_save_model, INTERRUPTED after a signal (cli_interrupted). */
int hf_random_save(const char *dir, const struct model_config *c, enum dtype dtype, uint64_t seed,
                   uint64_t shard_bytes, struct pool *pool, struct progress *progress, struct err *e);

#endif
