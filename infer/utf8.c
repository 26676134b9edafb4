#include "infer/utf8.h"

#include <string.h>

/* Allowed second bytes narrow for some leads: they keep out overlong forms, surrogates and > U+10FFFF. */
size_t utf8_char(const char *text, size_t len)
{
    const unsigned char *s = (const unsigned char *)text;
    if (!len) return 0;
    if (s[0] < 0x80) return 1;
    if (s[0] < 0xc2 || s[0] > 0xf4) return 0;
    size_t n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    if (len < n) return 0;
    unsigned lo = s[0] == 0xe0 ? 0xa0 : s[0] == 0xf0 ? 0x90 : 0x80;
    unsigned hi = s[0] == 0xed ? 0x9f : s[0] == 0xf4 ? 0x8f : 0xbf;
    if (s[1] < lo || s[1] > hi) return 0;
    for (size_t i = 2; i < n; i++)
        if ((s[i] & 0xc0) != 0x80) return 0;
    return n;
}

unsigned utf8_code(const char *s, size_t n)
{
    static const unsigned char lead_bits[5] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    unsigned code = (unsigned char)s[0] & lead_bits[n];
    for (size_t i = 1; i < n; i++) code = code << 6 | ((unsigned char)s[i] & 0x3f);
    return code;
}

/* Characters of ASCII at the start of s, or somewhat fewer: eight at a time, since most text is. */
static size_t ascii_run(const char *s, size_t len)
{
    size_t n = 0;
    for (uint64_t eight; len - n >= 8; n += 8) {
        memcpy(&eight, s + n, 8);
        if (eight & 0x8080808080808080u) break;
    }
    return n;
}

size_t utf8_prefix(const char *s, size_t len)
{
    for (size_t i = 0, n;; i += n) {
        i += ascii_run(s + i, len - i);
        if (i == len || !(n = utf8_char(s + i, len - i))) return i;
    }
}

bool utf8_valid(const char *s, size_t len)
{
    return utf8_prefix(s, len) == len;
}

size_t utf8_count(const char *s, size_t len)
{
    size_t count = 0;
    for (size_t i = 0; i < len; i++) count += ((unsigned char)s[i] & 0xc0) != 0x80;
    return count;
}

bool utf8_partial(const char *s, size_t len)
{
    char whole[4] = {0};
    if (!len || len > 3 || utf8_char(s, len)) return false;
    /* complete it with each of the two extreme continuations; one of them is allowed if any is */
    for (int fill = 0; fill < 2; fill++) {
        memset(whole, fill ? 0xbf : 0x80, sizeof whole);
        memcpy(whole, s, len);
        if (utf8_char(whole, sizeof whole) > len) return true;
    }
    return false;
}

size_t utf8_encode(uint32_t c, char *out)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6) out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)((0xf00u >> n & 0xf0) | c);
    return n;
}

/* ---- a stream
 * ----------------------------------------------------------------------------------------------- */

static size_t replacement(char *out)
{
    memcpy(out, "\xef\xbf\xbd", 3);
    return 3;
}

/* Adds one byte and takes out whatever it decides: a character, or U+FFFD for bytes that can begin none. */
static size_t feed_byte(struct utf8_stream *u, char byte, char *out)
{
    size_t n = 0, size;
    u->held[u->n++] = byte;
    while (u->n && !utf8_partial(u->held, u->n)) {
        size_t take = u->n;
        if ((size = utf8_char(u->held, u->n))) {
            memcpy(out + n, u->held, take = size);
            n += size;
        } else {
            /* the longest beginning of a character goes, as Unicode advises; the last byte may start anew */
            while (take > 1 && !utf8_partial(u->held, take)) take--;
            n += replacement(out + n);
        }
        u->n -= take;
        memmove(u->held, u->held + take, u->n);
    }
    return n;
}

size_t utf8_stream_feed(struct utf8_stream *u, const char *s, size_t len, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) n += feed_byte(u, s[i], out + n);
    return n;
}

size_t utf8_stream_flush(struct utf8_stream *u, char *out)
{
    size_t n = u->n ? replacement(out) : 0;
    u->n = 0;
    return n;
}

size_t utf8_control(const char *s, size_t len)
{
    if (!len) return 0;
    unsigned char a = (unsigned char)s[0], b = len > 1 ? (unsigned char)s[1] : 0;
    if (a < 0x20 || a == 0x7f) return 1;
    return a == 0xc2 && b >= 0x80 && b < 0xa0 ? 2 : 0;
}
