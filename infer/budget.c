#include "infer/budget.h"

#include <stdlib.h>
#include <string.h>

int budget_init(struct budget *b, const struct tokenizer *t, uint32_t tokens, uint32_t answer,
                const char *closing, struct err *e)
{
    size_t len = strlen(closing), room = 3 * len + 1, n;
    *b = (struct budget){.tokens = tokens, .answer = answer, .t = t};
    if (!len) return err_set(e, ERR_ROW_EMPTY, "the text that closes the thinking is empty");
    b->closing = calloc(room, sizeof *b->closing);
    int r = b->closing ? tokenizer_encode(t, closing, len, 0, b->closing, room, &n, e)
                       : err_set(e, ERR_NOMEM, "no memory for a text of %zu bytes", len);
    if (r)
        budget_clear(b);
    else
        b->n = (uint32_t)n;
    return r;
}

void budget_clear(struct budget *b)
{
    free(b->closing);
    memset(b, 0, sizeof *b);
}

void budget_watch(struct reply_watch *w, const struct tokenizer *t, int32_t id)
{
    size_t n;
    const char *text = tokenizer_text(t, id, &n);
    if (tokenizer_kind(t, id) != TOKEN_CONTROL) reply_watch_feed(w, text, n);
}
