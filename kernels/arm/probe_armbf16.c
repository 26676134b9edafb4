#include "kernels/arm/arm.h"
#include "kernels/arm/vec_neon.h"

#define PROBE_CHAINS 6
#include "kernels/simd/probe.h"

void probe_init_armbf16(struct probes *p)
{
    p->dot = (struct probe){PROBE_CHAINS * 64, probe_dot};
}
