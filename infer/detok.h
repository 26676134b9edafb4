/* Tokens back to text as they come: always valid UTF-8, without control tokens. */
#ifndef TERSE_INFER_DETOK_H
#define TERSE_INFER_DETOK_H

#include "infer/tokenizer.h"
#include "infer/utf8.h"

/* Start from {.t = tokenizer}; detok_clear frees the text. */
struct detok {
    const struct tokenizer *t;
    char *text; /* [n] and a NUL, owned; NULL before the first push */
    size_t n, cap;
    struct utf8_stream utf8; /* the beginning of a character whose rest has not come */
};

/* Appends the text of a token. Errors: NOMEM; *d stays as it was. */
int detok_push(struct detok *d, int32_t id, struct err *e);
/* After the last token: a character left incomplete becomes U+FFFD. Errors: NOMEM. */
int detok_end(struct detok *d, struct err *e);
void detok_clear(struct detok *d);

#endif
