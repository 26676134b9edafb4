/* The fp32 products of the backward pass (weight gradients, attention), by OpenBLAS on the calling thread.
 * Row-major. Threads are ours: the library is told to use one, so the number of threads never changes a bit.
 */
#ifndef TERSE_TRAIN_BLAS_H
#define TERSE_TRAIN_BLAS_H

#include <stdint.h>

enum blas_op { BLAS_N, BLAS_T };

/* c [m][ldc] = alpha * op(a) * op(b) + beta * c, op(a) [m][k], op(b) [k][n]. */
void blas_gemm(enum blas_op ta, enum blas_op tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a,
               int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc);

/* Before the first product: one thread inside the library. */
void blas_init(void);

#endif
