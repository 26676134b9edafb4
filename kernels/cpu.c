#include "kernels/cpu.h"

#include <string.h>

#if defined(__x86_64__)
unsigned cpu_detect(void)
{
    unsigned f = 0;
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) f |= CPU_AVX2;
    if ((f & CPU_AVX2) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        f |= CPU_AVX512;
    if ((f & CPU_AVX512) && __builtin_cpu_supports("avx512bf16")) f |= CPU_AVX512BF16;
    return f;
}
#else
unsigned cpu_detect(void)
{
    return 0;
}
#endif

unsigned cpu_limit(unsigned flags, const char *isa)
{
    static const struct {
        const char *name;
        unsigned mask;
    } levels[] = {
        {"ref", 0},
        {"avx2", CPU_AVX2},
        {"avx512", CPU_AVX2 | CPU_AVX512},
        {"avx512bf16", CPU_AVX2 | CPU_AVX512 | CPU_AVX512BF16},
    };
    if (!isa || !*isa) return flags;
    for (unsigned i = 0; i < sizeof levels / sizeof *levels; i++)
        if (!strcmp(isa, levels[i].name)) return flags & levels[i].mask;
    return ~0u;
}
