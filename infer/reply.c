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
