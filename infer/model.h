/* A model in memory: weights repacked once into panels, the only copy; decode, prefill and the backward pass
 * all read it. Immutable during a forward pass; the trainer may rewrite weights between passes. */
#ifndef TERSE_INFER_MODEL_H
#define TERSE_INFER_MODEL_H

#include "infer/arena.h"
#include "infer/config.h"
#include "infer/params.h"
#include "infer/pool.h"
#include "kernels/kernels.h"

/* A weight matrix [n][k] in panels (kernels.h). */
struct weight {
    enum weight_type type;
    int64_t n, k;
    void *panels;
};

struct model {
    struct model_config c;
    struct kernels kern;
    struct pool *pool;     /* borrowed */
    enum weight_type type; /* of all matrices, activations in products, and the KV cache */
    uint32_t context;      /* longest sequence: rows of the rotary tables */
    struct weight *mat;    /* [params_slots]: PARAM_MATRIX and PARAM_EMBED */
    float **vec;           /* [params_slots]: PARAM_BIAS and PARAM_NORM, fp32 */
    float *cos, *sin;      /* [context][head_dim / 2] */
    struct arena arena;    /* owns all of the above but the pool */
};

/* Bytes model_create takes. */
uint64_t model_plan(const struct model_config *c, enum weight_type type, uint32_t context);

/* Copies the bound tensors (params_bind; F32 or BF16, in any mix) into panels of `type`. The tensors are not
 * needed afterwards. context: 0 for max_positions. cpu_flags: cpu_detect(). Errors: NOMEM, CFG_*, CTX_FULL.
 */
int model_create(struct model **out, const struct model_config *c, enum weight_type type, uint32_t context,
                 const struct tensor *const *bound, struct pool *pool, unsigned cpu_flags, struct err *e);
void model_free(struct model *m);

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

/* Packs a row-major fp32 or bf16 matrix into w->panels, on all threads. */
void weight_pack(const struct model *m, struct weight *w, const void *rows, enum dtype dtype);

#endif
