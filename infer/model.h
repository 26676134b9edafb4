/* A model in memory: weights repacked once into panels, the only copy; decode, prefill and the backward pass
 * all read it. Immutable during a forward pass; the trainer may rewrite weights between passes. */
#ifndef TERSE_INFER_MODEL_H
#define TERSE_INFER_MODEL_H

#include "infer/arena.h"
#include "infer/config.h"
#include "infer/params.h"
#include "infer/pool.h"
#include "kernels/kernels.h"

#include <stdbool.h>

/* A weight matrix [n][k] in panels (kernels/weights.h). */
struct weight {
    enum weight_type type;
    int64_t n, k;
    void *panels;
};

struct model {
    struct model_config c;
    struct kernels kern;
    struct pool *pool;     /* borrowed */
    enum weight_type type; /* WT_F32 or WT_BF16: of activations in products, adapters and the KV cache */
    bool act8;             /* products with quantised weights take 8-bit activations: inference only */
    bool all_act8;         /* all products do */
    uint32_t context;      /* longest sequence: rows of the rotary tables */
    struct weight *mat;    /* [params_slots]: PARAM_MATRIX and PARAM_EMBED */
    float **vec;           /* [params_slots]: PARAM_BIAS and PARAM_NORM, fp32 */
    float *cos, *sin;      /* [context][head_dim / 2] */
    struct arena arena;    /* owns all of the above but the pool */
};

/* The type in which a matrix is kept that a file has as `given`: as wanted; but where WT_BF16 is wanted,
 * quantised ones keep their own. */
enum weight_type model_weight_type(enum weight_type wanted, enum dtype given);

/* Bytes model_create takes. */
uint64_t model_plan(const struct model_config *c, enum weight_type type, uint32_t context,
                    const struct tensor *const *bound);

/* Copies the bound tensors (params_bind) into panels. type: WT_F32 and WT_BF16 choose how the model computes,
 * and tensors may be of any type: quantised ones are repacked without rounding in a bf16 model and become
 * their exact values in an fp32 one. WT_Q8_0, WT_Q4_0, WT_W4: a bf16 model whose matrices, the embedding
 * included, are quantised to this type now (kernels/quant.h); norms and biases stay fp32. The tensors are not
 * needed afterwards. context: 0 for max_positions. cpu_flags: cpu_detect(). Errors: NOMEM, CFG_*, CTX_FULL,
 * GG_BLOCK (a width that is no multiple of 32 cannot be quantised). */
int model_create(struct model **out, const struct model_config *c, enum weight_type type, uint32_t context,
                 const struct tensor *const *bound, struct pool *pool, unsigned cpu_flags, struct err *e);
void model_free(struct model *m);

/* Quantises activations to 8 bits, in groups of 32, where they meet a quantised weight: faster on processors
 * with 8-bit dot products, and less exact. Before any workspace is planned; never for training, nor to sample
 * for it. Error: DTYPE when no weight is quantised. */
int model_use_act8(struct model *m, struct err *e);

/* Weight and vector of a parameter. */
static inline const struct weight *model_mat(const struct model *m, enum param p, uint32_t layer)
{
    return &m->mat[params_slot(&m->c, p, layer)];
}
static inline const float *model_vec(const struct model *m, enum param p, uint32_t layer)
{
    return m->vec[params_slot(&m->c, p, layer)];
}
/* The matrix that makes logits: the head, or the embedding when tied. */
const struct weight *model_head(const struct model *m);

/* Rewrites one parameter from fp32 values [rows][cols] (dense training after each step). */
void model_set(struct model *m, uint32_t slot, const float *values);

/* Packs a row-major matrix (F32, BF16, F16, or quantised blocks) into w->panels, on all threads. */
void weight_pack(const struct model *m, struct weight *w, const void *rows, enum dtype dtype);

#endif
