/* The headers of one HTTP answer, read strictly: line by line as they come, within a limit. */
#ifndef TERSE_DATA_FETCH_REPLY_H
#define TERSE_DATA_FETCH_REPLY_H

#include "infer/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HTTP_URL = 8192, HTTP_ETAG = 256, HTTP_HEADERS = 128 << 10 /* bytes of all headers of a request */ };

struct http_reply {
    int status;
    bool complete;               /* the empty line behind them came */
    bool has_length, has_range;  /* `length`; `first`, `last` */
    bool has_total;              /* `total`; both of a Content-Range */
    bool chunked, encoded;       /* transferred in chunks; compressed, in whatever way */
    bool multipart, html;        /* by its type */
    uint64_t length;             /* Content-Length */
    uint64_t first, last, total; /* Content-Range: bytes first-last/total */
    char etag[HTTP_ETAG];        /* a strong one, with its quotes; "" */
    char location[HTTP_URL];     /* as sent; "" */
    char next[HTTP_URL];         /* the target of a Link with rel="next", as sent; "" */
    char message[200];           /* X-Error-Message: what the Hugging Face hub has to say; "" */
    uint64_t bytes;              /* of all lines so far */
};

/* Takes the next line (with or without its line break; NULs may be in it). A status line begins anew, but for
 * `bytes`; what comes after the empty line of a final answer (trailers) is only counted. Answers 1xx pass.
 * Errors: HTTP_HEADER (over the limit, or a field over its room that matters), HTTP_LENGTH (Content-Length
 * that is no number, or twice). A malformed Content-Range is none. */
int http_reply_line(struct http_reply *r, const char *line, size_t n, struct err *e);

#endif
