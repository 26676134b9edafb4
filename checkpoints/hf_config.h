/* config.json and generation_config.json of a Hugging Face folder, read and written.
 *
 * Read are both generations of key names: torch_dtype or dtype; rope_theta with rope_scaling, or
 * rope_parameters {rope_theta, rope_type}. Unknown keys are ignored, as Hugging Face does. */
#ifndef TERSE_CHECKPOINTS_HF_CONFIG_H
#define TERSE_CHECKPOINTS_HF_CONFIG_H

#include "infer/config.h"
#include "infer/tensor.h"

/* Reads DIR/config.json and, if there is one, DIR/generation_config.json. Errors: those of JSON files;
 * CFG_TYPE (not qwen2, or a feature we do not have: scaled rotary positions, sliding windows, quantised
 * weights), CFG_HEADS, CFG_RANGE (a malformed number too), FIELD_MISSING, FIELD_TYPE, FIELD_RANGE,
 * TOKEN_RANGE. */
int hf_config_load(struct model_config *c, const char *dir, struct err *e);
/* The same for one config.json wherever it is; generation settings are the defaults. */
int hf_config_load_file(struct model_config *c, const char *path, struct err *e);
/* Of a shape: a file's where it ends in .json, else that of a name (model_config_named). */
int hf_config_shape(struct model_config *c, const char *shape, struct err *e);

/* ERR_CFG_VOCAB unless the embedding has a row for each of the tokenizer's `tokens` ids. */
int hf_config_check_vocab(const struct model_config *c, int64_t tokens, struct err *e);

/* Writes both files into an existing folder, as transformers 4 writes them (5 reads these too). */
int hf_config_save(const struct model_config *c, enum dtype dtype, const char *dir, struct err *e);

#endif
