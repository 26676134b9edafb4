/* The headers of an answer, line by line. */
#include "data/fetch/reply.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http_reply r;
    const char *at = (const char *)data, *end = at + size;
    r = (struct http_reply){0};
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t n = stop ? (size_t)(stop - at) + 1 : (size_t)(end - at);
        struct err e = {0};
        if (http_reply_line(&r, at, n, &e)) break;
        if (r.has_range && r.has_total && r.last >= r.total) abort();
        if (strlen(r.etag) >= HTTP_ETAG || strlen(r.next) >= HTTP_URL) abort();
        at += n;
    }
    return 0;
}
