#include "infer/detok.h"

#include <stdlib.h>

static int reserve(struct detok *d, size_t more, struct err *e)
{
    if (d->n + more < d->cap) return 0;
    size_t cap = 2 * d->cap + more + 64;
    char *text = realloc(d->text, cap);
    if (!text) return err_set(e, ERR_NOMEM, "no memory for %zu bytes of text", cap);
    d->text = text, d->cap = cap;
    return 0;
}

int detok_push(struct detok *d, int32_t id, struct err *e)
{
    size_t len;
    const char *text = tokenizer_text(d->t, id, &len);
    if (tokenizer_kind(d->t, id) == TOKEN_CONTROL) len = 0;
    int r = reserve(d, 3 * len + 4, e);
    if (r) return r;
    d->n += utf8_stream_feed(&d->utf8, text, len, d->text + d->n);
    d->text[d->n] = 0;
    return 0;
}

int detok_end(struct detok *d, struct err *e)
{
    int r = reserve(d, 4, e);
    if (r) return r;
    d->n += utf8_stream_flush(&d->utf8, d->text + d->n);
    d->text[d->n] = 0;
    return 0;
}

void detok_clear(struct detok *d)
{
    free(d->text);
    *d = (struct detok){.t = d->t};
}
