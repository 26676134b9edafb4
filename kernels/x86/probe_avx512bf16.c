#include "kernels/x86/vec_avx512.h"
#include "kernels/x86/x86.h"

#define PROBE_CHAINS 12
#include "kernels/simd/probe.h"

void probe_init_avx512bf16(struct probes *p)
{
    p->dot = (struct probe){PROBE_CHAINS * 64, probe_dot};
}
