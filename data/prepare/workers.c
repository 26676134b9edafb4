#include "data/prepare/workers.h"

#include <stdlib.h>

int workers_init(struct workers *w, struct pool *pool, struct err *e)
{
    unsigned threads = pool_threads(pool);
    *w = (struct workers){.pool = pool, .room = calloc(threads, sizeof *w->room)};
    int r = w->room ? nfc_create(&w->nfc, e) : err_set(e, ERR_NOMEM, "no memory to tokenise");
    for (unsigned i = 0; !r && i < threads; i++) r = document_init(&w->room[i], e);
    if (r) workers_release(w);
    return r;
}

void workers_release(struct workers *w)
{
    for (unsigned i = 0; w->room && i < pool_threads(w->pool); i++) document_release(&w->room[i]);
    free(w->room);
    nfc_free(w->nfc);
    *w = (struct workers){0};
}

int ticker_tick(const struct ticker *t, uint64_t done, struct err *e)
{
    if (!t->tick || !t->tick(t->ctx, done)) return 0;
    return err_set(e, ERR_INTERRUPTED, "interrupted; the same command goes on");
}
