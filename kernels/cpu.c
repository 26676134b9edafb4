#include "kernels/cpu.h"

#include <stddef.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>

static const struct cpu_level levels[] = {
    {"ref", 0},
    {"avx2", CPU_AVX2},
    {"avx512", CPU_AVX2 | CPU_AVX512},
    {"avx512vnni", CPU_AVX2 | CPU_AVX512 | CPU_AVX512VNNI},
    {"avx512bf16", CPU_AVX2 | CPU_AVX512 | CPU_AVX512VNNI | CPU_AVX512BF16},
    {NULL, 0},
};

/* clang 14 does not know this one by its name. */
static int has_f16c(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}

unsigned cpu_detect(void)
{
    unsigned f = 0;
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c()) f |= CPU_AVX2;
    if ((f & CPU_AVX2) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        f |= CPU_AVX512;
    if ((f & CPU_AVX512) && __builtin_cpu_supports("avx512vnni")) f |= CPU_AVX512VNNI;
    if ((f & CPU_AVX512VNNI) && __builtin_cpu_supports("avx512bf16")) f |= CPU_AVX512BF16;
    return f;
}

#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>

static const struct cpu_level levels[] = {
    {"ref", 0},
    {"neon", CPU_NEON},
    {"dotprod", CPU_NEON | CPU_DOTPROD},
    {"armbf16", CPU_NEON | CPU_DOTPROD | CPU_ARMBF16},
    {"i8mm", CPU_NEON | CPU_DOTPROD | CPU_ARMBF16 | CPU_I8MM},
    {NULL, 0},
};

/* Bits of the kernel's auxiliary vector (Linux, arch/arm64/include/uapi/asm/hwcap.h). */
enum { HAVE_ASIMD = 1 << 1, HAVE_ASIMDDP = 1 << 20, HAVE2_I8MM = 1 << 13, HAVE2_BF16 = 1 << 14 };

unsigned cpu_detect(void)
{
    unsigned long have = getauxval(AT_HWCAP), have2 = getauxval(AT_HWCAP2);
    unsigned f = have & HAVE_ASIMD ? CPU_NEON : 0;
    if (f && have & HAVE_ASIMDDP) f |= CPU_DOTPROD;
    if (f & CPU_DOTPROD && have2 & HAVE2_BF16) f |= CPU_ARMBF16;
    if (f & CPU_DOTPROD && have2 & HAVE2_I8MM) f |= CPU_I8MM;
    return f;
}

#else
static const struct cpu_level levels[] = {{"ref", 0}, {NULL, 0}};

unsigned cpu_detect(void)
{
    return 0;
}
#endif

const struct cpu_level *cpu_levels(void)
{
    return levels;
}

unsigned cpu_limit(unsigned flags, const char *isa)
{
    if (!isa || !*isa) return flags;
    for (const struct cpu_level *l = levels; l->name; l++)
        if (!strcmp(isa, l->name)) return flags & l->flags;
    return ~0u;
}
