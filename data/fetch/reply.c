#include "data/fetch/reply.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- values ------------------------------------------------------------------------------------------ */

/* Decimal digits at *s, and *s behind them. False when there are none or too many. */
static bool take_number(const char **s, uint64_t *out)
{
    uint64_t v = 0;
    const char *p = *s;
    for (; isdigit((unsigned char)*p); p++)
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
            return false;
    if (p == *s) return false;
    *s = p;
    *out = v;
    return true;
}

static int take_length(struct http_reply *r, const char *value, struct err *e)
{
    const char *s = value;
    if (r->has_length) return err_set(e, ERR_HTTP_LENGTH, "the server sent Content-Length twice");
    r->has_length = take_number(&s, &r->length) && !*s;
    return r->has_length ? 0 : err_set(e, ERR_HTTP_LENGTH, "Content-Length: %.60s, expected a number", value);
}

/* "bytes 5-9/10", "bytes 5-9/" and a star, or "bytes", a star and "/10". RFC 9110, section 14.4. */
static void take_range(struct http_reply *r, const char *s)
{
    uint64_t first = 0, last = 0, total = 0;
    bool star, ranged;
    if (strncasecmp(s, "bytes ", 6)) return;
    s += 6;
    ranged = *s != '*';
    if (ranged ? !take_number(&s, &first) || *s++ != '-' || !take_number(&s, &last) || last < first : !*s++)
        return;
    if (*s++ != '/') return;
    star = *s == '*' && !s[1];
    if (!star && (!take_number(&s, &total) || *s || (ranged && last >= total))) return;
    r->has_range = ranged;
    r->has_total = !star;
    r->first = first, r->last = last, r->total = total;
}

/* Strong validators only: W/"..." says that bytes may differ. */
static void take_etag(struct http_reply *r, const char *s)
{
    size_t n = strlen(s);
    r->etag[0] = 0;
    if (n < 2 || n >= HTTP_ETAG || s[0] != '"' || s[n - 1] != '"') return;
    for (size_t i = 1; i < n - 1; i++)
        if (s[i] == '"' || (unsigned char)s[i] <= ' ' || s[i] == 0x7f) return;
    memcpy(r->etag, s, n + 1);
}

static int take_text(char *out, size_t cap, const char *s, const char *what, struct err *e)
{
    if (strlen(s) >= cap) return err_set(e, ERR_HTTP_HEADER, "%s of %zu bytes", what, strlen(s));
    strcpy(out, s);
    return 0;
}

/* <target>; rel="next", perhaps among others. RFC 8288. */
static int take_link(struct http_reply *r, const char *s, struct err *e)
{
    while ((s = strchr(s, '<'))) {
        size_t n = strcspn(++s, ">");
        const char *after = s + n + (s[n] == '>');
        size_t params = strcspn(after, "<");
        const char *rel = strcasestr(after, "rel=\"next\"");
        if (rel && rel < after + params) {
            if (n >= sizeof r->next) return err_set(e, ERR_HTTP_HEADER, "Link of %zu bytes", n);
            memcpy(r->next, s, n);
            r->next[n] = 0;
            return 0;
        }
        s = after;
    }
    return 0;
}

/* ---- lines ------------------------------------------------------------------------------------------- */

static int take_field(struct http_reply *r, const char *name, const char *value, struct err *e)
{
    int rc = 0;
    if (!strcasecmp(name, "content-length"))
        rc = take_length(r, value, e);
    else if (!strcasecmp(name, "content-range"))
        take_range(r, value);
    else if (!strcasecmp(name, "etag"))
        take_etag(r, value);
    else if (!strcasecmp(name, "location"))
        rc = take_text(r->location, sizeof r->location, value, "Location", e);
    else if (!strcasecmp(name, "link"))
        rc = take_link(r, value, e);
    else if (!strcasecmp(name, "x-error-message"))
        strncpy(r->message, value, sizeof r->message - 1);
    else if (!strcasecmp(name, "content-encoding"))
        r->encoded |= *value && strcasecmp(value, "identity");
    else if (!strcasecmp(name, "transfer-encoding")) {
        r->chunked = !strcasecmp(value, "chunked");
        r->encoded |= !r->chunked && strcasecmp(value, "identity");
    } else if (!strcasecmp(name, "content-type")) {
        r->multipart = !strncasecmp(value, "multipart/", 10);
        r->html = !strncasecmp(value, "text/html", 9);
    }
    return rc;
}

/* "HTTP/1.1 206 Partial Content" begins an answer. */
static void begin(struct http_reply *r, const char *line)
{
    const char *space = strchr(line, ' ');
    uint64_t bytes = r->bytes;
    *r = (struct http_reply){.bytes = bytes};
    r->status = space ? atoi(space) : 0;
}

int http_reply_line(struct http_reply *r, const char *line, size_t n, struct err *e)
{
    char text[HTTP_URL + 64];
    r->bytes += n;
    if (r->bytes > HTTP_HEADERS) return err_set(e, ERR_HTTP_HEADER, "over %d bytes of headers", HTTP_HEADERS);
    while (n && (line[n - 1] == '\r' || line[n - 1] == '\n' || line[n - 1] == ' ' || line[n - 1] == '\t'))
        n--;
    if (r->complete && r->status >= 200) return 0;
    if (!n) return r->complete = true, 0;
    if (n >= sizeof text) return 0; /* nothing that is looked at may be as long */
    memcpy(text, line, n);
    text[n] = 0;
    if (!strncmp(text, "HTTP/", 5)) return begin(r, text), 0;
    char *colon = strchr(text, ':');
    if (!colon) return 0;
    *colon++ = 0;
    return take_field(r, text, colon + strspn(colon, " \t"), e);
}
