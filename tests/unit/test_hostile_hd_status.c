/* What a download server may do: HOSTILE_INPUTS, section HD, case by case: where it sends us (HD28 to HD31),
 * and what it answers instead (HD33 to HD36). */
#include "tests/support/hd_case.h"
#include "tests/support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

HANDLER(loop)
{
    http_print(c, "HTTP/1.1 302 Found\r\nLocation: /loop%d\r\nContent-Length: 0\r\n\r\n", r->number % 3);
}

static void redirect(struct http_conn *c, const char *to)
{
    http_print(c, "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 5\r\n\r\nthere", to);
}
HANDLER(to_file)
{
    redirect(c, "file:///etc/passwd");
}
HANDLER(to_ftp)
{
    redirect(c, "ftp://example.com/x");
}
HANDLER(to_http)
{
    redirect(c, "http://example.com/x");
}
HANDLER(to_loopback)
{
    redirect(c, "https://127.0.0.1:1/x");
}
HANDLER(to_metadata)
{
    redirect(c, "http://169.254.169.254/latest/meta-data/");
}
HANDLER(to_loopback6)
{
    redirect(c, "https://[::1]/x");
}
HANDLER(to_password)
{
    redirect(c, "https://me:secret@example.com/x");
}
HANDLER(to_nowhere)
{
    http_print(c, "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n");
}
/* A body that never ends stands under the redirect. */
HANDLER(to_relative)
{
    if (r->number > 1) return hd_good(c, r);
    http_print(c, "HTTP/1.1 307 There\r\nLocation: here?x=1\r\nTransfer-Encoding: chunked\r\n\r\n");
    while (!c->broken) {
        http_print(c, "%x\r\n", HD_SIZE);
        http_body(c, hd_file, HD_SIZE);
        http_print(c, "\r\n");
    }
}

static void troubled(struct http_conn *c, const struct http_request *r, int times, const char *status)
{
    if (r->number > times)
        hd_good(c, r);
    else
        http_print(c, "HTTP/1.1 %s\r\nContent-Length: 4\r\n\r\nsoon", status);
}
HANDLER(too_many)
{
    troubled(c, r, 1, "429 Too many\r\nRetry-After: 1000000000");
}
HANDLER(date_past)
{
    troubled(c, r, 1, "503 Later\r\nRetry-After: Mon, 01 Jan 2001 00:00:00 GMT");
}
HANDLER(five_times)
{
    troubled(c, r, 5, "500 Trouble");
}
HANDLER(always_500)
{
    troubled(c, r, 1000, "500 Trouble");
}
HANDLER(who_are_you)
{
    troubled(c, r, 1000, "401 Who\r\nX-Error-Message: gated, says the hub");
}
HANDLER(not_allowed)
{
    troubled(c, r, 1000, "403 No");
}
HANDLER(not_there)
{
    troubled(c, r, 1000, "404 None");
}
static const struct hd_row rows[] = {
    {"HD28", loop, ERR_REDIRECTS, "over 10 redirects", 11, 0},
    {"HD29 file", to_file, ERR_URL_SCHEME, "file:///etc/passwd", 1, 0},
    {"HD29 ftp", to_ftp, ERR_URL_SCHEME, "ftp://", 1, 0},
    {"HD30", to_http, ERR_URL_SCHEME, "not https", 1, 0},
    {"HD31", to_loopback, ERR_URL_HOST, "private", 1, 0},
    {"HD31 cloud", to_metadata, ERR_URL_HOST, "169.254.169.254", 1, 0},
    {"HD31 v6", to_loopback6, ERR_URL_HOST, "private", 1, 0},
    {"HD31 password", to_password, ERR_URL_CRED, "user name", 1, 0},
    {"HD31 nowhere", to_nowhere, ERR_HTTP_STATUS, "302", 1, 0},
    {"HD31 relative", to_relative, 0, NULL, 2, 0},
    {"HD33", too_many, 0, NULL, 2, 0},
    {"HD34", date_past, 0, NULL, 2, 0},
    {"HD35", five_times, 0, NULL, 6, 0},
    {"HD35 for ever", always_500, ERR_RETRY_LIMIT, "status 500", 9, 0},
    {"HD36 401", who_are_you, ERR_HTTP_STATUS, "HF_TOKEN, if it is the hub's: gated, says the hub", 1, 0},
    {"HD36 403", not_allowed, ERR_HTTP_STATUS, "403", 1, 0},
    {"HD36 404", not_there, ERR_HTTP_STATUS, "404", 1, 0},
};

int main(void)
{
    return hd_main(rows, sizeof rows / sizeof *rows);
}
