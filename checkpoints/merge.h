/* An adapter folded into its base: W + scale * B A, as an ordinary Hugging Face folder. Without an adapter:
 * the base itself, in another type. */
#ifndef TERSE_CHECKPOINTS_MERGE_H
#define TERSE_CHECKPOINTS_MERGE_H

#include "checkpoints/base.h"
#include "infer/adapter.h"

/* Writes weights and configs to `dir` (made if need be), the matrices as F32 or BF16 (rounded to nearest
 * even). a may be NULL. Sums are fp32, one row of a matrix in memory at a time. What a gate kept apart is now
 * everywhere: the adapter acts on the prompt too. Errors: those of hf_save_model, NOMEM, NONFINITE, CHANGED
 * (the base's files changed meanwhile). */
int merge_save(const char *dir, const struct base *base, const struct adapter *a, enum dtype dtype,
               struct err *e);

#endif
