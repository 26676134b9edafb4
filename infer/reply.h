/* An answer is thinking between <think> and </think>, and a reply. */
#ifndef TERSE_INFER_REPLY_H
#define TERSE_INFER_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#define REPLY_OPENING "<think>"
#define REPLY_CLOSING "</think>"

/* Where the reply begins: after the last </think> and the white space that follows it; the whole text's
 * length when the thinking never ended, 0 when there was none. */
size_t text_reply(const char *text, size_t len);

/* Whether thinking is open at the end of a text that comes in pieces. Start from {0}, or {.thinking = true}
 * inside <think>. */
struct reply_watch {
    bool thinking;
    unsigned char matched; /* bytes of the tag that would change it */
};
/* The next piece [n]; a tag may be spread over several. */
void reply_watch_feed(struct reply_watch *w, const char *text, size_t n);

#endif
