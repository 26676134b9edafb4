/* The quantiser: rows of fp32 to the types a file may have.
 *
 * Round to nearest is ggml's reference, bit for bit (kernels/quant.h). The L2 range search tries scales
 * around it, of both signs, refits the best by least squares, and keeps whichever has the smallest sum of
 * squared errors: for each block of 32, for W4 over the row. It is never worse than round to nearest. (The
 * idea is that of MSE calibration, Nagel et al. 2021, section 3.1; ggml's make_qx_quants is a relative.) */
#ifndef TERSE_CHECKPOINTS_QUANT_H
#define TERSE_CHECKPOINTS_QUANT_H

#include "infer/tensor.h"

enum quant_method { QUANT_RTN, QUANT_L2 };
#define QUANT_METHODS "rtn|l2"

/* One row x [k] -> out, as type `to`: F32, BF16, F16, and where k is a multiple of 32 Q8_0, Q4_0, W4. */
void quant_row(enum dtype to, enum quant_method method, const float *x, uint64_t k, void *out);

/* How far rows are from what they were. */
struct quant_error {
    double error2, value2; /* sums of squares */
    double worst;          /* largest |error| */
};
void quant_error_row(struct quant_error *q, const float *before, const float *after, uint64_t k);
void quant_error_add(struct quant_error *q, const struct quant_error *other);
/* sqrt(sum of squared errors / sum of squares); 0 where there is nothing. */
double quant_error_relative(const struct quant_error *q);

#endif
