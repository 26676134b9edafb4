/* One product between two marks, for scripts/device-model: what is executed from one mark to the other is
 * read from an emulator's log and given to a model of a processor.
 *
 *     device-product ISA TYPE ROWS K COLUMNS [act8]
 */
#include "kernels/kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Found by name in the program's symbols. */
__attribute__((noinline)) void product_begins(void);
__attribute__((noinline)) void product_ends(void);
void product_begins(void)
{
    __asm__ volatile("");
}
void product_ends(void)
{
    __asm__ volatile("");
}

static void *zeros(int64_t bytes)
{
    void *p = NULL;
    if (posix_memalign(&p, 64, (size_t)bytes)) exit(1);
    return memset(p, 0, (size_t)bytes);
}

static void product(const struct kernels *k, enum weight_type t, int64_t rows, int64_t depth, int64_t cols,
                    int act8)
{
    int64_t x_bytes = act8 ? (int64_t)k->act8_bytes * (depth / GROUP) : (int64_t)k->act_bytes[t] * depth;
    void *x = zeros(rows * x_bytes), *w = zeros((int64_t)weight_size(t, cols, depth));
    float *y = zeros(rows * cols * (int64_t)sizeof *y);
    product_begins();
    if (act8)
        k->gemm_act8[t](rows, depth, cols, x, w, y, cols, 0);
    else
        k->gemm[t](rows, depth, cols, x, depth, w, y, cols, 0);
    product_ends();
    free(x), free(w), free(y);
}

int main(int argc, char **argv)
{
    static const char *const names[WT_COUNT] = {"f32", "bf16", "q8_0", "q4_0", "w4", "i8"};
    struct kernels k;
    int t = 0;
    unsigned flags = argc >= 6 ? cpu_limit(cpu_detect(), argv[1]) : ~0u;
    while (argc >= 6 && t < WT_COUNT && strcmp(argv[2], names[t])) t++;
    if (flags == ~0u || t == WT_COUNT) {
        fprintf(stderr, "usage: device-product ISA TYPE ROWS K COLUMNS [act8]\n");
        return 2;
    }
    kernels_init(&k, flags);
    product(&k, (enum weight_type)t, atoll(argv[3]), atoll(argv[4]), atoll(argv[5]), argc > 6);
    return 0;
}
