/* Training of a small head: one logit from one pooled vector of hidden states. Linear, or one hidden layer
 * with ReLU (Qualcomm 2026, sections 4 and 5: 8 hidden units for the switcher, none for the verifier).
 *
 *     z = (x - mean) / deviation + noise        mean, deviation: of the training rows, column by column
 *     logit = out . drop(relu(in z + bias)) + out_bias,      or, without hidden units, in . z + bias
 *     loss = mean over the batch of weight[label] * (log(1 + e^logit) - label * logit)
 *
 * Every random number is a function of (seed, epoch, row, place), every sum runs in one order: the same seed
 * gives the same bits for any number of threads. No BLAS: a batch is some 64 rows by 8 units, too little to
 * gain from it, and so the bits depend on nobody's library. */
#ifndef TERSE_TRAIN_HEAD_TRAIN_H
#define TERSE_TRAIN_HEAD_TRAIN_H

#include "infer/arena.h"
#include "infer/err.h"
#include "infer/head.h"

#include <stdbool.h>
#include <stdint.h>

struct pool;

/* Vectors and labels, all the caller's: row i is x + row * stride, row being pick[i], or i without pick. */
struct head_rows {
    const float *x;       /* [..][stride] */
    uint64_t stride;      /* floats from one row to the next, >= width */
    const uint8_t *label; /* [..] 0 or 1, by row */
    const uint32_t *pick; /* [n] or NULL */
    uint32_t n, width;
};

struct head_recipe {
    uint32_t hidden;                    /* 0: linear */
    double dropout;                     /* [0, 1) of the hidden units */
    double noise;                       /* sigma of the Gaussian added to z while training */
    double weight[2];                   /* of either label in the loss (head_balance) */
    double learning_rate, weight_decay; /* AdamW (0.9, 0.999, 1e-8); biases do not decay */
    uint32_t batch, epochs;
    uint32_t patience; /* stop after so many epochs without a better validation loss; 0: never */
    uint64_t seed;
};

/* hidden 8, dropout 0.2, noise 0.5, weights 1, rate 1e-3, decay 0.01, batch 64, 100 epochs, patience 15. */
extern const struct head_recipe head_recipe_defaults;

/* Weights that make either label count half: n / (2 n_label). ERR_DATA_EMPTY when a label has no row,
 * FIELD_RANGE for a label beyond 1. */
int head_balance(const struct head_rows *rows, double weight[2], struct err *e);

struct head_trainer {
    struct head_recipe c;
    struct pool *pool;     /* borrowed; NULL: the calling thread alone */
    uint32_t width, units; /* units: hidden, or 1 */
    uint64_t count, step;  /* parameters; optimiser steps taken */
    float *
        theta; /* [count] in [width][units], bias [units]; with hidden units also out [units], out_bias [1] */
    float *grad, *best;  /* [count] */
    double *m, *v;       /* [count] AdamW's moments */
    float *mean, *scale; /* [width] z = (x - mean) * scale; scale is 0 for a column that does not vary */
    /* of the batch last run */
    float *z;              /* [batch][width] with noise */
    float *h;              /* [batch][units] after ReLU and dropout; linear: the logit */
    float *mask;           /* [batch][units] 0 or 1 / (1 - dropout) */
    float *dh;             /* [batch][units] gradient by what enters ReLU; linear: by the logit */
    float *logit, *dlogit; /* [batch] */
    double *loss;          /* [batch] weighted, not yet divided */
    double *squares;       /* [blocks of columns + 1] of the gradient */
    struct arena arena;
};

/* Takes memory, mean and deviation of the training rows, and starting weights (He et al. 2015; zero when
 * linear). Errors: DATA_EMPTY (no rows, or one label only), FIELD_RANGE (a label, a setting), NONFINITE (a
 * column), NOMEM; *t is then empty. */
int head_trainer_create(struct head_trainer *t, const struct head_recipe *c, const struct head_rows *train,
                        struct pool *pool, struct err *e);
void head_trainer_free(struct head_trainer *t);

/* Loss (returned) and gradient (t->grad) of `n` <= batch training rows, those at order[0..n), with the noise
 * and dropout of `epoch`. */
double head_gradient(struct head_trainer *t, const struct head_rows *train, const uint32_t *order, uint32_t n,
                     uint32_t epoch);
/* One step of AdamW down t->grad. ERR_NONFINITE when the gradient is not finite; nothing changed then. */
int head_step(struct head_trainer *t, struct err *e);

/* What an epoch came to. */
struct head_epoch {
    uint32_t epoch;                /* from 0 */
    double train_loss, valid_loss; /* mean over the rows; the former with noise and dropout, as it learned */
    bool best;
};

struct head_outcome {
    uint32_t epochs, best_epoch; /* run; from 0 */
    double best_loss;            /* on the validation rows; without any, the last training loss */
};

/* Trains on `train` (that of head_trainer_create) until `epochs` or patience ends, and leaves the weights of
 * the epoch with the least loss on `valid` (NULL or empty: the last epoch's) in t->theta. `tell` (may be
 * NULL) hears of every epoch. Errors: NONFINITE, naming epoch and batch, before a weight has changed; NOMEM.
 */
int head_train(struct head_trainer *t, const struct head_rows *train, const struct head_rows *valid,
               void (*tell)(void *ctx, const struct head_epoch *epoch), void *ctx, struct head_outcome *out,
               struct err *e);

/* logits[rows->n], without noise and dropout. */
void head_logits(struct head_trainer *t, const struct head_rows *rows, float *logits);
/* Mean weighted loss of the rows, likewise. */
double head_loss(struct head_trainer *t, const struct head_rows *rows);

/* Copies what was learned into a head of the same hidden units and as many inputs, standardised
 * (infer/head.h), whose numbers it becomes. Columns that did not vary get the weight 0. */
void head_trainer_copy(const struct head_trainer *t, struct head *h);

#endif
