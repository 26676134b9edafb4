/* The x86 overlays, for kernels/x86/init.c only: each sets the slots its file has. */
#ifndef TERSE_KERNELS_X86_X86_H
#define TERSE_KERNELS_X86_X86_H

#include "kernels/kernels.h"
#include "kernels/probe.h"

void gemm_init_avx2(struct kernels *k);
void ops_init_avx2(struct kernels *k);
void gemm_init_avx512(struct kernels *k);
void ops_init_avx512(struct kernels *k);
void gemm_init_avx512vnni(struct kernels *k);
void gemm_init_avx512bf16(struct kernels *k);

void probe_init_avx2(struct probes *p);
void probe_init_avx512(struct probes *p);
void probe_init_avx512vnni(struct probes *p);
void probe_init_avx512bf16(struct probes *p);

#endif
