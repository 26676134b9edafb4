/* An adapter in a GGUF file, as llama.cpp has them: general.type "adapter", adapter.type "lora",
 * adapter.lora.alpha, tensors blk.N.attn_q.weight.lora_a [R][in] and .lora_b [out][R]; scale = alpha / R.
 * aLoRA's invocation tokens are adapter.alora.invocation_tokens. llama.cpp knows no rsLoRA: alpha * sqrt(R)
 * stands there.
 *
 * Keys of our own, which other programs pass over:
 *   terse.gate            assistant | response | all; absent: assistant with invocation tokens, else all
 *   terse.alpha, terse.rslora  what the adapter was trained with: f64, and whether its scale is alpha /
 * sqrt(R)
 *   terse.base, terse.tokenizer  digests of what it was trained on; absent: unknown
 *   terse.adapter              its own digest, by which heads that read its states know it */
#ifndef TERSE_INFER_GGUF_ADAPTER_H
#define TERSE_INFER_GGUF_ADAPTER_H

#include "infer/adapter_match.h"
#include "infer/gguf.h"

/* blk.N.attn_q.weight.lora_a */
extern const struct adapter_naming gguf_adapter_naming;

/* Loads the adapter in the file `path` for a model of shape `m`. *out is the caller's (adapter_free), NULL
 * after an error; *info is filled. *cold (may be NULL) is set when every B is zero. x may be NULL. Types F32,
 * F16 and BF16, one for all tensors. Errors, each naming the file, key or tensor: those of gguf_open,
 * adapter_match, adapter_fill and adapter_config_check, AD_TYPE (no LoRA adapter, or of another
 * architecture), AD_ALPHA, FIELD_MISSING, FIELD_TYPE, FIELD_RANGE, TOKEN_RANGE, BASE_HASH, TOK_HASH, AD_COLD
 * (strict), CHANGED, NOMEM. */
int gguf_adapter_load(struct adapter **out, struct adapter_info *info, bool *cold, const char *path,
                      const struct model_config *m, const struct adapter_expect *x, struct err *e);
/* The same for a file that is open already. */
int gguf_adapter_read(struct adapter **out, struct adapter_info *info, bool *cold, const struct gguf *g,
                      const struct model_config *m, const struct adapter_expect *x, struct err *e);

#endif
