/* What every stage of a build works with: threads, and room for each. */
#ifndef TERSE_DATA_PREPARE_WORKERS_H
#define TERSE_DATA_PREPARE_WORKERS_H

#include "data/document.h"
#include "infer/nfc.h"
#include "infer/pool.h"

struct workers {
    struct pool *pool;     /* the caller's */
    struct document *room; /* [threads] */
    struct nfc *nfc;
};

/* Errors: NOMEM; *w is then empty. */
int workers_init(struct workers *w, struct pool *pool, struct err *e);
void workers_release(struct workers *w);

/* Hears how many rows or documents were done since it was asked last; nonzero stops with INTERRUPTED. */
struct ticker {
    int (*tick)(void *ctx, uint64_t done); /* NULL: nobody */
    void *ctx;
};
int ticker_tick(const struct ticker *t, uint64_t done, struct err *e);

#endif
