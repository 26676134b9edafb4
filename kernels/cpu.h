/* What this processor can do, as a value. */
#ifndef TERSE_KERNELS_CPU_H
#define TERSE_KERNELS_CPU_H

enum cpu_flag {
    /* x86-64 */
    CPU_AVX2 = 1 << 0,       /* AVX2 and FMA */
    CPU_AVX512 = 1 << 1,     /* F, BW, DQ, VL */
    CPU_AVX512VNNI = 1 << 2, /* vpdpbusd */
    CPU_AVX512BF16 = 1 << 3, /* vdpbf16ps */
    /* AArch64 */
    CPU_NEON = 1 << 16,    /* Advanced SIMD; every Armv8-A application processor */
    CPU_DOTPROD = 1 << 17, /* sdot, udot */
    CPU_ARMBF16 = 1 << 18, /* bfmlalb, bfmlalt */
    CPU_I8MM = 1 << 19,    /* smmla, usdot */
};

/* Flags of the processor and operating system we run on. */
unsigned cpu_detect(void);

/* The instruction set levels of this architecture, weakest first; the first is "ref", without any flag, and a
 * NULL name ends the list. A level has the flags of those before it. */
struct cpu_level {
    const char *name;
    unsigned flags;
};
const struct cpu_level *cpu_levels(void);

/* `flags` limited to the level named; NULL or "" for no limit. Returns ~0u for a name that is not in
 * cpu_levels(). */
unsigned cpu_limit(unsigned flags, const char *isa);

#endif
