/* Which implementation of each slot a machine gets: the reference first, then overlays. */
#include "kernels/kernels.h"
#include "kernels/probe.h"
#include "kernels/ref/ref.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

void kernels_init_ref(struct kernels *k)
{
    k->name = "ref";
    ref_gemm_init(k);
    ref_gemm_quant_init(k);
    ref_gemm_act8_init(k);
    ref_panel_init(k);
    ref_panel_quant_init(k);
    ref_row_init(k);
    ref_point_init(k);
}

void kernels_init(struct kernels *k, unsigned cpu_flags)
{
    kernels_init_ref(k);
#if defined(__x86_64__)
    kernels_init_x86(k, cpu_flags);
#elif defined(__aarch64__)
    kernels_init_arm(k, cpu_flags);
#else
    (void)cpu_flags;
#endif
}

void probes_init(struct probes *p, unsigned cpu_flags)
{
    *p = (struct probes){0};
#if defined(__x86_64__)
    probes_init_x86(p, cpu_flags);
#elif defined(__aarch64__)
    probes_init_arm(p, cpu_flags);
#else
    (void)cpu_flags;
#endif
}

#if defined(__x86_64__)
enum { MXCSR_DAZ = 0x0040, MXCSR_FTZ = 0x8000 };

unsigned kernels_fp_enter(void)
{
    unsigned old = _mm_getcsr();
    _mm_setcsr(old | MXCSR_DAZ | MXCSR_FTZ);
    return old;
}

void kernels_fp_leave(unsigned old)
{
    _mm_setcsr(old);
}
#elif defined(__aarch64__)
enum { FPCR_FZ = 1 << 24 };

unsigned kernels_fp_enter(void)
{
    uint64_t old;
    __asm__ volatile("mrs %0, fpcr" : "=r"(old)::"memory");
    __asm__ volatile("msr fpcr, %0" ::"r"(old | FPCR_FZ) : "memory");
    return (unsigned)old;
}

void kernels_fp_leave(unsigned old)
{
    __asm__ volatile("msr fpcr, %0" ::"r"((uint64_t)old) : "memory");
}
#else
unsigned kernels_fp_enter(void)
{
    return 0;
}

void kernels_fp_leave(unsigned old)
{
    (void)old;
}
#endif
