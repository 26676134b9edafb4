/* Models and adapters of random weights, to measure speed with. */
#ifndef TERSE_INFER_BENCH_MODEL_H
#define TERSE_INFER_BENCH_MODEL_H

#include "infer/loaded.h"

/* A model of a named shape (model_config_named), without a tokenizer; bf16 where o->dtype is LOAD_AUTO, and
 * o->model and o->adapter are not looked at. After an error *l is empty: KEY_UNKNOWN, NOMEM, those of
 * loaded_weights. */
int bench_model_random(struct loaded *l, const char *shape, const struct load_options *o, struct err *e);
/* The same of any shape. */
int bench_model_of(struct loaded *l, const struct model_config *c, const struct load_options *o,
                   struct err *e);
/* An adapter on all seven products for a model that has none, neither A nor B zero. Errors: those of
 * adapter_create and lora_create. */
int bench_adapter_random(struct loaded *l, uint32_t rank, struct err *e);
/* How its layers' weights are kept: "bf16", "q4_0", "q4_0a8" with 8-bit activations. Static. */
const char *bench_type_name(const struct model *m);

#endif
