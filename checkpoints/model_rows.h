/* The rows of a model's matrices in fp32, one by one, whatever type they have on disk; with an adapter folded
 * in: W + scale * B A. */
#ifndef TERSE_CHECKPOINTS_MODEL_ROWS_H
#define TERSE_CHECKPOINTS_MODEL_ROWS_H

#include "checkpoints/base.h"
#include "infer/adapter.h"

struct model_rows {
    const struct base *base;
    const struct adapter *a; /* or NULL */
};

/* Row r of a slot (element r of a vector) -> row [cols]. Sums are fp32, k ascending. */
void model_row(const struct model_rows *m, uint32_t slot, uint64_t r, float *row);
/* Does the adapter change this slot? */
bool model_row_adapted(const struct model_rows *m, uint32_t slot);
/* NONFINITE, naming the tensor and place, when a merged row is not finite. */
int model_row_check(const struct model_rows *m, uint32_t slot, uint64_t r, const float *row, struct err *e);

#endif
