#include "data/url.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

static size_t scheme_length(const char *text)
{
    size_t n = 0;
    while (isalnum((unsigned char)text[n]) || (n && text[n] && strchr("+-.", text[n]))) n++;
    return n && isalpha((unsigned char)*text) && !strncmp(text + n, "://", 3) ? n : 0;
}

bool url_is(const char *text)
{
    return scheme_length(text) > 0;
}

/* 64 hex digits and nothing behind them. */
static bool is_sha256(const char *s)
{
    return strspn(s, "0123456789abcdefABCDEF") == 64 && !s[64];
}

static const char digest[] = "#sha256=";

size_t url_digest(const char *url, char hex[65])
{
    size_t n = strcspn(url, "#");
    hex[0] = 0;
    if (!url[n]) return n;
    const char *digits = url + n + sizeof digest - 1;
    if (strncmp(url + n, digest, sizeof digest - 1) || !is_sha256(digits)) return 0;
    for (int i = 0; i <= 64; i++) hex[i] = (char)tolower((unsigned char)digits[i]);
    return n;
}

int url_check(const char *url, const char *what, struct err *e)
{
    char hex[65];
    size_t scheme = scheme_length(url);
    const char *host = url + scheme + 3;
    size_t authority = strcspn(host, "/?#");
    if (memchr(host, '@', authority))
        return err_set(e, ERR_URL_CRED, "%s: the %.*s address holds a user name or password; expected none",
                       what, (int)scheme, url);
    if (scheme != 5 || strncasecmp(url, "https", 5) || !authority)
        return err_set(e, ERR_URL_SCHEME,
                       "%s: %.200s is not https://HOST/...; expected https, or a local path", what, url);
    if (!url_digest(url, hex) || !*hex)
        return err_set(e, ERR_URL_HASH, "%s: %.200s does not end in #sha256= and 64 hex digits of the file",
                       what, url);
    return 0;
}
