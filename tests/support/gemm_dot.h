/* The products of AVX-512-BF16 on a machine with AVX-512 alone: the same template, the one instruction spelt
 * as two FMAs. What is left unproved is the instruction itself. */
#ifndef TERSE_TESTS_SUPPORT_GEMM_DOT_H
#define TERSE_TESTS_SUPPORT_GEMM_DOT_H

#include "kernels/kernels.h"

/* Replaces the slots that gemm_init_avx512bf16 replaces. Call it where there is AVX-512. */
#if defined(__x86_64__)
void gemm_init_emulated(struct kernels *k);
#else
static inline void gemm_init_emulated(struct kernels *k)
{
    (void)k;
}
#endif

#endif
