/* The value head: what reward is to be expected from here, v = w . x + b of the state x that the output head
 * reads; and its own AdamW without decay. */
#ifndef TERSE_RL_VALUE_H
#define TERSE_RL_VALUE_H

#include "infer/err.h"

#include <stdint.h>

struct value_head {
    uint32_t width;
    int64_t step;        /* of its optimiser */
    float *weight;       /* [width + 1] w, then b */
    float *m, *v, *grad; /* [width + 1] each */
};

/* All zero: it expects nothing. Errors: NOMEM. */
int value_create(struct value_head *h, uint32_t width, struct err *e);
void value_free(struct value_head *h);

float value_of(const struct value_head *h, const float *x);
/* Adds d times the gradient of the value at x. */
void value_add(struct value_head *h, const float *x, float d);
/* One step down the gradient, clipped to norm 1, which is then zero again. Errors: NONFINITE; nothing changed
 * then. */
int value_step(struct value_head *h, double rate, struct err *e);

/* Writes w and b as TRL and LLaMA-Factory do beside an adapter: tensors v_head.summary.weight [1][width] and
 * v_head.summary.bias [1], F32. Errors: those of safetensors_save; the old file is then untouched. */
#define VALUE_FILE "value_head.safetensors"
int value_save(const char *path, const struct value_head *h, struct err *e);

#endif
