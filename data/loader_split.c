/* Which documents are held out: whole questions, whatever set they stand in. */
#include "data/loader_parts.h"
#include "data/order.h"

#include <stdlib.h>

/* *last = the greatest key that is held out when `count` (>= 1) of n documents or a little more are. */
static int split_key(const struct order *o, uint64_t n, uint64_t count, uint64_t *last, struct err *e)
{
    uint64_t *keys = malloc(n * sizeof *keys), at = 0;
    if (!keys) return err_set(e, ERR_NOMEM, "no memory to split %llu documents", (unsigned long long)n);
    for (uint32_t s = 0; s < o->n_sets; s++) {
        const uint64_t *questions = shards_questions(o->sets[s].shards);
        for (uint64_t d = o->base[s]; d < o->base[s + 1]; d++)
            keys[at++] = order_question(questions[d - o->base[s]]);
    }
    *last = order_last_held_out(keys, n, count);
    free(keys);
    return 0;
}

static int choose(struct order *o, uint64_t n, uint64_t last, struct err *e)
{
    o->members = malloc(n * sizeof *o->members);
    if (!o->members) return err_set(e, ERR_NOMEM, "no memory for %llu documents", (unsigned long long)n);
    for (uint32_t s = 0; s < o->n_sets; s++) {
        const uint64_t *questions = shards_questions(o->sets[s].shards);
        for (uint64_t d = o->base[s]; d < o->base[s + 1]; d++) {
            int validation = order_question(questions[d - o->base[s]]) <= last;
            if (validation == (o->c.split == LOADER_VALIDATION)) o->members[o->n++] = (uint32_t)d;
        }
    }
    return 0;
}

int order_split(struct order *o, struct err *e)
{
    const uint64_t n = o->base[o->n_sets], out = order_held_out(o->c.val_size, n);
    uint64_t last = 0;
    int rc = 0;
    o->n = 0;
    if (out) rc = split_key(o, n, out, &last, e);
    if (!rc && out) rc = choose(o, n, last, e);
    if (!rc && !out && o->c.split == LOADER_TRAIN) o->n = n;
    if (rc || o->n) return rc;
    return err_set(e, ERR_DATA_EMPTY, "val_size %g leaves no %s document of %llu", o->c.val_size,
                   o->c.split == LOADER_VALIDATION ? "validation" : "training", (unsigned long long)n);
}
