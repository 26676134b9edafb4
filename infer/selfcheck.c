#include "infer/selfcheck.h"
#include "infer/kernel_check.h"

#include <inttypes.h>
#include <stdio.h>

struct tally {
    int slots;
    int64_t cases;
};

static void count(void *ctx, const struct kernel_verdict *v)
{
    struct tally *t = ctx;
    t->slots++;
    t->cases += v->cases;
}

/* All slots of the level named, whichever lower level they come from. */
static int check_level(const char *isa, unsigned flag, char *figure, size_t n, struct err *e)
{
    struct kernels ref, k;
    struct tally t = {0};
    unsigned have = cpu_detect();
    if (!(have & flag)) {
        snprintf(figure, n, "not on this processor");
        return 0;
    }
    kernels_init_ref(&ref);
    kernels_init(&k, cpu_limit(have, isa));
    int r = kernel_check(&k, &ref, KERNELS_QUICK, count, &t, e);
    snprintf(figure, n, "%d slots, %" PRId64 " cases against the reference, tolerance 0", t.slots, t.cases);
    return r;
}

int selfcheck_avx2(char *figure, size_t n, struct err *e)
{
    return check_level("avx2", CPU_AVX2, figure, n, e);
}

int selfcheck_avx512(char *figure, size_t n, struct err *e)
{
    return check_level("avx512", CPU_AVX512, figure, n, e);
}

int selfcheck_avx512bf16(char *figure, size_t n, struct err *e)
{
    return check_level("avx512bf16", CPU_AVX512BF16, figure, n, e);
}
