/* Splits text into pre-tokens by Qwen2's regular expression. Words never merge across a split. */
#ifndef TERSE_INFER_PRETOKEN_H
#define TERSE_INFER_PRETOKEN_H

#include "infer/err.h"

#include <stddef.h>

/* The pattern as tokenizer.json spells it; the only one terse knows. */
extern const char pretoken_pattern[];

/* The compiled pattern: immutable, shared by threads. */
struct pretoken;
int pretoken_create(struct pretoken **out, struct err *e); /* NOMEM, INTERNAL */
void pretoken_free(struct pretoken *p);                    /* NULL ok */

/* One thread's walk over one text. */
struct pretoken_walk {
    const struct pretoken *p;
    const char *text; /* valid UTF-8, the caller's */
    size_t len, at;   /* at: end of the last pre-token */
    void *match;      /* lazily made */
};
void pretoken_start(struct pretoken_walk *w, const struct pretoken *p, const char *text, size_t len);
/* *end = byte offset behind the pre-token that starts at w->at, which is below w->len. Returns 0, NOMEM or
 * INTERNAL. The caller advances w->at. */
int pretoken_next(struct pretoken_walk *w, size_t *end, struct err *e);
void pretoken_stop(struct pretoken_walk *w);

#endif
