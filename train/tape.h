/* Memory for what a forward pass keeps. Selective recompute trades it for time: what is not kept for every
 * layer lies in one slot that the backward pass fills again, by running the same forward code, layer by
 * layer. */
#ifndef TERSE_TRAIN_TAPE_H
#define TERSE_TRAIN_TAPE_H

#include "infer/forward.h"

enum recompute {
    RECOMPUTE_NONE,  /* everything is kept */
    RECOMPUTE_MLP,   /* gate and up are made again: 60 % of the tape of a Qwen2.5 layer */
    RECOMPUTE_LAYER, /* only each layer's input is kept */
};

struct tape {
    int64_t rows; /* capacity T */
    enum recompute recompute;
    struct layer_tape *layer; /* [L] */
    float *x_final;           /* [T][D] residual after the last layer */
    struct arena arena;
};

uint64_t tape_plan(const struct model *m, const struct lora *lora, int64_t rows, enum recompute r);
/* lora may be NULL (dense). Errors: NOMEM. */
int tape_create(struct tape *t, const struct model *m, const struct lora *lora, int64_t rows,
                enum recompute r, struct err *e);
void tape_free(struct tape *t);

#endif
