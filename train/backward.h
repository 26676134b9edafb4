/* The backward pass: from the gradient of the last residual to the gradients of the weights.
 * Every function here is the derivative of the function of the same name in infer/. */
#ifndef TERSE_TRAIN_BACKWARD_H
#define TERSE_TRAIN_BACKWARD_H

#include "train/tape.h"

/* Where gradients are added. Either part may be NULL. */
struct grads {
    float *adapter; /* [adapter->count], laid out as the adapter's weights */
    float **dense;  /* [params_slots]: each [rows][cols] fp32, or NULL for a slot */
};

/* A product's backward pass transposes this many panels of this depth at a time (matmul_back.c). */
enum { BACK_PANELS = 4, BACK_DEPTH = 512 };

/* Scratch of the backward pass for chunks of up to max_rows rows and sequences of up to max_tokens. */
struct back {
    int64_t max_rows;       /* rows of a chunk */
    int64_t rows;           /* T: taped rows */
    float *dx;              /* [T][D]: gradient of the residual, in place from layer to layer */
    float *dq, *dout;       /* [T][H][K]: of the queries; of attention's output */
    float *dk, *dv;         /* [T][G][K] */
    float *in;              /* [chunk][max k]: a product's input, as the product took it */
    float *dn;              /* [chunk][D]: of a norm's output */
    float *g, *u, *dg, *du; /* [chunk][F] */
    float *mid, *dmid;      /* [chunk][R]: the adapter's middle and its gradient */
    float *drop;            /* [chunk][max k]: dropped-out input; gradient before the mask */
    void *act, *act_mid;    /* packed gradients */
    char *thread;           /* [threads][thread_bytes] private scratch */
    size_t thread_bytes;
    struct arena arena;
};

uint64_t back_plan(const struct model *m, uint32_t rank, int64_t rows, int64_t chunk, uint32_t max_tokens);
int back_create(struct back *b, const struct model *m, uint32_t rank, int64_t rows, int64_t chunk,
                uint32_t max_tokens, struct err *e);
void back_free(struct back *b);

/* What one backward pass needs to know. */
struct back_pass {
    const struct adapter *adapter; /* layout of grads->adapter; NULL when dense */
    const struct pass *pass;       /* [passes]: the taped forward passes, in order */
    int64_t passes;
    struct tape *tape;
    struct workspace *w; /* for recompute */
    const struct grads *grads;
};

/* b->dx [T][D] in: gradient of tape->x_final. Out: gradient of the embedded tokens. Gradients of all layers
 * are added to *grads (and, when dense, the embedding's rows). */
void backward(const struct back_pass *p, struct back *b);

/* ---- pieces
 * ------------------------------------------------------------------------------------------------- */

/* out [rows][ldo] (+)= act [rows][ldx] (packed, n elements a row) * w, for w [n][k]. */
void matmul_back(const struct model *m, struct back *b, const struct weight *w, int64_t rows, const void *act,
                 int64_t ldx, float *out, int64_t ldo, int accumulate);
/* c [m][n] += a [k][m]^T * b [k][n], on all threads in fixed tiles. */
void outer_add(struct pool *pool, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda,
               const float *b, int64_t ldb, float *c);
/* From b->dout and the tape to b->dq, dk, dv, for all segments of all passes. */
void attention_back(const struct back_pass *p, struct back *b, uint32_t layer);
size_t attention_back_scratch(const struct model *m, uint32_t max_tokens);

#endif
