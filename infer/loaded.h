/* A model ready to answer: threads, weights in panels, tokenizer, adapter. What a file or folder becomes,
 * whoever read it: load_gguf here, checkpoints/load.h for Hugging Face's folders too. */
#ifndef TERSE_INFER_LOADED_H
#define TERSE_INFER_LOADED_H

#include "infer/gguf_model.h"
#include "infer/head.h"
#include "infer/lora.h"
#include "infer/model.h"

/* The type of products, or of weights quantised at load in a bf16 model; the choices of a command's --dtype
 * in this order. */
enum load_dtype { LOAD_AUTO, LOAD_BF16, LOAD_FP32, LOAD_Q8_0, LOAD_Q4_0, LOAD_W4, LOAD_DTYPE_COUNT };
#define LOAD_COMPUTE_DTYPES   "auto|bf16|fp32"
#define LOAD_QUANTISED_DTYPES "q8_0|q4_0|w4"
#define LOAD_DTYPES           LOAD_COMPUTE_DTYPES "|" LOAD_QUANTISED_DTYPES

struct load_options {
    const char *model; /* GGUF file (or what else the loader reads); its label when `file` is given */
    const void *file;  /* [file_bytes] a GGUF file in memory, or NULL */
    size_t file_bytes;
    const char *adapter;           /* the same, or NULL */
    const char *heads[HEAD_TASKS]; /* GGUF files of heads (or what else the loader reads), or NULL */
    enum load_dtype dtype;         /* LOAD_AUTO: the model's own */
    bool act8;                     /* 8-bit activations (model_use_act8) */
    unsigned threads;              /* 0: one a processor */
    uint32_t context;              /* longest sequence; 0, or more than the model's: the model's */
    uint64_t memory;               /* bytes that weights and tables may take; 0: no limit */
    bool digests;                  /* fill both digests, which may mean reading all weights once more */
};

struct base; /* checkpoints/base.h */

struct loaded {
    struct pool *pool;
    struct base *base; /* the folder or file while it is open; NULL once all is loaded */
    struct tokenizer *tokenizer;
    struct model *m;
    struct adapter *adapter;       /* NULL: none */
    struct lora *lora;             /* NULL: none */
    struct adapter_info info;      /* of the adapter */
    bool cold;                     /* the adapter changes nothing: every B is zero */
    struct head *head[HEAD_TASKS]; /* NULL: none */
    char digest_base[GGUF_DIGEST], digest_tokenizer[GGUF_DIGEST]; /* "" unknown, or nobody asked */
};

/* How the weights of a model are kept whose own type of products is `own`. */
enum weight_type load_weight_type(enum load_dtype t, enum dtype own);

/* Copies the weights into panels as `o` says (dtype, act8, context); l has its pool. own: the file's type of
 * products. Errors: PREFLIGHT_MEM, those of model_create and model_use_act8. */
int loaded_weights(struct loaded *l, const struct model_config *c, const struct tensor *const *bound,
                   enum dtype own, const struct load_options *o, struct err *e);

/* Everything from GGUF files, each closed again: what is left is one copy of the weights. An adapter must
 * name this base and this tokenizer if both files name any. After an error *l is empty. Errors: NOT_REGULAR
 * (a folder, with what to do about it), those of gguf_model_open, gguf_tokenizer, loaded_weights,
 * load_gguf_adapter, gguf_heads_load, loaded_heads_check. */
int load_gguf(struct loaded *l, const struct load_options *o, struct err *e);
/* Bytes that load_gguf would take for weights and tables. Errors: those of gguf_model_open. */
int load_gguf_plan(uint64_t *bytes, const struct load_options *o, struct err *e);
/* The adapter alone, for a model that has none: fills adapter (its weights are dropped once they are in
 * panels), lora, info and cold. After an error these are as they were. Errors: NOT_REGULAR, those of
 * gguf_adapter_load, lora_create. */
int load_gguf_adapter(struct loaded *l, const char *path, struct err *e);

/* Whether heads that were loaded belong to the model and adapter of l, and to a base and tokenizer of these
 * digests (NULL: unknown), as far as files say. Errors: those of head_check. */
int loaded_heads_check(const struct loaded *l, const char *base, const char *tokenizer, const char *path,
                       struct err *e);

/* Heads that have been read join l, in place of those it has for the same tasks. */
void loaded_heads_take(struct loaded *l, struct head *more[HEAD_TASKS]);
/* The heads of a file, beside those there are or instead of them, for a model, and an adapter if it has one,
 * that are loaded. Errors: those of gguf_heads_load and loaded_heads_check. */
int load_gguf_heads(struct loaded *l, const char *path, struct err *e);

/* Frees what there is and zeroes *l; base is closed by who opened it. */
void loaded_clear(struct loaded *l);

#endif
