/* The tokenizer of a Hugging Face folder. FORMATS: tokenizer.json (merges as strings or as pairs), or
 * vocab.json
 * + merges.txt + tokenizer_config.json, as Qwen2 and Qwen2.5 publish them. */
#ifndef TERSE_CHECKPOINTS_HF_TOKENIZER_H
#define TERSE_CHECKPOINTS_HF_TOKENIZER_H

#include "checkpoints/sha256.h"
#include "infer/tokenizer.h"

/* Reads dir/tokenizer.json, else dir/vocab.json and dir/merges.txt (then tokenizer_config.json must be there
 * and name Qwen2Tokenizer). End-of-text ids: generation_config.json, else config.json, else
 * tokenizer_config.json's eos_token. The chat template (tokenizer_config.json or chat_template.jinja) must be
 * a known ChatML one; its default system turn goes with the tokenizer. Added tokens match in the text as
 * given, before normalisation.
 *
 * embedding_rows: of the model, or 0 if unknown. *out is the caller's to tokenizer_free; NULL after an error.
 * Errors: js_load's, tokenizer_create's, TOK_ROOT, TOK_VERSION, TOK_UNSUPPORTED, TOK_VOCAB, TOK_ID,
 * TOK_DUP_ID, TOK_HOLE, TOK_ALPHABET, TOK_MERGE, TOK_PATTERN, TOK_DROPOUT, TOK_EMBED, TOK_SPECIAL (an id or
 * token that a config names is not in the vocabulary), TOK_CONFLICT (vocab.json and tokenizer.json disagree,
 * or two chat templates do), TPL_UNKNOWN, FIELD_MISSING, FIELD_TYPE, FIELD_RANGE. */
int hf_tokenizer_load(struct tokenizer **out, const char *dir, int64_t embedding_rows, struct err *e);

/* The same from the bytes of a tokenizer.json alone: no end-of-text ids, no default system turn. `what` names
 * them in messages. */
int hf_tokenizer_parse(struct tokenizer **out, const char *what, const char *json, size_t len,
                       int64_t embedding_rows, struct err *e);

/* The text of the folder's chat template, *n bytes and a NUL, the caller's to free; NULL when there is none.
 * Errors: js_load's, those of file_load. */
int hf_template_text(char **text, size_t *n, const char *dir, struct err *e);

/* Copies the tokenizer's files (not the configs of the model) from folder to folder, those that are there. */
int hf_tokenizer_copy(const char *from, const char *to, struct err *e);

/* SHA-256 over everything that decides ids: tokens, kinds, merges, normalisation. */
int tokenizer_digest(const struct tokenizer *t, char hex[SHA256_HEX], struct err *e);

#endif
