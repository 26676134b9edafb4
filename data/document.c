#include "data/document.h"

#include "checkpoints/sha256.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int document_init(struct document *d, struct err *e)
{
    *d = (struct document){0};
    d->turns = calloc(DOCUMENT_TURNS, sizeof *d->turns);
    d->spans = calloc(DOCUMENT_TURNS, sizeof *d->spans);
    if (d->turns && d->spans) return 0;
    document_release(d);
    return err_set(e, ERR_NOMEM, "no memory for a document");
}

void document_release(struct document *d)
{
    free(d->turns);
    free(d->spans);
    chat_clear(&d->chat);
    *d = (struct document){0};
}

bool document_is_answer(const struct chat_turn *t)
{
    return t->role == ROLE_ASSISTANT && t->len > 0;
}

enum document_fate document_turns(struct document *d, const struct conv_row *row)
{
    int64_t last = -1;
    d->n_turns = 0;
    if (!row->has_turns || row->n_turns == 0 || row->n_turns > DOCUMENT_TURNS) return DOCUMENT_EMPTY;
    for (size_t i = 0; i < row->n_turns; i++) {
        const struct conv_turn *t = &row->turns[i];
        struct chat_turn *out = &d->turns[i];
        if (!t->from.s || chat_role_of(&out->role, t->from.s, t->from.n, NULL) ||
            (i > 0 && out->role == ROLE_SYSTEM))
            return DOCUMENT_BAD_ROLES;
        if (!t->value.s) return DOCUMENT_EMPTY;
        out->content = t->value.s, out->len = t->value.n;
        if (document_is_answer(out)) last = (int64_t)i;
    }
    if (last < 0) return DOCUMENT_NO_ANSWER;
    if (d->turns[0].role == ROLE_ASSISTANT) return DOCUMENT_BAD_ROLES;
    d->n_turns = (uint32_t)last + 1;
    d->doc = (struct shard_doc){.source_row = row->index, .domain = document_domain(row->domain)};
    return DOCUMENT_OK;
}

int document_render(struct document *d, const struct document_rules *rules, struct err *e)
{
    chat_clear(&d->chat);
    return chatml_render(&d->chat, rules->tokenizer, d->turns, d->n_turns, rules->system, 0, e);
}

/* The last answer that begins within cutoff_len, of those to learn; -1 when there is none. */
static int64_t last_answer(const struct document *d, const struct document_rules *rules)
{
    int64_t i = (int64_t)d->n_turns - 1;
    while (i >= 0 && (!document_is_answer(&d->turns[i]) || d->chat.span[i].content >= rules->cutoff_len))
        i = rules->learn == LEARN_LAST ? -1 : i - 1;
    return i;
}

/* What is learned of n tokens: turn `last` with its <|im_end|>, all answers up to it as far as they are not
 * cut off, or all. */
static uint32_t mark(struct document *d, enum build_learn learn, int64_t last, uint32_t n)
{
    uint32_t spans = 0;
    if (learn == LEARN_ALL) {
        d->spans[0] = (struct label_span){1, n};
        return 1;
    }
    for (int64_t i = learn == LEARN_ANSWERS ? 0 : last; i <= last; i++) {
        const struct chat_span *s = &d->chat.span[i];
        if (document_is_answer(&d->turns[i]))
            d->spans[spans++] = (struct label_span){s->content, s->end < n ? s->end : n};
    }
    return spans;
}

enum document_fate document_cut(struct document *d, const struct document_rules *rules)
{
    int64_t last = last_answer(d, rules);
    if (last < 0) return DOCUMENT_NO_ANSWER;
    const struct chat_span *s = &d->chat.span[last];
    uint32_t n = s->end < rules->cutoff_len ? s->end : rules->cutoff_len;
    d->doc.ids = (const uint32_t *)d->chat.ids, d->doc.n = n;
    d->doc.header_at = s->header, d->doc.response_at = s->content;
    d->doc.spans = d->spans, d->doc.n_spans = mark(d, rules->learn, last, n);
    d->answer = (uint32_t)last, d->cut = d->chat.span[d->n_turns - 1].end > rules->cutoff_len;
    return DOCUMENT_OK;
}

enum shard_domain document_domain(struct conv_text t)
{
    static const char *const names[DOMAIN_COUNT] = {"", "math", "code", "science", "chat"};
    for (int i = 1; i < DOMAIN_COUNT; i++)
        if (t.s && t.n == strlen(names[i]) && !memcmp(t.s, names[i], t.n)) return (enum shard_domain)i;
    return DOMAIN_OTHER;
}

int document_template(const struct document_rules *rules, char hex[SHA256_HEX], struct err *e)
{
    const char *system = rules->system ? rules->system : tokenizer_default_system(rules->tokenizer);
    char *text;
    int n = asprintf(&text, "chatml 1\nsystem %s\n", system ? system : "");
    if (n < 0) return err_set(e, ERR_NOMEM, "no memory for a template");
    int r = sha256_hex(text, (size_t)n, hex, e);
    free(text);
    return r;
}
