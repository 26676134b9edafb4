/* Memory with a lifetime: planned, taken once, carved, given back at once.
 *
 * The function that carves is run twice: first on an arena without memory, which only counts (and hands out
 * NULL), then on one created with that size. So a plan can never disagree with what is taken. */
#ifndef TERSE_INFER_ARENA_H
#define TERSE_INFER_ARENA_H

#include "infer/err.h"

#include <stddef.h>

struct arena {
    char *base;  /* NULL while planning */
    size_t size; /* bytes owned */
    size_t used; /* bytes carved or, while planning, asked for */
};

/* Takes `bytes` of zeroed memory, on huge pages where the system gives them. `what` names it in the error:
 * NOMEM. On failure *a is empty. */
int arena_create(struct arena *a, size_t bytes, const char *what, struct err *e);
void arena_free(struct arena *a);

/* `count` elements of `size` bytes, aligned to 64. NULL while planning. Never fails: the plan was made by the
 * same calls (asserted). */
void *arena_take(struct arena *a, size_t count, size_t size);

#endif
