/* Slots of the reference table, for kernels/table.c only; and how single values lie in quantised panels. */
#ifndef TERSE_KERNELS_REF_REF_H
#define TERSE_KERNELS_REF_REF_H

#include "kernels/kernels.h"

void ref_gemm_init(struct kernels *k);
void ref_gemm_quant_init(struct kernels *k);
void ref_gemm_act8_init(struct kernels *k);
void ref_panel_init(struct kernels *k);
void ref_panel_quant_init(struct kernels *k);
void ref_row_init(struct kernels *k);
void ref_point_init(struct kernels *k);

/* The scale and the integer q of column k of row n of a matrix with `cols` columns in panels of a quantised
 * type; of WT_I8 the scale is 1. */
float ref_scale(enum weight_type t, const void *w, int64_t cols, int64_t n, int64_t k);
int ref_quant(enum weight_type t, const void *w, int64_t cols, int64_t n, int64_t k);

#endif
