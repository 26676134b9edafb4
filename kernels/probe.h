/* Loops that do nothing but arithmetic, to learn what a processor can do at most. Measuring is
 * infer/machine.c's. */
#ifndef TERSE_KERNELS_PROBE_H
#define TERSE_KERNELS_PROBE_H

#include "kernels/cpu.h"

#include <stdint.h>

/* run: `rounds` of `flops` floating-point operations each (a fused multiply-add is two); out [16] gets the
 * result, so that nothing is optimised away. run is NULL where the processor has no such instruction. */
struct probe {
    int64_t flops;
    void (*run)(int64_t rounds, float *out);
};

struct probes {
    struct probe fma, dot; /* fp32 multiply-add; dot product of bf16 pairs */
    struct probe dot8;     /* dot product of 8-bit quads; a multiplication and an addition are two here too */
};

/* The widest ones within `cpu_flags`. */
void probes_init(struct probes *p, unsigned cpu_flags);
void probes_init_x86(struct probes *p, unsigned cpu_flags); /* its overlays */
void probes_init_arm(struct probes *p, unsigned cpu_flags);

#endif
