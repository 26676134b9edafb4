#include "kernels/arm/arm.h"
#include "kernels/arm/vec_neon.h"

#define PROBE_CHAINS 6
#include "kernels/simd/probe.h"

void probe_init_neon(struct probes *p)
{
    p->fma = (struct probe){PROBE_CHAINS * 32, probe_fma};
}
