/* Tokenizers for tests: a small one made up here, and the real one of Qwen2.5 where ../shared/data has it. */
#ifndef TERSE_TESTS_SUPPORT_TINY_TOKENIZER_H
#define TERSE_TESTS_SUPPORT_TINY_TOKENIZER_H

#include "infer/tokenizer.h"

#include <stddef.h>

/* TINY_TOKENS tokens: 256 bytes (GPT-2's order, '!' = 0), one a merge, then the added ones at TINY_END.. :
 * <|endoftext|>, <|im_start|>, <|im_end|> (special) and <tool_call> (not). */
enum { TINY_MERGES = 24, TINY_END = 256 + TINY_MERGES, TINY_TOKENS = TINY_END + 4 };

/* The text of a sound tokenizer.json, *len bytes and a NUL; the caller's to free. Its merges are "a b" or,
 * with `pairs`, ["a", "b"]. Its vocab begins {"!": 0, "\"": 1, and its merges with h+e, l+l, he+ll. */
char *tiny_tokenizer_json(bool pairs, size_t *len);
/* The same as vocab.json and merges.txt. */
char *tiny_vocab_json(size_t *len);
char *tiny_merges_txt(size_t *len);
/* Its tokenizer_config.json; `chat_template` is put in as a JSON string, or left out when NULL. */
char *tiny_tokenizer_config(const char *chat_template, size_t *len);

/* The tokenizer itself. Fails the running test on any error. */
struct tokenizer *tiny_tokenizer(void);

/* A folder with Qwen2.5's tokenizer.json, vocab.json, merges.txt and configs, unpacked into the scratch
 * folder; NULL where ../shared/data is absent, after printing "skip: why". */
const char *qwen_folder(void);
/* Its tokenizer.json, loaded; or NULL as above. */
struct tokenizer *qwen_tokenizer(void);

#define QWEN_DATA "../shared/data/qwen2.5-tokenizer/"

#endif
