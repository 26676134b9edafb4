/* The one thread pool. Work is split into units whose results do not depend on who computes them, so the
 * number of threads never changes a bit. */
#ifndef TERSE_INFER_POOL_H
#define TERSE_INFER_POOL_H

#include "infer/err.h"

#include <stdint.h>

enum { POOL_MAX_THREADS = 256 };

struct pool;

/* `threads` in all, the caller's included; 0: one a processor we may run on. Errors: FIELD_RANGE, NOMEM. */
int pool_create(struct pool **out, unsigned threads, struct err *e);
void pool_free(struct pool *p);
unsigned pool_threads(const struct pool *p);

/* Calls fn(ctx, unit, thread) for every unit of 0..units-1, on all threads, and returns when all are done.
 * Threads run with denormals flushed (kernels_fp_enter). `thread` (< pool_threads) picks private scratch.
 * Not reentrant: fn must not call pool_for. Several threads may call it: they take turns, or with a pool of
 * one thread run side by side, each being thread 0 to its own fn. */
void pool_for(struct pool *p, int64_t units, void (*fn)(void *ctx, int64_t unit, unsigned thread), void *ctx);

#endif
