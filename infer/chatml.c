#include "infer/chatml.h"

#include <stdlib.h>
#include <string.h>

static const char *const role_names[ROLE_COUNT] = {"system", "user", "assistant"};

struct writer {
    const struct tokenizer *t;
    struct chat *c;
    size_t capacity;
    int32_t start, end; /* <|im_start|>, <|im_end|> */
    struct err *e;
};

static int reserve(struct writer *w, size_t more)
{
    size_t wanted = w->c->n + more;
    if (wanted <= w->capacity) return 0;
    if (wanted > INT32_MAX)
        return err_set(w->e, ERR_TEXT_LEN, "a conversation of more than %d tokens", INT32_MAX);
    size_t capacity = wanted > 2 * w->capacity ? wanted : 2 * w->capacity;
    int32_t *ids = realloc(w->c->ids, capacity * sizeof *ids);
    if (!ids) return err_set(w->e, ERR_NOMEM, "no memory for a conversation of %zu tokens", wanted);
    w->c->ids = ids, w->capacity = capacity;
    return 0;
}

static int put_id(struct writer *w, int32_t id)
{
    int r = reserve(w, 1);
    if (!r) w->c->ids[w->c->n++] = id;
    return r;
}

static int put_text(struct writer *w, const char *text, size_t len)
{
    struct err why = {0};
    size_t n = 0;
    int r = reserve(w, len + 1);
    if (r) return r;
    r = tokenizer_encode(w->t, text, len, 0, w->c->ids + w->c->n, w->capacity - w->c->n, &n, &why);
    if (r == ERR_NEED) {
        if ((r = reserve(w, n))) return r;
        why.code = 0;
        r = tokenizer_encode(w->t, text, len, 0, w->c->ids + w->c->n, w->capacity - w->c->n, &n, &why);
    }
    if (r) return err_set(w->e, r, "%s", why.msg);
    w->c->n += (uint32_t)n;
    return 0;
}

/* The template's text between two control tokens is one piece to a tokenizer: "user\nCONTENT". */
static int put_piece(struct writer *w, const char *role, const char *content, size_t len)
{
    size_t head = strlen(role);
    char *piece = malloc(head + 1 + len);
    if (!piece) return err_set(w->e, ERR_NOMEM, "no memory for a turn of %zu bytes", len);
    memcpy(piece, role, head);
    piece[head] = '\n';
    memcpy(piece + head + 1, content, len);
    int r = put_text(w, piece, head + 1 + len);
    free(piece);
    return r;
}

/* An assistant's header is encoded by itself, since that is what a model is given to go on from. */
static int put_turn(struct writer *w, enum chat_role role, const char *content, size_t len,
                    struct chat_span *span)
{
    span->header = w->c->n;
    int r = put_id(w, w->start);
    span->content = w->c->n;
    if (!r && role != ROLE_ASSISTANT) r = put_piece(w, role_names[role], content, len);
    if (!r && role == ROLE_ASSISTANT) {
        r = put_piece(w, role_names[role], "", 0);
        span->content = w->c->n;
        if (!r) r = put_text(w, content, len);
    }
    if (!r) r = put_id(w, w->end);
    span->end = w->c->n;
    return r ? r : put_text(w, "\n", 1);
}

static int put_all(struct writer *w, const struct chat_turn *turns, uint32_t n, const char *system,
                   unsigned flags)
{
    struct chat_span none;
    int r = 0;
    if (!system) system = tokenizer_default_system(w->t);
    if (system && turns[0].role != ROLE_SYSTEM && !(flags & CHAT_NO_DEFAULT))
        r = put_turn(w, ROLE_SYSTEM, system, strlen(system), &none);
    for (uint32_t i = 0; !r && i < n; i++) {
        if (i > 0 && turns[i].role == ROLE_SYSTEM)
            return err_set(w->e, ERR_ROLE_ORDER,
                           "turn %u is a system turn, expected only the first to be one", i + 1);
        r = put_turn(w, turns[i].role, turns[i].content, turns[i].len, &w->c->span[w->c->turns++]);
    }
    if (r || !(flags & CHAT_OPEN)) return r;
    struct chat_span *open = &w->c->span[w->c->turns++];
    open->header = w->c->n;
    r = put_id(w, w->start);
    if (!r) r = put_piece(w, role_names[ROLE_ASSISTANT], "", 0);
    open->content = open->end = w->c->n;
    return r;
}

/* An ordinary token of that name will not do: a user's text could spell it. */
static int control_id(const struct tokenizer *t, const char *name, int32_t *id, struct err *e)
{
    *id = tokenizer_id(t, name, strlen(name));
    if (tokenizer_kind(t, *id) == TOKEN_CONTROL) return 0;
    return err_set(e, ERR_TOK_SPECIAL, "the tokenizer has no control token %s, which ChatML needs", name);
}

int chatml_render(struct chat *out, const struct tokenizer *t, const struct chat_turn *turns, uint32_t n,
                  const char *system, unsigned flags, struct err *e)
{
    struct writer w = {.t = t, .c = out, .e = e};
    memset(out, 0, sizeof *out);
    int r = control_id(t, "<|im_start|>", &w.start, e);
    if (!r) r = control_id(t, "<|im_end|>", &w.end, e);
    if (r) return r;
    if (n == 0) return err_set(e, ERR_ROLE_ORDER, "a conversation without turns");
    out->span = calloc(n + 1, sizeof *out->span);
    r = out->span ? put_all(&w, turns, n, system, flags)
                  : err_set(e, ERR_NOMEM, "no memory for a conversation of %u turns", n);
    if (r) chat_clear(out);
    return r;
}

void chat_clear(struct chat *c)
{
    free(c->ids);
    free(c->span);
    memset(c, 0, sizeof *c);
}

enum { HEADER_MAX = 16 }; /* tokens: "assistant\n" has 10 bytes */

int chatml_last_header(struct chat_span *out, const struct tokenizer *t, const int32_t *ids, uint32_t n,
                       struct err *e)
{
    int32_t header[HEADER_MAX] = {tokenizer_id(t, "<|im_start|>", 12)};
    size_t k;
    *out = (struct chat_span){n, n, n};
    int r = tokenizer_encode(t, "assistant\n", 10, 0, header + 1, HEADER_MAX - 1, &k, e);
    if (r) return r;
    k++;
    for (size_t i = n >= k ? n - k + 1 : 0; i-- > 0;) {
        if (memcmp(ids + i, header, k * sizeof *ids)) continue;
        out->header = (uint32_t)i, out->content = (uint32_t)(i + k);
        break;
    }
    return 0;
}

int chat_role_of(enum chat_role *out, const char *name, size_t len, struct err *e)
{
    static const struct {
        const char *name;
        enum chat_role role;
    } known[] = {
        {"system", ROLE_SYSTEM},       {"user", ROLE_USER},     {"human", ROLE_USER},
        {"assistant", ROLE_ASSISTANT}, {"gpt", ROLE_ASSISTANT},
    };
    for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
        if (strlen(known[i].name) == len && !memcmp(known[i].name, name, len)) {
            *out = known[i].role;
            return 0;
        }
    return err_set(e, ERR_ROLE, "unknown role \"%.*s\", expected system, user, human, assistant or gpt",
                   (int)(len < 40 ? len : 40), name);
}
