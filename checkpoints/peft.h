/* Adapters as PEFT keeps them: a folder with adapter_config.json and adapter_model.safetensors.
 *
 * Keys are base_model.model.model.layers.N.{self_attn,mlp}.T_proj.lora_{A,B}.weight; reading also takes them
 * without the base_model.model. in front and with PEFT's in-memory ".default" inside. A [R][in], B [out][R].
 *
 * What PEFT's config has no place for goes to the safetensors' __metadata__, free text that PEFT ignores:
 *   terse.version    "1"
 *   terse.gate       assistant | response | all
 *   terse.base       digest of the base model it was trained on ("" unknown)
 *   terse.tokenizer  digest of the tokenizer ("" unknown)
 *   terse.config     SHA-256 of the config's rank, alpha, rslora, targets and invocation tokens
 *   terse.data       SHA-256 of the five above and of every tensor's name, type, shape and bytes
 * A file with any of them must have all of them; a file without them comes from elsewhere and is taken as it
 * is. */
#ifndef TERSE_CHECKPOINTS_PEFT_H
#define TERSE_CHECKPOINTS_PEFT_H

#include "infer/adapter.h"

/* Loads the adapter in `dir` for a model of shape `m`. *out is the caller's (adapter_free), NULL after an
 * error; *info is filled. *cold (may be NULL) is set when every B is zero: the adapter changes nothing. The
 * gate comes from terse.gate, else assistant when there are invocation tokens, else all. Types F32, BF16 and
 * F16, one for all tensors. Errors, each naming the key or tensor: FILE_MISSING, those of JSON and
 * safetensors, AD_TYPE, AD_RANK, AD_ALPHA, AD_UNSUPPORTED, AD_TARGET, FIELD_TYPE, FIELD_RANGE, AD_SHAPE,
 * AD_PAIR, AD_KEY, AD_NOMATCH, AD_PARTIAL, DUP_TENSOR, DTYPE, PATH, NONFINITE, AD_NORM, AD_COLD (strict),
 * TOKEN_RANGE, BASE_HASH, TOK_HASH, HASH, VERSION, NOMEM. */
int peft_load(struct adapter **out, struct adapter_info *info, bool *cold, const char *dir,
              const struct model_config *m, const struct adapter_expect *x, struct err *e);

struct peft_save_options {
    enum dtype dtype; /* F32 or BF16 (rounded to nearest even) */
    bool force;       /* replace an adapter that is there */
};

/* Saves an adapter as PEFT would. `info` gives the base's name, the invocation tokens (with gate all there
 * must be none) and the digests. A new folder appears whole or not at all; in an existing one both files are
 * complete on disk before the first replaces its old self, weights first. After an error the folder is what
 * it was. Errors: EXISTS, NONFINITE, AD_NORM (naming the tensor), CFG_CONFLICT, DTYPE, PATH, NOMEM, ENOSPC,
 * EACCES, IO. */
int peft_save(const char *dir, const struct adapter *a, const struct adapter_info *info,
              const struct peft_save_options *o, struct err *e);

#endif
