/* The keys of the files that gguf_save.h writes: for gguf_*.c of this folder only. */
#ifndef TERSE_CHECKPOINTS_GGUF_KEYS_H
#define TERSE_CHECKPOINTS_GGUF_KEYS_H

#include "checkpoints/gguf_save.h"

void gguf_keys_model(struct gguf_keys *k, const struct base *b, const struct tokenizer *t,
                     const struct gguf_model_options *o, const char *base_digest,
                     const char *tokenizer_digest);
/* Tokens up to row `rows` of the embedding: those without a token are called [PADn] and are of the unused
 * kind. */
void gguf_keys_tokenizer(struct gguf_keys *k, const struct model_config *c, const struct tokenizer *t,
                         const char *chat_template, size_t n);
void gguf_keys_adapter(struct gguf_keys *k, const struct adapter *a, const struct adapter_info *info);

#endif
