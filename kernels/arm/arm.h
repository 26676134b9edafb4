/* The Arm overlays, for kernels/arm/init.c only: each sets the slots its file has. */
#ifndef TERSE_KERNELS_ARM_ARM_H
#define TERSE_KERNELS_ARM_ARM_H

#include "kernels/kernels.h"
#include "kernels/probe.h"

void gemm_init_neon(struct kernels *k);
void ops_init_neon(struct kernels *k);
void gemm_init_dotprod(struct kernels *k);
void gemm_init_armbf16(struct kernels *k);
void gemm_init_i8mm(struct kernels *k);

void probe_init_neon(struct probes *p);
void probe_init_armbf16(struct probes *p);

#endif
