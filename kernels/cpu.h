/* What this processor can do, as a value. */
#ifndef TERSE_KERNELS_CPU_H
#define TERSE_KERNELS_CPU_H

enum cpu_flag {
    CPU_AVX2 = 1 << 0,       /* AVX2 and FMA */
    CPU_AVX512 = 1 << 1,     /* F, BW, DQ, VL */
    CPU_AVX512BF16 = 1 << 2, /* vdpbf16ps */
};

/* Flags of the processor and operating system we run on. */
unsigned cpu_detect(void);

/* `flags` limited to the ISA level named ("ref", "avx2", "avx512", "avx512bf16"); NULL or "" for no limit.
 * Returns ~0u for an unknown name. */
unsigned cpu_limit(unsigned flags, const char *isa);

#endif
