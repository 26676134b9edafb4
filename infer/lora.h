/* An adapter ready for the forward pass: its matrices in panels of the model's type.
 * y += B (scale * A x); the second product continues the base product's chains. */
#ifndef TERSE_INFER_LORA_H
#define TERSE_INFER_LORA_H

#include "infer/adapter.h"
#include "infer/model.h"

struct lora {
    uint32_t rank;
    float scale;
    uint32_t targets;     /* bit 1 << enum lora_target */
    struct weight *a, *b; /* [L][LORA_TARGETS]; panels NULL where not adapted. A [R][in], B [out][R] */
    struct arena arena;
};

uint64_t lora_plan(const struct model *m, const struct adapter_config *c);
/* Packs the adapter for this model. Errors: NOMEM, AD_SHAPE when it was made for another shape. */
int lora_create(struct lora **out, const struct model *m, const struct adapter *a, struct err *e);
void lora_free(struct lora *l);
/* Packs the weights again, after a training step. */
void lora_refresh(struct lora *l, const struct model *m, const struct adapter *a);

static inline const struct weight *lora_a(const struct lora *l, uint32_t layer, enum lora_target t)
{
    return &l->a[layer * LORA_TARGETS + t];
}
static inline const struct weight *lora_b(const struct lora *l, uint32_t layer, enum lora_target t)
{
    return &l->b[layer * LORA_TARGETS + t];
}

#endif
