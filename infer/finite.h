/* A look at every value of a tensor. */
#ifndef TERSE_INFER_FINITE_H
#define TERSE_INFER_FINITE_H

#include "infer/err.h"
#include "infer/tensor.h"

/* ERR_NONFINITE, naming the tensor and the element, when one is NaN or infinite. Types: F32, BF16, F16, F64,
 * and the quantised ones; the integer types are always fine, other types are ERR_DTYPE. Data may be
 * unaligned. */
int tensor_check_finite(const struct tensor *t, struct err *e);

#endif
