/* What a device is asked to prove, and this machine beside it: every slot of every instruction set level
 * equals the reference, bit by bit, and the reference computes what it does elsewhere.
 *
 *     device-check [quick]      ok|FAIL lines; "reference SLOT DIGEST" lines are the same on all processors
 */
#include "infer/kernel_check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void say_verdict(void *ctx, const struct kernel_verdict *v)
{
    (void)ctx;
    printf("%s %s %s %" PRId64 " cases %s\n", v->fault ? "FAIL" : "ok", v->isa, v->slot, v->cases,
           v->fault ? v->fault : "");
    fflush(stdout);
}

static void say_digest(void *ctx, const char *slot, uint64_t digest)
{
    (void)ctx;
    printf("reference %s %016" PRIx64 "\n", slot, digest);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    enum kernel_depth depth = argc > 1 && !strcmp(argv[1], "quick") ? KERNELS_QUICK : KERNELS_FULL;
    struct err e = {0};
    struct kernels ref;
    uint64_t all;
    kernels_init_ref(&ref);
    int r = kernel_digest(&ref, depth, &all, say_digest, NULL, &e);
    if (!r) r = kernel_check_levels(cpu_detect(), depth, say_verdict, NULL, &e);
    if (r) fprintf(stderr, "device-check: %s\n", e.msg);
    return r ? 1 : 0;
}
