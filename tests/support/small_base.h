/* A base with random weights and nano's tokenizer, and adapters for it, as folders a user would have. */
#ifndef TERSE_TESTS_SMALL_BASE_H
#define TERSE_TESTS_SMALL_BASE_H

#include "checkpoints/load.h"

/* 2 layers, width 64, 1024 tokens of vocabulary unless said otherwise, bf16, context 512. Fails the test on
 * error. */
void small_base(const char *dir, uint32_t vocab, uint64_t seed);
/* An adapter of rank 8 with random A and B, saved as if trained on that base. */
void small_adapter(const char *dir, const char *base, enum lora_gate gate, uint64_t seed);

#endif
