/* Slots of the reference table, for kernels/ref/table.c only. */
#ifndef TERSE_KERNELS_REF_REF_H
#define TERSE_KERNELS_REF_REF_H

#include "kernels/kernels.h"

void ref_gemm_init(struct kernels *k);
void ref_panel_init(struct kernels *k);
void ref_row_init(struct kernels *k);
void ref_point_init(struct kernels *k);

#endif
