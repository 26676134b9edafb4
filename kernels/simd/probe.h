/* Arithmetic and nothing else on v16. The including file sets PROBE_CHAINS, the independent sums that fit its
 * registers; a multiply-add takes 4 cycles and two start in each, so at least 8 registers are needed. */
#ifndef TERSE_KERNELS_SIMD_PROBE_H
#define TERSE_KERNELS_SIMD_PROBE_H

#include "kernels/probe.h"

#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif

VEC void probe_store(const v16 *sum, float *out)
{
    v16 all = sum[0];
    UNROLL for (int i = 1; i < PROBE_CHAINS; i++) all = v16_add(all, sum[i]);
    v16_store(out, all);
}

static inline void probe_fma(int64_t rounds, float *out)
{
    v16 sum[PROBE_CHAINS], a = v16_all(0.999f), b = v16_all(0.7f);
    UNROLL for (int i = 0; i < PROBE_CHAINS; i++) sum[i] = v16_zero();
    for (int64_t j = 0; j < rounds; j++) {
        UNROLL for (int i = 0; i < PROBE_CHAINS; i++) v16_fma_into(&sum[i], a, b);
    }
    probe_store(sum, out);
}

static inline void probe_dot(int64_t rounds, float *out)
{
    v16 sum[PROBE_CHAINS];
    v16u a = v16u_all(0x3f7f3f7f), b = v16u_all(0x3f333f33);
    UNROLL for (int i = 0; i < PROBE_CHAINS; i++) sum[i] = v16_zero();
    for (int64_t j = 0; j < rounds; j++) {
        UNROLL for (int i = 0; i < PROBE_CHAINS; i++) v16_dot_into(&sum[i], a, b);
    }
    probe_store(sum, out);
}

#if defined(__AVX512VNNI__)
static inline void probe_dot8(int64_t rounds, float *out)
{
    v16u sum[PROBE_CHAINS], a = v16u_all(0x7f7f7f7f), b = v16u_all(0x01ff01ff);
    v16 all = v16_zero();
    UNROLL for (int i = 0; i < PROBE_CHAINS; i++) sum[i] = v16u_all(0);
    for (int64_t j = 0; j < rounds; j++) {
        UNROLL for (int i = 0; i < PROBE_CHAINS; i++) v16u_dot4_into(&sum[i], a, b);
    }
    UNROLL for (int i = 0; i < PROBE_CHAINS; i++) all = v16_add(all, v16_from_ints(sum[i]));
    v16_store(out, all);
}
#endif

#endif
