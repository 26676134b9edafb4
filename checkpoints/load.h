/* Everything a command needs of a model, loaded in the one order in which it is checked: the folder, its
 * tokenizer, the weights in panels, an adapter that was made for exactly these. (infer/loaded.h does the same
 * for GGUF files alone.) */
#ifndef TERSE_CHECKPOINTS_LOAD_H
#define TERSE_CHECKPOINTS_LOAD_H

#include "checkpoints/base.h"
#include "checkpoints/hf_tokenizer.h"
#include "checkpoints/peft.h"
#include "infer/loaded.h"

/* All of it, and closes the maps: what is left is one copy of the weights. After an error *l is empty.
 * Errors: those of the steps below. */
int load_all(struct loaded *l, const struct load_options *o, struct err *e);

/* The same step by step, for who has something to check in between. *l starts zeroed; after an error,
 * load_clear. */

/* Threads, model and tokenizer. Errors: those of base_open and base_tokenizer, CFG_VOCAB (a token
 * without a row in the embedding). */
int load_folder(struct loaded *l, const struct load_options *o, struct err *e);
/* Fills both digests; l->base is open. */
int load_digests(struct loaded *l, struct err *e);
/* Copies the weights into panels. l->base stays open. Errors: those of model_create and
 * model_use_act8, CHANGED. */
int load_model(struct loaded *l, const struct load_options *o, struct err *e);
/* Loads the adapter at `path`, which must name this base and this tokenizer if it names any, and packs it.
 * l->base is open. Errors: those of peft_load and gguf_adapter_load, BASE_HASH and TOK_HASH among them. */
int load_adapter(struct loaded *l, const char *path, struct err *e);

/* Loads the heads in a file, safetensors or GGUF, beside those there are or instead of them; model and
 * adapter are loaded, l->base is open. Errors: those of head_file_load_any and loaded_heads_check. */
int load_heads(struct loaded *l, const char *path, struct err *e);

/* Frees what there is and zeroes *l. */
void load_clear(struct loaded *l);

#endif
