/* Tensors of any model shape for benchmarks, made at once: all of them are views of one buffer of random bf16
 * numbers. Models that are to be trained start from params_random(). */
#ifndef TERSE_INFER_RANDOM_WEIGHTS_H
#define TERSE_INFER_RANDOM_WEIGHTS_H

#include "infer/params.h"
#include "infer/pool.h"

struct random_weights {
    const struct tensor **bound; /* [params_slots(c)], as params_bind makes it */
    struct tensor *tensors;
    uint16_t *values;
};

/* Norms are 1, all else between 0.0078 and 0.031 with random signs. *w is the caller's to clear, after an
 * error too: NOMEM. */
int random_weights_make(struct random_weights *w, const struct model_config *c, struct pool *pool,
                        struct err *e);
/* Frees what there is and zeroes *w. */
void random_weights_clear(struct random_weights *w);

#endif
