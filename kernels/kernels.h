/* The dispatch table: pure functions on memory. No allocation, no I/O, no threads, no globals, no failure.
 *
 * ref/ is the specification; x86/ (and arm/) overlay it slot by slot. Every implementation of a slot gives
 * the same bits as ref/ when the calling thread runs in kernels_fp_enter()'s mode (denormals flushed):
 *
 * The product's chain. Each output of a product is one fp32 chain: acc starts at 0, or at y where
 * `accumulate` is set (so a product may be split along k at even places, or continued by an adapter's,
 * without changing a bit), and takes the k-pairs in ascending order, in each pair the ODD element first:
 *     acc = fma(x[2j+1], w[2j+1], acc);  acc = fma(x[2j], w[2j], acc)
 * which is what the bf16 dot instruction of AVX-512-BF16 does. Odd k is padded by zeros. fp32 products take k
 * in the same order. A chain depends on its own row of x and its own row of w, on nothing else.
 *
 * With weights in groups of 32 (Q8_0, Q4_0; kernels/weights.h) each group is such a chain over the integers
 * q, started at 0, and joins the output by its scale:  y = fma(group, scale, y), y starting at 0 or as it is.
 * With one scale a row (W4) the chain over q runs through all of k:  y = acc * scale, or fma(acc, scale, y).
 * WT_I8 is the plain chain over q.
 *
 * With 8-bit activations (act8) a group of x is scale * integers too and its product with a group of weights
 * a sum of integers, exact in any order:  y = fma(sum, scale_x * scale_w, y); for W4, acc = fma(sum, scale_x,
 * acc) from 0 and then as above.
 *
 * Sums along a row (norms, softmax) use 16 lanes: lane l takes elements l, l+16, l+32 ... in order; then
 * lanes i and i+8 are added, i and i+4, i and i+2, 0 and 1. Maxima likewise (it shows in the sign of a zero).
 */
#ifndef TERSE_KERNELS_KERNELS_H
#define TERSE_KERNELS_KERNELS_H

#include "kernels/cpu.h"
#include "kernels/weights.h"

struct adamw_step {
    float lr, beta1, beta2, eps;
    float decay;              /* w *= 1 - lr * decay before the step */
    float correct1, correct2; /* 1 / (1 - beta1^t), 1 / (1 - beta2^t) */
    float grad_scale;         /* clipping: g is multiplied by this first */
};

struct kernels {
    const char *name; /* of cpu_levels() */

    /* Bytes of one activation as gemm wants it; for a bf16 product it is rounded to bf16 and stored as bf16
     * or, where the machine has no bf16 dot, as the same value in fp32. All types but F32 take bf16's. */
    size_t act_bytes[WT_COUNT];

    /* x [rows][ldx] fp32 -> act [rows][ldo] for products with weights of type t; k elements a row, then zeros
     * up to pad_even(k). act may be x itself when ldo * act_bytes <= ldx * 4. */
    void (*act_pack[WT_COUNT])(int64_t rows, int64_t k, const float *x, int64_t ldx, void *act, int64_t ldo);

    /* y [m][ldy] (+)= x [m][k] * w^T for `cols` outputs of consecutive panels w. x: packed activations, row
     * stride ldx elements. k, cols >= 1; the last panel may be partial; y beyond cols is not touched. Where
     * cols <= 32 k may be less than the panel's depth: its first k columns (not of W4). */
    void (*gemm[WT_COUNT])(int64_t m, int64_t k, int64_t cols, const void *x, int64_t ldx, const void *w,
                           float *y, int64_t ldy, int accumulate);

    /* 8-bit activations, for Q8_0, Q4_0 and W4. act8_bytes: of a group of 32 k of a row, its scale (largest
     * |x| / 127) included; a row is k / 32 of them, rows lie one after the other. */
    size_t act8_bytes;
    void (*act8_pack)(int64_t rows, int64_t k, const float *x, int64_t ldx, void *act);
    void (*gemm_act8[WT_COUNT])(int64_t m, int64_t k, int64_t cols, const void *x, const void *w, float *y,
                                int64_t ldy, int accumulate); /* NULL for other types */

    /* One panel from n <= 32 rows of a row-major fp32 matrix w [n][ldw], k columns: rounded to bf16 for BF16,
     * to integers for I8 (halves to even, within -127..127), quantised for the others (kernels/quant.h). */
    void (*panel_pack[WT_COUNT])(int64_t n, int64_t k, const float *w, int64_t ldw, void *panel);
    /* The same from bf16 or f16 rows (as a file has them). */
    void (*panel_pack_bf16[WT_COUNT])(int64_t n, int64_t k, const uint16_t *w, int64_t ldw, void *panel);
    void (*panel_pack_f16[WT_COUNT])(int64_t n, int64_t k, const uint16_t *w, int64_t ldw, void *panel);
    /* The same from rows of GGUF blocks, ldw bytes a row: of the same type without any rounding; W4 from Q4_0
     * too where a row's scales are all the same. */
    void (*panel_pack_q8_0[WT_COUNT])(int64_t n, int64_t k, const void *w, int64_t ldw, void *panel);
    void (*panel_pack_q4_0[WT_COUNT])(int64_t n, int64_t k, const void *w, int64_t ldw, void *panel);
    /* One panel of the transposed matrix: of the panels w with k columns, columns k0..k0+31 (k0 a multiple of
     * 32) become the outputs and rows n0..n0+n-1 (n0 a multiple of 32) the depth; columns past k give zero
     * outputs. out: panel_bytes(WT_F32, n) of an F32 panel; of all other types a BF16 panel, scale * q
     * rounded to bf16 once. NULL for I8. */
    void (*panel_transpose[WT_COUNT])(int64_t n0, int64_t n, int64_t k, int64_t k0, const void *w, void *out);
    /* Row n of a panelled matrix with k columns -> fp32 (embedding lookup), scale * q exactly. */
    void (*panel_row[WT_COUNT])(int64_t n, int64_t k, const void *w, float *out);

    /* bf16 storage */
    void (*to_bf16)(int64_t n, const float *x, uint16_t *y); /* round to nearest even */
    void (*from_bf16)(int64_t n, const uint16_t *x, float *y);
    void (*round_bf16)(int64_t n, float *x); /* in place, the value stays fp32 */

    /* y = x * r * w with r = 1 / sqrt(mean(x^2) + eps); returns r. d elements. y may be x. */
    float (*rmsnorm)(int64_t d, float eps, const float *x, const float *w, float *y);
    /* dx += d(rmsnorm)/dx * dy;  dw += dy * x * r (dw may be NULL). r: what rmsnorm returned. */
    void (*rmsnorm_back)(int64_t d, const float *x, const float *w, float r, const float *dy, float *dx,
                         float *dw);

    /* h = g / (1 + exp(-g)) * u. h may be g or u. */
    void (*silu_mul)(int64_t n, const float *g, const float *u, float *h);
    /* dg, du from dh; dg may be dh. */
    void (*silu_mul_back)(int64_t n, const float *g, const float *u, const float *dh, float *dg, float *du);

    /* Half-split rotary embedding in place: (x[i], x[i+k/2]) by angle i. cos, sin: [k/2]. Its backward pass
     * is itself with `sin` negated. */
    void (*rope)(int64_t k, const float *cos, const float *sin, float *x);

    /* One block of online softmax. s [n]: scores of the block's first n keys, 1 <= n <= width. p [width] gets
     * exp(s * scale - m'), as bf16 values when `round` is set, and zeros from n to width. *m, *l: running
     * maximum of s * scale and running sum, updated (start: -INFINITY, 0); the sum takes what p holds.
     * Returns exp(m - m'), by which earlier outputs are to be multiplied. p may be s. width: a multiple
     * of 16. */
    float (*softmax_block)(int64_t n, int64_t width, float scale, int round, const float *s, float *p,
                           float *m, float *l);

    /* The largest of n values; NaN where one of them is infinite or no number. */
    float (*largest)(int64_t n, const float *x);
    /* log(sum(exp(x))) of n logits. */
    float (*logsumexp)(int64_t n, const float *x);
    /* x = exp(x - lse) * scale. */
    void (*softmax_scaled)(int64_t n, float lse, float scale, float *x);

    void (*add)(int64_t n, const float *x, float *y);              /* y += x */
    void (*mul_add)(int64_t n, float a, const float *x, float *y); /* y = fma(a, x, y) */
    void (*scale)(int64_t n, float a, const float *x, float *y);   /* y = a * x; y may be x */
    double (*sum_squares)(int64_t n, const float *x);              /* in doubles, 16 lanes */

    /* y[i] = kept(key, i) ? x[i] * inv_keep : 0. kept: hash(key, i) >= threshold, threshold = p * 2^32.
     * y may be x. The same call with the same key repeats the mask: the backward pass is this function. */
    void (*dropout)(int64_t n, uint64_t key, uint32_t threshold, float inv_keep, const float *x, float *y);

    /* One AdamW step on n weights; w, m, v are updated. (Loshchilov and Hutter 2019, algorithm 2, as torch.)
     */
    void (*adamw)(int64_t n, const struct adamw_step *s, const float *g, float *w, float *m, float *v);
};

/* Fills the table for a machine with these flags (CPU_* of kernels/cpu.h). Pure: same flags, same table. */
void kernels_init(struct kernels *k, unsigned cpu_flags);

/* Overlays of kernels_init, one a file family. */
void kernels_init_ref(struct kernels *k);
void kernels_init_x86(struct kernels *k, unsigned cpu_flags);
void kernels_init_arm(struct kernels *k, unsigned cpu_flags);

/* Sets the calling thread's floating-point mode to flush denormals (inputs and results) and returns the old
 * mode for kernels_fp_leave. Every thread that calls a slot must have entered. Arm judges a result before it
 * is rounded, x86 after: one within 2^-151 below the least normal number is 0 on Arm and that number on x86.
 */
unsigned kernels_fp_enter(void);
void kernels_fp_leave(unsigned old);

#endif
