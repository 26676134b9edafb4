/* A model and its adapter without their weights: what plans of memory and counts of work look at. */
#ifndef TERSE_TRAIN_OUTLINE_H
#define TERSE_TRAIN_OUTLINE_H

#include "infer/lora.h"

struct outline {
    struct model m; /* every matrix has its type and shape, and no panels; arena.size: what they would take */
    struct lora lora;              /* likewise; rank 0 where there is no adapter */
    struct adapter_config adapter; /* rank 0: none */
    uint64_t trained;              /* floats of the adapter, or of all weights without one */
};

/* type, context: as model_create's. adapter: NULL for none. threads: as pool_create's (each has scratch).
 * After an error, too, *o is the caller's to outline_clear: NOMEM, CFG_*, those of adapter_config_check. */
int outline_create(struct outline *o, const struct model_config *c, enum weight_type type, uint32_t context,
                   const struct adapter_config *adapter, unsigned threads, struct err *e);
void outline_clear(struct outline *o);
/* The adapter's, or NULL. */
const struct lora *outline_lora(const struct outline *o);
const struct adapter_config *outline_adapter(const struct outline *o);

#endif
