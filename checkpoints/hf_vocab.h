/* tokenizer.json as a vocabulary: for hf_*.c only. */
#ifndef TERSE_CHECKPOINTS_HF_VOCAB_H
#define TERSE_CHECKPOINTS_HF_VOCAB_H

#include "checkpoints/json.h"
#include "infer/vocab.h"

/* The id in a JSON value; -1 when it is no integer: no token has that. */
int64_t hf_vocab_id(const struct js *id);
/* All of vocab{}: vocab_add for each member. */
int hf_vocab_add_all(struct vocab *v, const struct js *vocab, struct err *e);

/* tokenizer.json -> *v (initialised by this call, the caller frees it in any case). */
int hf_json_read(struct vocab *v, const struct js *root, const char *what, size_t bytes, int64_t rows,
                 struct err *e);

#endif
