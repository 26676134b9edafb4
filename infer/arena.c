#include "infer/arena.h"
#include "infer/size.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 2 << 20, LINE = 64 };

int arena_create(struct arena *a, size_t bytes, const char *what, struct err *e)
{
    *a = (struct arena){0};
    size_t size = round_up(bytes ? bytes : 1, bytes >= HUGE_PAGE ? HUGE_PAGE : 4096);
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return err_set(e, ERR_NOMEM, "no memory for %s: %.1f MiB wanted", what, (double)bytes / (1 << 20));
    if (size >= HUGE_PAGE) madvise(p, size, MADV_HUGEPAGE);
    *a = (struct arena){.base = p, .size = size};
    return 0;
}

void arena_free(struct arena *a)
{
    if (a->base) munmap(a->base, a->size);
    *a = (struct arena){0};
}

void *arena_take(struct arena *a, size_t count, size_t size)
{
    uint64_t bytes;
    if (ckd_mul(&bytes, count, size)) abort();
    size_t at = a->used;
    a->used = at + round_up(bytes, LINE);
    if (!a->base) return NULL;
    if (a->used > a->size) abort();
    return a->base + at;
}
