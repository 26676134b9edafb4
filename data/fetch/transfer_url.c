#include "data/fetch/transfer_url.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

static int no_memory(struct err *e)
{
    return err_set(e, ERR_NOMEM, "no memory for an address");
}

/* One part of it into out[cap]; false when there is none or it is too long. */
static bool part_of(CURLU *u, CURLUPart which, unsigned flags, char *out, size_t cap)
{
    char *text = NULL;
    bool ok = curl_url_get(u, which, &text, flags) == CURLUE_OK && strlen(text) < cap;
    if (ok) strcpy(out, text);
    curl_free(text);
    return ok;
}

static int read_origin(struct origin *o, CURLU *u, const char *url, struct err *e)
{
    char scheme[16] = "";
    CURLUcode code = curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME | CURLU_DISALLOW_USER);
    if (code == CURLUE_USER_NOT_ALLOWED)
        return err_set(e, ERR_URL_CRED, "the address holds a user name or password; expected none");
    part_of(u, CURLUPART_SCHEME, 0, scheme, sizeof scheme);
    o->tls = !strcasecmp(scheme, "https");
    if (code || (!o->tls && strcasecmp(scheme, "http")) ||
        !part_of(u, CURLUPART_HOST, 0, o->host, sizeof o->host) ||
        !part_of(u, CURLUPART_PORT, CURLU_DEFAULT_PORT, o->port, sizeof o->port))
        return err_set(e, ERR_URL_SCHEME, "%.200s is not https://HOST/...", url);
    return 0;
}

int origin_of(struct origin *o, const char *url, struct err *e)
{
    *o = (struct origin){0};
    CURLU *u = curl_url();
    if (!u) return no_memory(e);
    int rc = read_origin(o, u, url, e);
    curl_url_cleanup(u);
    return rc;
}

bool origin_same(const struct origin *a, const struct origin *b)
{
    return a->tls == b->tls && !strcasecmp(a->host, b->host) && !strcmp(a->port, b->port);
}

int url_print(char out[HTTP_URL], struct err *e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(out, HTTP_URL, fmt, ap);
    va_end(ap);
    if (n >= 0 && n < HTTP_URL) return 0;
    return err_set(e, ERR_PATH, "an address of over %d bytes: %.100s...", HTTP_URL - 1, out);
}

int url_join(char out[HTTP_URL], const char *base, const char *relative, struct err *e)
{
    CURLU *u = curl_url();
    if (!u) return no_memory(e);
    bool ok =
        curl_url_set(u, CURLUPART_URL, base, 0) == CURLUE_OK &&
        curl_url_set(u, CURLUPART_URL, relative, CURLU_NON_SUPPORT_SCHEME | CURLU_URLENCODE) == CURLUE_OK &&
        part_of(u, CURLUPART_URL, 0, out, HTTP_URL);
    curl_url_cleanup(u);
    return ok ? 0 : err_set(e, ERR_URL_SCHEME, "%.200s is not an address", relative);
}

/* ---- private networks -------------------------------------------------------------------------------- */

/* The special-purpose blocks of RFC 6890 that stay inside, and groups. */
static bool private_v4(uint32_t a)
{
    static const struct {
        uint32_t net, bits;
    } blocks[] = {{0x00000000, 8},  {0x0a000000, 8},  {0x64400000, 10}, {0x7f000000, 8},  {0xa9fe0000, 16},
                  {0xac100000, 12}, {0xc0000000, 24}, {0xc0a80000, 16}, {0xc6120000, 15}, {0xe0000000, 3}};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        if ((a ^ blocks[i].net) >> (32 - blocks[i].bits) == 0) return true;
    return false;
}

static uint32_t load_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool private_v6(const uint8_t a[16])
{
    static const uint8_t zero[12], mapped[12] = {[10] = 0xff, [11] = 0xff}, nat64[12] = {0, 0x64, 0xff, 0x9b};
    if (!memcmp(a, zero, 12)) return true; /* ::, ::1 and the old way to write IPv4 */
    if (!memcmp(a, mapped, 12) || !memcmp(a, nat64, 12)) return private_v4(load_be32(a + 12));
    return (a[0] & 0xfe) == 0xfc || (a[0] == 0xfe && (a[1] & 0x80)) || a[0] == 0xff;
}

bool address_private(const struct sockaddr *a)
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    if (a->sa_family == AF_INET) return memcpy(&in, a, sizeof in), private_v4(ntohl(in.sin_addr.s_addr));
    if (a->sa_family == AF_INET6) return memcpy(&in6, a, sizeof in6), private_v6(in6.sin6_addr.s6_addr);
    return true;
}

int address_port(const struct sockaddr *a)
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    if (a->sa_family == AF_INET) return memcpy(&in, a, sizeof in), ntohs(in.sin_port);
    if (a->sa_family == AF_INET6) return memcpy(&in6, a, sizeof in6), ntohs(in6.sin6_port);
    return -1;
}

bool host_private(const char *host)
{
    char bare[256] = "";
    uint8_t a[16];
    size_t n = strlen(host);
    if (n > 2 && n < sizeof bare && host[0] == '[') memcpy(bare, host + 1, n - 2);
    if (*bare) return inet_pton(AF_INET6, bare, a) != 1 || private_v6(a);
    if (inet_pton(AF_INET, host, a) == 1) return private_v4(load_be32(a));
    return !strcasecmp(host, "localhost") || (n > 10 && !strcasecmp(host + n - 10, ".localhost"));
}
