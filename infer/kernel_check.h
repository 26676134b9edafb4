/* Compares kernels with the reference, slot by slot, bit by bit (after dav1d's checkasm): sizes around every
 * border, strides larger than needed, unaligned pointers, in place where a slot allows it; zeros of both
 * signs, denormals, huge and tiny products, NaN and infinities. Buffers carry guards, and what a call need
 * not write is compared too: a byte that the reference left alone must have been left alone. */
#ifndef TERSE_INFER_KERNEL_CHECK_H
#define TERSE_INFER_KERNEL_CHECK_H

#include "infer/err.h"
#include "kernels/kernels.h"

/* How many of the cases: all, or a few dozen a slot within a fraction of a second. */
enum kernel_depth { KERNELS_FULL, KERNELS_QUICK };

/* What became of one slot. The strings live as long as the call. */
struct kernel_verdict {
    const char *slot, *isa; /* "gemm_bf16", "avx512" */
    int64_t cases;
    const char *fault; /* NULL: all identical; else the first case that is not, and where */
};

typedef void kernel_report(void *ctx, const struct kernel_verdict *v);

/* Checks every slot of `k` that is not the same function as in `passed`, a table that has passed (the
 * reference's own to check everything). `report` (may be NULL) hears of each slot. Returns 0, NOMEM, or
 * SELFTEST naming the first slot at fault; the others are checked all the same. */
int kernel_check(const struct kernels *k, const struct kernels *passed, enum kernel_depth depth,
                 kernel_report *report, void *ctx, struct err *e);

/* kernel_check() for every level of instruction sets within `cpu_flags`, adding one flag at a time. */
int kernel_check_levels(unsigned cpu_flags, enum kernel_depth depth, kernel_report *report, void *ctx,
                        struct err *e);

/* A digest of what the slots of `k` compute in all cases of that depth, NaNs all the same and what is not
 * above the least normal number the same as zero. The reference's is the same on every processor and from
 * every compiler. `report` (may be NULL) hears of each slot. Returns 0 or NOMEM. */
typedef void kernel_digest_report(void *ctx, const char *slot, uint64_t digest);
int kernel_digest(const struct kernels *k, enum kernel_depth depth, uint64_t *digest,
                  kernel_digest_report *report, void *ctx, struct err *e);

#endif
