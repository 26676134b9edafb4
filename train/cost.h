/* Multiplications and additions of training, counted as the code runs them: what stands before a document's
 * first adapted token goes through the base once and is never visited backwards; gradients of weights are
 * taken of what is trained only. Norms, softmax and the optimiser are not products and not counted. */
#ifndef TERSE_TRAIN_COST_H
#define TERSE_TRAIN_COST_H

#include "infer/adapter.h"
#include "train/tape.h"

/* Whose work: a model with an adapter, or (rank 0) trained as a whole. */
struct cost_model {
    const struct model_config *m;
    uint32_t rank, targets;
    enum recompute recompute;
};

struct cost {
    double prompt;   /* the base alone, before the adapter acts */
    double forward;  /* with a tape; without the head */
    double head;     /* logits, forward */
    double again;    /* of forward, what recompute repeats */
    double backward; /* gradients of activations, the head's included */
    double weights;  /* gradients of weights: products in fp32, by OpenBLAS */
};

/* Adds a document of n tokens that is taped from token `from` on and has `labels` of its tokens learned,
 * `times` times. Gradients of a frozen base's weights are not wanted and not counted. */
void cost_add(struct cost *sum, const struct cost_model *c, double n, double from, double labels,
              double times);
/* All of it. */
double cost_total(const struct cost *c);

#endif
