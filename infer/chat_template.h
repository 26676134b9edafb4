/* What a chat template does, if it is one that terse knows. */
#ifndef TERSE_INFER_CHAT_TEMPLATE_H
#define TERSE_INFER_CHAT_TEMPLATE_H

#include "infer/err.h"

#include <stddef.h>

/* The default system turn of a chat template: *out = NULL when it has none, else the caller's to free. `what`
 * names the text in messages. Errors: TPL_UNKNOWN, TOO_LARGE (over 64 KiB), NOMEM. */
int chat_template_read(const char *what, const char *text, size_t len, char **out, struct err *e);

#endif
