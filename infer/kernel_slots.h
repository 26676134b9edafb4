/* The slots as the checker sees them, for infer/kernel_check.c only. */
#ifndef TERSE_INFER_KERNEL_SLOTS_H
#define TERSE_INFER_KERNEL_SLOTS_H

#include "kernels/kernels.h"
#include "kernels/quant.h"

#include <stddef.h>

/* One case: a shape and a way to call. */
struct trial {
    const struct kernels *ref; /* prepares inputs for the slot under test */
    enum weight_type type;
    int64_t m, k, n; /* elementwise slots: n elements; panels: a matrix [n][k]; products: x [m][k] */
    int64_t ldx, ldy;
    int variant;  /* any number: its bits choose in place, accumulate ... */
    int values;   /* which kind of numbers */
    int portable; /* none from which a chain goes on one way on x86 and another on Arm: the least normal */
    uint64_t seed;
};

enum case_kind { CASE_POINT, CASE_PRODUCT };

/* A slot: which functions of the table it is (`at`, offsets in struct kernels), its buffers and how to call
 * it. kinds: one letter a buffer: f floats, r results (4 floats), h bf16, s scratch, whose contents are not
 * compared. lengths: elements of each; NULL: n each. */
struct slot {
    const char *name;
    size_t at[2];
    enum weight_type type;
    enum case_kind cases;
    const char *kinds;
    void (*lengths)(const struct trial *t, int64_t *elems);
    void (*call)(const struct kernels *k, const struct trial *t, void **b);
};

enum { SLOT_BUFFERS = 6, RESULTS = 4 };

/* Panels of a type that is neither F32 nor BF16 for the matrix [n][k] of a trial. */
void quant_panels_fill(const struct trial *t, void *panels);

/* Ways to call slots of quantised weights; act8: x, packed x, panels, y. blocks: rows, panel. */
enum { ACT8_MOST = 4 }; /* bytes of an 8-bit activation, all told */
void act8_lengths(const struct trial *t, int64_t *elems);
void act8_call(const struct kernels *k, const struct trial *t, void **b);
void blocks_lengths(const struct trial *t, int64_t *elems);
void blocks_q8_0_call(const struct kernels *k, const struct trial *t, void **b);
void blocks_q4_0_call(const struct kernels *k, const struct trial *t, void **b);

/* Ends with a row whose name is NULL. */
extern const struct slot kernel_slots[];

#endif
