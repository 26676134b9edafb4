/* How fast products are, through the same split into units as a model's (infer/matmul.c). */
#ifndef TERSE_INFER_BENCH_KERNELS_H
#define TERSE_INFER_BENCH_KERNELS_H

#include "infer/bench.h"
#include "kernels/kernels.h"

struct bench_product {
    int64_t m, n, k; /* x [m][k], w [n][k] */
    enum weight_type type;
    bool act8; /* 8-bit activations */
    unsigned cpu_flags;
};

/* Fills gb_s, gflop_s, ns, isa, dtype and threads: the best of a few tries, each over as many copies of the
 * weights as no cache holds. Share: of the limits measured right before and after. Error: NOMEM. */
int bench_product(const struct bench_product *b, struct pool *p, struct bench_row *out, struct err *e);

#endif
