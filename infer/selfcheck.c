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

/* All slots of each level, whichever lower level they come from. The reference's digest is the same on every
 * machine. */
int selfcheck_kernels(char *figure, size_t n, struct err *e)
{
    struct kernels ref, k;
    struct tally t = {0};
    unsigned have = cpu_detect(), seen = 0;
    uint64_t digest;
    kernels_init_ref(&ref);
    int r = kernel_digest(&ref, KERNELS_QUICK, &digest, NULL, NULL, e);
    size_t at = (size_t)snprintf(figure, n, "reference %016" PRIx64, digest);
    for (const struct cpu_level *l = cpu_levels(); l->name && !r; l++) {
        if ((have & l->flags) == seen) continue;
        kernels_init(&k, seen = have & l->flags);
        r = kernel_check(&k, &ref, KERNELS_QUICK, count, &t, e);
        if (at < n) at += (size_t)snprintf(figure + at, n - at, ", %s", l->name);
    }
    if (at < n) snprintf(figure + at, n - at, ": %d slots, %" PRId64 " cases, tolerance 0", t.slots, t.cases);
    return r;
}
