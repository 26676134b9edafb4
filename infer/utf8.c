#include "infer/utf8.h"

/* Allowed second bytes narrow for some leads: they keep out overlong forms, surrogates and > U+10FFFF. */
size_t utf8_char(const char *text, size_t len) {
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

bool utf8_valid(const char *s, size_t len) {
    for (size_t i = 0, n; i < len; i += n)
        if (!(n = utf8_char(s + i, len - i))) return false;
    return true;
}

size_t utf8_count(const char *s, size_t len) {
    size_t count = 0;
    for (size_t i = 0; i < len; i++) count += ((unsigned char)s[i] & 0xc0) != 0x80;
    return count;
}
