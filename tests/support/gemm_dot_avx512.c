#include "tests/support/gemm_dot.h"

#define gemm_init_avx512bf16 gemm_init_emulated
#include "kernels/x86/gemm_avx512bf16.c"
