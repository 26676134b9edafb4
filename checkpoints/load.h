/* Everything a command needs of a model, loaded in the one order in which it is checked: the folder, its
 * tokenizer, the weights in panels, an adapter that was made for exactly these. */
#ifndef TERSE_CHECKPOINTS_LOAD_H
#define TERSE_CHECKPOINTS_LOAD_H

#include "checkpoints/base.h"
#include "checkpoints/hf_tokenizer.h"
#include "checkpoints/peft.h"
#include "infer/lora.h"
#include "infer/model.h"

/* The type of products, or of weights quantised at load in a bf16 model; the choices of a command's --dtype
 * in this order. */
enum load_dtype { LOAD_AUTO, LOAD_BF16, LOAD_FP32, LOAD_Q8_0, LOAD_Q4_0, LOAD_W4 };
#define LOAD_COMPUTE_DTYPES   "auto|bf16|fp32"
#define LOAD_QUANTISED_DTYPES "q8_0|q4_0|w4"
#define LOAD_DTYPES           LOAD_COMPUTE_DTYPES "|" LOAD_QUANTISED_DTYPES

struct load_options {
    const char *model;     /* Hugging Face folder or GGUF file */
    const char *adapter;   /* PEFT folder or GGUF file, or NULL */
    enum load_dtype dtype; /* LOAD_AUTO: the model's own */
    bool act8;             /* 8-bit activations (model_use_act8) */
    unsigned threads;      /* 0: one a processor */
    uint32_t context;      /* longest sequence; 0, or more than the model's: the model's */
};

struct loaded {
    struct pool *pool;
    struct base *base; /* the folder or file, mapped; NULL after load_all */
    struct tokenizer *tokenizer;
    struct model *m;
    struct adapter *adapter;  /* NULL: none */
    struct lora *lora;        /* NULL: none */
    struct adapter_info info; /* of the adapter */
    bool cold;                /* the adapter changes nothing: every B is zero */
    char digest_base[SHA256_HEX], digest_tokenizer[SHA256_HEX]; /* "" where nobody asked */
};

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

/* Frees what there is and zeroes *l. */
void load_clear(struct loaded *l);

#endif
