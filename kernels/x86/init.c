/* The x86 overlays, weakest first. */
#include "kernels/x86/x86.h"

void kernels_init_x86(struct kernels *k, unsigned cpu_flags)
{
    if (cpu_flags & CPU_AVX2) {
        k->name = "avx2";
        gemm_init_avx2(k);
        ops_init_avx2(k);
    }
    if (cpu_flags & CPU_AVX512) {
        k->name = "avx512";
        gemm_init_avx512(k);
        ops_init_avx512(k);
    }
    if (cpu_flags & CPU_AVX512VNNI) {
        k->name = "avx512vnni";
        gemm_init_avx512vnni(k);
    }
    if (cpu_flags & CPU_AVX512BF16) {
        k->name = "avx512bf16";
        gemm_init_avx512bf16(k);
    }
}

void probes_init_x86(struct probes *p, unsigned cpu_flags)
{
    if (cpu_flags & CPU_AVX2) probe_init_avx2(p);
    if (cpu_flags & CPU_AVX512) probe_init_avx512(p);
    if (cpu_flags & CPU_AVX512VNNI) probe_init_avx512vnni(p);
    if (cpu_flags & CPU_AVX512BF16) probe_init_avx512bf16(p);
}
