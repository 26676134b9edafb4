/* The Arm overlays, weakest first. */
#include "kernels/arm/arm.h"

void kernels_init_arm(struct kernels *k, unsigned cpu_flags)
{
    if (cpu_flags & CPU_NEON) {
        k->name = "neon";
        gemm_init_neon(k);
        ops_init_neon(k);
    }
    if (cpu_flags & CPU_DOTPROD) {
        k->name = "dotprod";
        gemm_init_dotprod(k);
    }
    if (cpu_flags & CPU_ARMBF16) {
        k->name = "armbf16";
        gemm_init_armbf16(k);
    }
    if (cpu_flags & CPU_I8MM) {
        k->name = "i8mm";
        gemm_init_i8mm(k);
    }
}

void probes_init_arm(struct probes *p, unsigned cpu_flags)
{
    if (cpu_flags & CPU_NEON) probe_init_neon(p);
    if (cpu_flags & CPU_ARMBF16) probe_init_armbf16(p);
}
