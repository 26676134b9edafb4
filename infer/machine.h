/* What this machine can do at most, measured: the figures that speeds are shares of. */
#ifndef TERSE_INFER_MACHINE_H
#define TERSE_INFER_MACHINE_H

#include "infer/pool.h"

#include <stddef.h>

/* 1e9 a second; 0 where there is no such instruction. */
struct machine_limits {
    double fma;  /* fp32 operations by fused multiply-add (two each), GFLOP/s */
    double dot;  /* operations by the bf16 dot instruction, GFLOP/s */
    double dot8; /* operations by the 8-bit dot instruction, Gop/s */
    double read; /* bytes from memory, GB/s */
};

/* Wall-clock seconds from some start. */
double machine_seconds(void);
/* Most memory this process has held, bytes. */
uint64_t machine_peak_rss(void);
/* Memory it holds now, bytes; 0 where the system does not say. */
uint64_t machine_rss(void);
/* What could be had without swapping, bytes; 0 where the system does not say. */
uint64_t machine_available(void);

/* Of tries of about a millisecond (reading: some) on all threads of the pool, at least eight and as many as
 * `seconds` allow: the best one is what the machine can do, the mean what it could do just then, with what
 * its neighbours left. */
struct machine_rate {
    double best, mean;
};

/* GFLOP/s with the widest instructions of cpu_flags. */
struct machine_rate machine_fma(struct pool *p, unsigned cpu_flags, double seconds);
struct machine_rate machine_dot(struct pool *p, unsigned cpu_flags, double seconds);
struct machine_rate machine_dot8(struct pool *p, unsigned cpu_flags, double seconds);
/* GB/s over `bytes` at `memory`, which the caller has written to (more than the caches hold, on huge pages).
 */
struct machine_rate machine_read(struct pool *p, const void *memory, size_t bytes, double seconds);

/* The best of all of them, with memory of its own. Error: NOMEM. */
int machine_probe(struct machine_limits *out, struct pool *p, unsigned cpu_flags, struct err *e);

#endif
