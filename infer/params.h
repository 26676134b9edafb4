/* The parameter table: every weight of the model, once. Loading, random initialisation, gradients, the
 * optimiser and saving all walk this table. */
#ifndef TERSE_INFER_PARAMS_H
#define TERSE_INFER_PARAMS_H

#include "infer/config.h"
#include "infer/tensor.h"

enum param_kind {
    PARAM_MATRIX, /* [rows][cols], a product's weight */
    PARAM_EMBED,  /* [V][D], looked up by token; the head too when tied */
    PARAM_BIAS,   /* [rows] */
    PARAM_NORM,   /* [rows], starts at 1 */
};

enum param {
    P_NORM1,
    P_Q,
    P_QB,
    P_K,
    P_KB,
    P_V,
    P_VB,
    P_O,
    P_NORM2,
    P_GATE,
    P_UP,
    P_DOWN, /* one each a layer */
    P_LAYER_COUNT,
    P_EMBED = P_LAYER_COUNT,
    P_NORM,
    P_HEAD, /* one each a model; P_HEAD absent when tied */
    P_COUNT
};

struct param_spec {
    const char *hf;   /* Hugging Face name; %u is the layer */
    const char *gguf; /* GGUF name; %u is the layer */
    enum param_kind kind;
    char rows, cols;    /* V D F, Q = H*K, G = G*K; cols 0 for vectors */
    const char *target; /* PEFT's target_modules name, or NULL when no adapter can sit here */
};

extern const struct param_spec params[P_COUNT];

/* Slots of a model: L * P_LAYER_COUNT + 3, of which P_HEAD's is unused when tied. */
uint32_t params_slots(const struct model_config *c);
/* Slot of a parameter; `layer` is ignored for model-wide ones. */
uint32_t params_slot(const struct model_config *c, enum param p, uint32_t layer);
/* The parameter and layer of a slot. */
enum param params_of_slot(const struct model_config *c, uint32_t slot, uint32_t *layer);
/* 1 if the model has this parameter (0 only for P_HEAD when tied). */
int params_has(const struct model_config *c, enum param p);
/* Sizes of a parameter; cols is 1 for vectors. */
void params_shape(const struct model_config *c, enum param p, uint64_t *rows, uint64_t *cols);
/* Whose names tensors have. */
enum params_names { PARAMS_HF, PARAMS_GGUF };

/* Writes the Hugging Face name of a slot to `name` (at least 96 bytes). */
void params_name(const struct model_config *c, uint32_t slot, char *name, size_t size);
void params_name_as(const struct model_config *c, enum params_names as, uint32_t slot, char *name,
                    size_t size);
/* The slot of a Hugging Face name, -1 if the model has no such tensor. lm_head.weight has one even when tied.
 */
int64_t params_find(const struct model_config *c, const char *name);
int64_t params_find_as(const struct model_config *c, enum params_names as, const char *name);

/* Binds tensors to slots by name, type and shape: bound[slot] is set to the tensor or NULL (only an absent
 * head of a tied model). Accepted types: under Hugging Face's names F32 and BF16, one for all matrices; under
 * GGUF's also F16 and, of matrices, the quantised ones, in any mix. A tied model may carry lm_head.weight if
 * it is byte-equal to the embedding. Errors: MODEL_MISSING, MODEL_SHAPE, MODEL_EXTRA, MODEL_TIE, DTYPE,
 * DUP_TENSOR, each naming the tensor. `bound` has params_slots(c) entries. */
int params_bind(const struct model_config *c, enum params_names as, const struct tensor *tensors, size_t n,
                const struct tensor **bound, struct err *e);

/* Random initial values of a slot, elements [first, first + n) in row-major order: norms 1, biases 0,
 * matrices normal with deviation c->init_std. Each is a function of (seed, slot, its place) alone. */
void params_random(const struct model_config *c, uint32_t slot, uint64_t seed, uint64_t first, float *out,
                   size_t n);

#endif
