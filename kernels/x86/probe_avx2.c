#include "kernels/x86/vec_avx2.h"
#include "kernels/x86/x86.h"

#define PROBE_CHAINS 6
#include "kernels/simd/probe.h"

void probe_init_avx2(struct probes *p)
{
    p->fma = (struct probe){PROBE_CHAINS * 32, probe_fma};
}
