#include "infer/reply.h"

#include <string.h>

static const char opening[] = REPLY_OPENING, closing[] = REPLY_CLOSING;

size_t text_reply(const char *text, size_t len)
{
    const size_t k = sizeof closing - 1;
    for (size_t i = len >= k ? len - k + 1 : 0; i-- > 0;) {
        if (memcmp(text + i, closing, k)) continue;
        for (i += k; i < len && strchr(" \n\r\t", text[i]); i++) continue;
        return i;
    }
    return len && memmem(text, len, opening, sizeof opening - 1) ? len : 0;
}

void reply_watch_feed(struct reply_watch *w, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *tag = w->thinking ? closing : opening;
        w->matched = text[i] == tag[w->matched] ? (unsigned char)(w->matched + 1) : text[i] == '<';
        if (!tag[w->matched]) w->thinking = !w->thinking, w->matched = 0;
    }
}
