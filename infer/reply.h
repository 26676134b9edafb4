/* An answer is thinking between <think> and </think>, and a reply. */
#ifndef TERSE_INFER_REPLY_H
#define TERSE_INFER_REPLY_H

#include <stddef.h>

#define REPLY_OPENING "<think>"
#define REPLY_CLOSING "</think>"

/* Where the reply begins: after the last </think> and the white space that follows it; the whole text's
 * length when the thinking never ended, 0 when there was none. */
size_t text_reply(const char *text, size_t len);

#endif
