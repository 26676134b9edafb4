#include "infer/prompt.h"
#include "infer/budget.h"

#include <stdlib.h>
#include <string.h>

static uint32_t last_occurrence(const int32_t *ids, uint32_t n, const int32_t *what, uint32_t k)
{
    for (uint32_t i = n >= k ? n - k + 1 : 0; i-- > 0;)
        if (!memcmp(ids + i, what, k * sizeof *ids)) return i;
    return UINT32_MAX;
}

int prompt_gate(uint32_t *adapt_from, const struct loaded *l, const int32_t *ids, uint32_t n, struct err *e)
{
    struct chat_span last;
    *adapt_from = UINT32_MAX;
    if (!l->adapter) return 0;
    enum lora_gate gate = l->adapter->cfg.gate;
    if (gate == GATE_ALL) {
        *adapt_from = 0;
    } else if (gate == GATE_ASSISTANT && l->info.n_invocation) {
        *adapt_from = last_occurrence(ids, n, l->info.invocation, l->info.n_invocation);
    } else {
        int r = chatml_last_header(&last, l->tokenizer, ids, n, e);
        if (r) return r;
        if (gate == GATE_RESPONSE)
            *adapt_from = last.content;
        else if (last.header < n)
            *adapt_from = last.header;
    }
    return 0;
}

int prompt_asked(uint32_t *from, uint32_t *to, const struct tokenizer *t, const int32_t *ids, uint32_t n,
                 struct err *e)
{
    struct chat_span last;
    int32_t start = tokenizer_id(t, "<|im_start|>", 12);
    int r = chatml_last_header(&last, t, ids, n, e);
    if (r) return r;
    *from = 0, *to = last.header ? last.header : n;
    for (uint32_t i = *to; i-- > 0 && !*from;)
        if (ids[i] == start) *from = i;
    return 0;
}

/* Whether the answer that is to be gone on with, or a text without turns, has thinking open. */
static int watch(struct prompt *p, const struct loaded *l, struct err *e)
{
    struct chat_span last;
    struct reply_watch w = {0};
    int r = chatml_last_header(&last, l->tokenizer, p->ids, p->n, e);
    if (r) return r;
    for (uint32_t i = last.header < p->n ? last.content : 0; i < p->n; i++)
        budget_watch(&w, l->tokenizer, p->ids[i]);
    p->thinking = w.thinking;
    return 0;
}

/* Decides the gate, or clears the prompt after an error. */
static int finish(struct prompt *p, const struct loaded *l, int r, struct err *e)
{
    if (!r) r = prompt_gate(&p->adapt_from, l, p->ids, p->n, e);
    if (!r) r = watch(p, l, e);
    if (r) prompt_clear(p);
    return r;
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
    return finish(out, l, r, e);
}

int prompt_raw(struct prompt *out, const struct loaded *l, const char *text, size_t len, struct err *e)
{
    memset(out, 0, sizeof *out);
    if (!len) return err_set(e, ERR_ROW_EMPTY, "the prompt is empty, and there is nothing to go on from");
    return finish(out, l, append_text(out, l->tokenizer, text, len, 1, e), e);
}

int prompt_ids(struct prompt *out, const struct loaded *l, const int32_t *ids, uint32_t n, struct err *e)
{
    memset(out, 0, sizeof *out);
    if (!n) return err_set(e, ERR_ROW_EMPTY, "no tokens, and there is nothing to go on from");
    for (uint32_t i = 0; i < n; i++)
        if ((uint32_t)ids[i] >= l->m->c.vocab)
            return err_set(e, ERR_TOKEN_RANGE, "token %d at %u, expected 0 to %u", ids[i], i,
                           l->m->c.vocab - 1);
    out->ids = malloc(n * sizeof *ids);
    if (!out->ids) return err_set(e, ERR_NOMEM, "no memory for a prompt of %u tokens", n);
    memcpy(out->ids, ids, n * sizeof *ids);
    out->n = n;
    return finish(out, l, 0, e);
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
