#include "infer/prompt.h"

#include <stdlib.h>
#include <string.h>

static uint32_t last_occurrence(const int32_t *ids, uint32_t n, const int32_t *what, uint32_t k)
{
    for (uint32_t i = n >= k ? n - k + 1 : 0; i-- > 0;)
        if (!memcmp(ids + i, what, k * sizeof *ids)) return i;
    return UINT32_MAX;
}

/* response: first token that is the model's to write. */
static uint32_t gate(const struct loaded *l, const struct prompt *p, uint32_t header, uint32_t response)
{
    if (!l->adapter) return UINT32_MAX;
    if (l->adapter->cfg.gate == GATE_ALL) return 0;
    if (l->adapter->cfg.gate == GATE_RESPONSE) return response;
    if (!l->info.n_invocation) return header;
    return last_occurrence(p->ids, p->n, l->info.invocation, l->info.n_invocation);
}

static int append_text(struct prompt *p, const struct tokenizer *t, const char *text, size_t len, int control,
                       struct err *e)
{
    size_t n, room = 3 * len + 1;
    if (p->n + room > INT32_MAX) return err_set(e, ERR_TEXT_LEN, "a prompt of %zu bytes is too long", len);
    int32_t *ids = realloc(p->ids, (p->n + room) * sizeof *ids);
    if (!ids) return err_set(e, ERR_NOMEM, "no memory for a prompt of %zu bytes", len);
    p->ids = ids;
    int r = tokenizer_encode(t, text, len, control, ids + p->n, room, &n, e);
    if (!r) p->n += (uint32_t)n;
    return r;
}

int prompt_chat(struct prompt *out, const struct loaded *l, const struct chat_turn *turns, uint32_t n,
                const char *system, bool think, struct err *e)
{
    struct chat c;
    memset(out, 0, sizeof *out);
    int r = chatml_render(&c, l->tokenizer, turns, n, system, CHAT_OPEN, e);
    if (r) return r;
    struct chat_span open = c.span[n];
    out->ids = c.ids, out->n = c.n;
    c.ids = NULL;
    chat_clear(&c);
    if (think) r = append_text(out, l->tokenizer, PROMPT_THINK, sizeof PROMPT_THINK - 1, 0, e);
    out->forced = out->n - open.content;
    if (r)
        prompt_clear(out);
    else
        out->adapt_from = gate(l, out, open.header, open.content);
    return r;
}

int prompt_raw(struct prompt *out, const struct loaded *l, const char *text, size_t len, struct err *e)
{
    memset(out, 0, sizeof *out);
    if (!len) return err_set(e, ERR_ROW_EMPTY, "the prompt is empty, and there is nothing to go on from");
    int r = append_text(out, l->tokenizer, text, len, 1, e);
    if (r)
        prompt_clear(out);
    else
        out->adapt_from = gate(l, out, UINT32_MAX, out->n);
    return r;
}

void prompt_clear(struct prompt *p)
{
    free(p->ids);
    memset(p, 0, sizeof *p);
}

uint32_t prompt_stops(const struct tokenizer *t, int32_t stop[PROMPT_MAX_STOPS])
{
    int n;
    const int32_t *eos = tokenizer_eos(t, &n);
    int32_t end = tokenizer_id(t, "<|im_end|>", 10);
    memcpy(stop, eos, (size_t)n * sizeof *stop);
    if (end >= 0 && !tokenizer_is_eos(t, end)) stop[n++] = end;
    return (uint32_t)n;
}
