#include "infer/byte_alphabet.h"
#include "infer/utf8.h"

/* The byte that a character of the alphabet stands for, or -1. */
static int alphabet_byte(uint32_t c)
{
    if ((c >= 0x21 && c <= 0x7e) || (c >= 0xa1 && c <= 0xac) || (c >= 0xae && c <= 0xff)) return (int)c;
    if (c >= 0x100 && c <= 0x120) return (int)(c - 0x100);
    if (c >= 0x121 && c <= 0x142) return (int)(c - 0x121 + 0x7f);
    return c == 0x143 ? 0xad : -1;
}

int64_t alphabet_undo(const char *s, size_t len, char *out, size_t *bad)
{
    int64_t n = 0;
    for (size_t i = 0, size; i < len; i += size) {
        uint32_t c = (unsigned char)s[i];
        size = c < 0x80 ? 1 : 2;
        if (c >= 0x80) c = c < 0xe0 ? (c & 0x1f) << 6 | ((unsigned char)s[i + 1] & 0x3f) : UINT32_MAX;
        int byte = alphabet_byte(c);
        *bad = i;
        if (byte < 0) return -1;
        out[n++] = (char)byte;
    }
    return n;
}

static uint32_t alphabet_char(unsigned char byte)
{
    if (byte <= 0x20) return 0x100u + byte;
    if (byte >= 0x7f && byte <= 0xa0) return 0x121u + byte - 0x7f;
    return byte == 0xad ? 0x143u : byte;
}

size_t alphabet_spell(const char *s, size_t len, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) n += utf8_encode(alphabet_char((unsigned char)s[i]), out + n);
    return n;
}
