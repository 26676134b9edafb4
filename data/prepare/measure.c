#include "data/prepare/measure.h"

#include "data/prepare/answer_key.h"
#include "data/prepare/question.h"
#include "infer/ascii.h"
#include "infer/reply.h"

#include <stdlib.h>
#include <string.h>

uint32_t measure_before(const struct tokenizer *t, const int32_t *ids, uint32_t n, size_t bytes)
{
    for (size_t len; n; n--, bytes -= len) {
        tokenizer_text(t, ids[n - 1], &len);
        if (len > bytes) break;
    }
    return n;
}

size_t measure_thinking(const char *text, size_t len)
{
    const size_t k = strlen(REPLY_CLOSING);
    for (const char *end = text + len, *p; (p = memrchr(text, '<', (size_t)(end - text))); end = p)
        if (starts(p, len - (size_t)(p - text), REPLY_CLOSING)) return (size_t)(p - text) + k;
    return 0;
}

static void look_at_answer(struct fact *out, const char *text, size_t len, size_t thinking)
{
    size_t reply = text_reply(text, len);
    if (thinking || memmem(text, len, REPLY_OPENING, strlen(REPLY_OPENING))) out->flags |= FACT_THINKS;
    if (thinking && reply < len) out->flags |= FACT_FINISHED;
    if (answer_boxed(text + thinking, len - thinking).kind) out->flags |= FACT_BOXED;
    out->content = question_hash(text, len);
    out->answer = answer_key_of(text, len);
}

static int look_at_question(struct fact *out, const struct document *d, const struct nfc *nfc, struct err *e)
{
    char *text;
    size_t len;
    int r = question_text(&text, &len, d->turns, d->n_turns, nfc, e);
    if (r) return r;
    out->question = question_hash(text, len);
    free(text);
    return 0;
}

/* The reply is the short part: it is measured from the end. */
static void count_tokens(struct fact *out, const struct document *d, const struct tokenizer *t,
                         size_t thinking)
{
    const size_t reply = d->turns[d->n_turns - 1].len - thinking;
    const struct chat_span *last = &d->chat.span[d->n_turns - 1];
    uint32_t first = 0;
    while (!document_is_answer(&d->turns[first])) first++;
    out->tokens = last->end;
    out->response_at = last->content;
    out->first_response = d->chat.span[first].content;
    if (thinking)
        out->thinking = measure_before(t, d->chat.ids + last->content, last->end - 1 - last->content, reply);
}

int measure_row(struct fact *out, struct document *d, const struct document_rules *rules,
                const struct nfc *nfc, const struct conv_row *row, struct err *e)
{
    enum document_fate fate = document_turns(d, row);
    *out = (struct fact){.flags = (uint8_t)fate};
    if (fate != DOCUMENT_OK) return 0;
    int r = document_render(d, rules, e);
    if (!r) r = look_at_question(out, d, nfc, e);
    if (r) return r;
    const struct chat_turn *answer = &d->turns[d->n_turns - 1];
    size_t thinking = measure_thinking(answer->content, answer->len);
    for (uint32_t i = 0; i < d->n_turns; i++) out->bytes += (uint32_t)d->turns[i].len;
    look_at_answer(out, answer->content, answer->len, thinking);
    count_tokens(out, d, rules->tokenizer, thinking);
    return 0;
}
