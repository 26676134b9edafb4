/* What is trained, seen as one flat vector of fp32 master weights: an adapter, or every weight of the model.
 * The optimiser, the gradient sum and the saved state know nothing else. */
#ifndef TERSE_TRAIN_TRAINEE_H
#define TERSE_TRAIN_TRAINEE_H

#include "infer/adapter.h"
#include "infer/lora.h"
#include "train/backward.h"

/* A stretch of the vector: one tensor. */
struct trainee_part {
    char name[96];      /* as it is saved: PEFT's or Hugging Face's name */
    uint64_t at, count; /* floats */
    int decays;         /* weight decay applies (matrices, not biases and norms) */
    uint32_t slot;      /* params_slot; dense only */
};

struct trainee {
    struct model *m;         /* borrowed; rewritten by trainee_refresh when dense */
    struct adapter *adapter; /* borrowed; NULL when dense */
    struct lora *lora;       /* borrowed; NULL when dense */
    uint64_t count;          /* floats of the vector */
    float *weights;          /* [count]: adapter->weights, or owned */
    struct trainee_part *part;
    uint32_t parts;
    int owns;
};

/* The adapter's weights; `lora` is its packed form, repacked by trainee_refresh. Errors: NOMEM. */
int trainee_init_adapter(struct trainee *t, struct model *m, struct adapter *a, struct lora *l,
                         struct err *e);
/* All weights of the model, starting from the bound tensors (F32 or BF16). Errors: NOMEM, DTYPE. */
int trainee_init_dense(struct trainee *t, struct model *m, const struct tensor *const *bound, struct err *e);
void trainee_clear(struct trainee *t);

/* Floats a dense trainee of this shape has. */
uint64_t trainee_dense_count(const struct model_config *c);

/* Puts the weights into the panels that the forward pass reads. */
void trainee_refresh(struct trainee *t);

/* The view of a flat gradient vector that the backward pass writes through. dense_slots: [params_slots]
 * scratch owned by the caller, used when dense. */
struct grads trainee_grads(const struct trainee *t, float *flat, float **dense_slots);

#endif
