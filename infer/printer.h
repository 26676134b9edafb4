/* An answer on its way to the screen: text as the tokens come, the thinking dimmed.
 *
 * <think> and </think> are found in the text, not in the ids: Qwen2.5 has no such tokens, and the pieces they
 * are made of depend on what stands next to them. So what could be the beginning of a tag is held back until
 * it is decided. */
#ifndef TERSE_INFER_PRINTER_H
#define TERSE_INFER_PRINTER_H

#include "infer/detok.h"
#include "infer/reply.h"

#include <stdio.h>

/* Start from {.f = ..., .text.t = tokenizer}; printer_clear frees the text. */
struct printer {
    FILE *f;           /* NULL: the text is only gathered */
    struct detok text; /* all of the answer so far */
    size_t shown;      /* bytes of it that are out */
    bool thinking;     /* what is out ends inside <think> */
};

/* Adds a token and prints what is decided. Errors: NOMEM, those of writing. */
int printer_token(struct printer *p, int32_t id, struct err *e);
/* After the last token: prints the rest, and a newline where the text does not end with one. Same errors. */
int printer_end(struct printer *p, struct err *e);
void printer_clear(struct printer *p);

#endif
