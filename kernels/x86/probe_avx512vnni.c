#include "kernels/x86/vec_avx512.h"
#include "kernels/x86/x86.h"

#define PROBE_CHAINS 12
#include "kernels/simd/probe.h"

void probe_init_avx512vnni(struct probes *p)
{
    p->dot8 = (struct probe){PROBE_CHAINS * 128, probe_dot8};
}
