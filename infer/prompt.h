/* What a loaded model is given to go on from: token ids, and where in them its adapter begins to act. */
#ifndef TERSE_INFER_PROMPT_H
#define TERSE_INFER_PROMPT_H

#include "infer/chatml.h"
#include "infer/loaded.h"

struct prompt {
    int32_t *ids; /* [n], owned */
    uint32_t n;
    uint32_t forced;     /* of them, tokens at the end that are the answer's beginning */
    uint32_t adapt_from; /* first token the adapter acts on; UINT32_MAX: never */
    bool thinking;       /* it ends inside a <think> of the answer's beginning */
};

#define PROMPT_THINK "<think>\n"

/* The token of ids [n] from which on the adapter acts: with gate `all`, the first; with an adapter that names
 * invocation tokens (aLoRA), their last occurrence; else the last assistant's header, or with gate `response`
 * what follows it (the end, where there is no header). UINT32_MAX: nowhere. Errors: those of
 * tokenizer_encode. */
int prompt_gate(uint32_t *adapt_from, const struct loaded *l, const int32_t *ids, uint32_t n, struct err *e);

/* What a switcher reads of ids [n] (session_watch): positions [*from, *to), the last turn before the last
 * assistant's header, its own header included; all of it where there are no turns. These tokens are the
 * base's whatever the gate (but `all`). Errors: those of tokenizer_encode. */
int prompt_asked(uint32_t *from, uint32_t *to, const struct tokenizer *t, const int32_t *ids, uint32_t n,
                 struct err *e);

/* Turns as ChatML, ended with an open assistant header and, if `think`, with PROMPT_THINK, so that the model
 * cannot answer at once. system: the system turn where the turns have none; NULL: the tokenizer's own. *out
 * is the caller's to prompt_clear; empty after an error. Errors: those of chatml_render. */
int prompt_chat(struct prompt *out, const struct loaded *l, const struct chat_turn *turns, uint32_t n,
                const char *system, bool think, struct err *e);
/* Text as it is, control tokens included. Errors: those of tokenizer_encode, ROW_EMPTY (no text). */
int prompt_raw(struct prompt *out, const struct loaded *l, const char *text, size_t len, struct err *e);
/* Tokens as they are. Errors: ROW_EMPTY, TOKEN_RANGE, NOMEM. */
int prompt_ids(struct prompt *out, const struct loaded *l, const int32_t *ids, uint32_t n, struct err *e);
void prompt_clear(struct prompt *p);

/* Tokens that end an answer: the tokenizer's, and <|im_end|>. Returns how many. */
enum { PROMPT_MAX_STOPS = TOKENIZER_MAX_EOS + 1 };
uint32_t prompt_stops(const struct tokenizer *t, int32_t stop[PROMPT_MAX_STOPS]);

#endif
