/* The forward pass once more, in double and in plain loops, for one document at a time: what the fp32 code is
 * compared with, and what finite differences are taken of. */
#ifndef TERSE_TESTS_DOUBLE_MODEL_H
#define TERSE_TESTS_DOUBLE_MODEL_H

#include "infer/adapter.h"
#include "kernels/kernels.h"
#include "tests/support/random_model.h"

void double_rmsnorm(uint64_t d, double eps, const double *x, const double *w, double *y);
/* Half-split rotary embedding of x [heads][k] at position pos; angles are fp32 products, as in transformers.
 */
void double_rope(uint32_t k, uint32_t heads, double theta, uint32_t pos, double *x);
double double_silu_mul(double g, double u);
/* y [n] = w [n][k] x */
void double_product(uint64_t n, uint64_t k, const double *w, const double *x, double *y);
/* Causal attention of tokens first..n-1 over all: q, o [n][H][K]; k, v [n][G][K]. */
void double_attention(const struct model_config *c, uint32_t first, uint32_t n, const double *q,
                      const double *k, const double *v, double *o);
/* -log softmax(logits)[target] */
double double_nats(uint32_t v, const double *logits, int32_t target);

struct double_model {
    struct model_config c;
    double **param;              /* [params_slots]; NULL where the model has none */
    const struct adapter *shape; /* borrowed, or NULL */
    double *adapter;             /* [shape->count] */
    const struct kernels *kern;  /* whose dropout() makes the masks */
    float dropout;
    const uint64_t *key; /* [n] dropout key of each token; NULL: no dropout */
};

/* The weights of r and a (or NULL), copied. */
void double_model_init(struct double_model *d, const struct random_model *r, const struct adapter *a);
void double_model_clear(struct double_model *d);

/* Logits [n][V] of a document, the adapter acting from token adapt_from on. */
void double_model_logits(const struct double_model *d, const int32_t *ids, uint32_t n, uint32_t adapt_from,
                         double *logits);

#endif
