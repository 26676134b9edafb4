#include "infer/check.h"

#include <stdlib.h>
#include <string.h>

int check_init(struct request_check *c, const struct tokenizer *t, enum pooling pooling, const char *prompt,
               struct err *e)
{
    size_t len = strlen(prompt), room = 3 * len + 1, n = 0;
    *c = (struct request_check){.whole = pooling != POOL_LAST};
    if (c->whole || !len) return 0;
    int32_t *ids = malloc(room * sizeof *ids);
    int r = ids ? tokenizer_encode(t, prompt, len, 0, ids, room, &n, e)
                : err_set(e, ERR_NOMEM, "no memory for a verification prompt of %zu bytes", len);
    c->ids = ids, c->n = (uint32_t)n;
    if (r) check_clear(c);
    return r;
}

void check_clear(struct request_check *c)
{
    free((void *)c->ids);
    *c = (struct request_check){0};
}
