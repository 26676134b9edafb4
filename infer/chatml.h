/* ChatML: <|im_start|>ROLE\nCONTENT<|im_end|>\n, turn after turn. The ids are those of Qwen2.5's chat
 * template.
 *
 * Control tokens are put in by id; roles and contents are always encoded as plain text, so a content that
 * spells <|im_start|> stays text. (Where an assistant's content starts with white space, Hugging Face's
 * template would merge it with the header's newline when it tokenises a finished conversation; a model that
 * generates is never in that position, so here the header stands alone.) */
#ifndef TERSE_INFER_CHATML_H
#define TERSE_INFER_CHATML_H

#include "infer/tokenizer.h"

enum chat_role { ROLE_SYSTEM, ROLE_USER, ROLE_ASSISTANT, ROLE_COUNT };

struct chat_turn {
    enum chat_role role;
    const char *content; /* UTF-8, not NUL-terminated */
    size_t len;
};

/* Where a turn's tokens are. */
struct chat_span {
    uint32_t header;  /* its <|im_start|> */
    uint32_t content; /* assistant: first token after the header's newline; others: after <|im_start|> */
    uint32_t end;     /* one past its <|im_end|>; the newline after it belongs to no span */
};

struct chat {
    int32_t *ids; /* [n], owned */
    uint32_t n;
    struct chat_span *span; /* [turns], owned; a default system turn has none */
    uint32_t turns;
};

enum chat_flags {
    CHAT_OPEN = 1,      /* end with an open assistant header, for the model to go on */
    CHAT_NO_DEFAULT = 2 /* no default system turn where the first turn is not a system turn */
};

/* Renders n turns. system: the default system turn's text, or NULL for the tokenizer's own
 * (tokenizer_default_system). *out is the caller's to chat_clear; empty after an error. With CHAT_OPEN the
 * header's index is out->span[n].header (out->turns is then n + 1, with content == end == out->n). Errors:
 * TOK_SPECIAL (no ChatML control tokens), ROLE_ORDER (a system turn that is not the first; no turn at all),
 * those of tokenizer_encode. */
int chatml_render(struct chat *out, const struct tokenizer *t, const struct chat_turn *turns, uint32_t n,
                  const char *system, unsigned flags, struct err *e);
void chat_clear(struct chat *c);

/* The last assistant's header in ids [n]: header and content as in a span, end = n. Both are n where there is
 * none. Errors: those of tokenizer_encode. */
int chatml_last_header(struct chat_span *out, const struct tokenizer *t, const int32_t *ids, uint32_t n,
                       struct err *e);

/* "system", "user", "human", "assistant", "gpt" -> role. ERR_ROLE names the text. */
int chat_role_of(enum chat_role *out, const char *name, size_t len, struct err *e);

#endif
