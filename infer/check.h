/* What is run after a finished answer so that a verifier can read its hidden states (infer/generate.h). */
#ifndef TERSE_INFER_CHECK_H
#define TERSE_INFER_CHECK_H

#include "infer/generate.h"
#include "infer/tokenizer.h"

/* For states pooled so: of the last of the tokens of `prompt`, or of the answer's own where that is "", as
 * text without control tokens; or, unless it is POOL_LAST, of all of the answer (prompt then counts for
 * nothing). *c is the caller's to check_clear, empty after an error. Errors: those of tokenizer_encode. */
int check_init(struct request_check *c, const struct tokenizer *t, enum pooling pooling, const char *prompt,
               struct err *e);
void check_clear(struct request_check *c); /* an empty one too */

#endif
