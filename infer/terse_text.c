/* libterse: text, tokens and conversations. */
#include "infer/detok.h"
#include "infer/terse_private.h"

#include <stdlib.h>
#include <string.h>

int terse_tokenize(const struct terse_model *m, const char *text, size_t bytes, unsigned flags, int32_t *ids,
                   size_t capacity, size_t *n, struct terse_error *error)
{
    struct err e = {0};
    size_t len = bytes == SIZE_MAX ? strlen(text) : bytes;
    return terse_end(
        error, &e,
        tokenizer_encode(m->l.tokenizer, text, len, (flags & TERSE_CONTROL) != 0, ids, capacity, n, &e));
}

int terse_turns(struct chat_turn **out, const struct terse_message *messages, size_t n, struct err *e)
{
    int r = 0;
    if (n > 1 << 20) return err_set(e, ERR_TOO_MANY, "%zu messages, expected at most %d", n, 1 << 20);
    struct chat_turn *turns = *out = calloc(n + 1, sizeof *turns);
    if (!turns) return err_set(e, ERR_NOMEM, "no memory for %zu messages", n);
    for (size_t i = 0; !r && i < n; i++) {
        const struct terse_message *said = &messages[i];
        if (!said->role || !said->content) {
            r = err_set(e, ERR_USAGE, "message %zu has no %s", i, said->role ? "content" : "role");
            break;
        }
        turns[i].content = said->content, turns[i].len = strlen(said->content);
        r = chat_role_of(&turns[i].role, said->role, strlen(said->role), e);
    }
    if (r) {
        free(turns);
        *out = NULL;
    }
    return r;
}

int terse_chat_tokenize(const struct terse_model *m, const struct terse_message *messages, size_t n,
                        const char *system, int32_t *ids, size_t capacity, size_t *n_ids,
                        struct terse_error *error)
{
    struct err e = {0};
    struct chat_turn *turns;
    struct chat c;
    int r = terse_turns(&turns, messages, n, &e);
    if (r) return terse_end(error, &e, r);
    r = chatml_render(&c, m->l.tokenizer, turns, (uint32_t)n, system, CHAT_OPEN, &e);
    free(turns);
    if (r) return terse_end(error, &e, r);
    *n_ids = c.n;
    if (capacity < c.n) r = err_set(&e, ERR_NEED, "a conversation of %u tokens, room for %zu", c.n, capacity);
    if (c.n && capacity) memcpy(ids, c.ids, (capacity < c.n ? capacity : c.n) * sizeof *ids);
    chat_clear(&c);
    return terse_end(error, &e, r);
}

const char *terse_token_bytes(const struct terse_model *m, int32_t id, size_t *bytes)
{
    return tokenizer_text(m->l.tokenizer, id, bytes);
}

int terse_token_is_end(const struct terse_model *m, int32_t id)
{
    for (uint32_t i = 0; i < m->n_stop; i++)
        if (m->stop[i] == id) return 1;
    return 0;
}

int terse_detokenize(const struct terse_model *m, const int32_t *ids, size_t n, char *text, size_t capacity,
                     size_t *bytes, struct terse_error *error)
{
    struct err e = {0};
    struct detok d = {.t = m->l.tokenizer};
    int r = 0;
    for (size_t i = 0; !r && i < n; i++) r = detok_push(&d, ids[i], &e);
    if (!r) r = detok_end(&d, &e);
    if (!r) *bytes = d.n;
    if (!r && d.n >= capacity)
        r = err_set(&e, ERR_NEED, "a text of %zu bytes and a zero, room for %zu", d.n, capacity);
    if (!r) memcpy(text, d.text, d.n + 1);
    detok_clear(&d);
    return terse_end(error, &e, r);
}

/* ---- as they come -------------------------------------------------------------------------------------- */

size_t terse_piece_text(const struct terse_model *m, struct utf8_stream *u, int32_t id, char *out)
{
    size_t len;
    const char *text = tokenizer_text(m->l.tokenizer, id, &len);
    if (tokenizer_kind(m->l.tokenizer, id) == TOKEN_CONTROL) len = 0;
    size_t n = utf8_stream_feed(u, text, len, out);
    out[n] = 0;
    return n;
}

int terse_text_create(struct terse_text **out, struct terse_model *m, struct terse_error *error)
{
    struct err e = {0};
    struct terse_text *t = *out = calloc(1, sizeof *t + m->token_room);
    if (!t) return terse_end(error, &e, err_set(&e, ERR_NOMEM, "no memory for a text"));
    t->m = m;
    terse_model_hold(m);
    return 0;
}

const char *terse_text_push(struct terse_text *t, int32_t id, size_t *bytes)
{
    *bytes = terse_piece_text(t->m, &t->utf8, id, t->buffer);
    return t->buffer;
}

const char *terse_text_end(struct terse_text *t, size_t *bytes)
{
    *bytes = utf8_stream_flush(&t->utf8, t->buffer);
    t->buffer[*bytes] = 0;
    return t->buffer;
}

void terse_text_free(struct terse_text *t)
{
    if (!t) return;
    terse_model_close(t->m);
    free(t);
}
