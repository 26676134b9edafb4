/* AdamW with clipping, the learning-rate schedule, and the sum of gradients.
 *
 * Gradients of a step's rows are summed pairwise in one fixed binary tree over the rows, so that how rows are
 * grouped into micro-batches (or, in powers of two, over ranks) cannot change a bit of the sum. */
#ifndef TERSE_TRAIN_OPTIM_H
#define TERSE_TRAIN_OPTIM_H

#include "train/trainee.h"

struct optim_config {
    double learning_rate, weight_decay, beta1, beta2, eps;
    double max_grad_norm; /* 0: no clipping */
    enum { SCHEDULE_COSINE, SCHEDULE_LINEAR, SCHEDULE_CONSTANT } schedule;
    uint64_t warmup_steps, total_steps;
};

/* Learning rate of step s (from 0), as transformers' get_*_schedule_with_warmup: step 0 of a warm-up has 0.
 */
double schedule_rate(const struct optim_config *c, uint64_t step);

struct optim {
    struct optim_config c;
    struct trainee *t; /* borrowed */
    uint64_t step;     /* steps taken */
    float *m, *v;      /* [count] */
    float *leaf;       /* [count] gradient of the row being run; after optim_sum, of the whole step */
    float **level;     /* [levels] partial sums of 2^i rows each */
    uint32_t levels;
    uint64_t rows;   /* summed so far in this step */
    double *partial; /* scratch of optim_norm: sums of squares, block by block */
    struct arena arena;
};

/* Bytes of state and gradients for steps of up to `rows` rows. */
uint64_t optim_plan(uint64_t count, uint32_t rows);
int optim_create(struct optim *o, const struct optim_config *c, struct trainee *t, uint32_t rows,
                 struct err *e);
void optim_free(struct optim *o);

/* Before a row: the leaf, zeroed. */
float *optim_leaf(struct optim *o);
/* After a row: folds the leaf into the tree. */
void optim_fold(struct optim *o);
/* After the last row: the step's gradient (also o->leaf), the tree is empty again. */
float *optim_sum(struct optim *o);

/* L2 norm of the summed gradient; NaN or infinity when it holds one. */
double optim_norm(struct optim *o);
/* Takes the step: clipped to max_grad_norm, learning rate of the schedule; weights and panels are updated.
 * Errors: NONFINITE, naming the tensor; then nothing changed. *rate, *norm: what was used. */
int optim_step(struct optim *o, double *rate, double *norm, struct err *e);

#endif
