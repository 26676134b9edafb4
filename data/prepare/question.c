#include "data/prepare/question.h"

#include "infer/ascii.h"
#include "infer/hash.h"
#include "infer/utf8.h"

#include <stdlib.h>
#include <string.h>

/* Bytes of the white space that s [n] begins with, Unicode's too (White_Space of UAX #44); 0 for none. */
static size_t space_at(const char *s, size_t n)
{
    if (is_space(*s)) return 1;
    if ((unsigned char)*s < 0xc2) return 0;
    size_t k = utf8_char(s, n);
    unsigned c = k ? utf8_code(s, k) : 0;
    bool space = c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
                 c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
    return space ? k : 0;
}

/* In place; returns the new length. */
static size_t squeeze(char *s, size_t n)
{
    size_t to = 0;
    bool gap = false;
    for (size_t i = 0, k; i < n;) {
        if ((k = space_at(s + i, n - i))) {
            gap = to > 0, i += k;
            continue;
        }
        if (gap) s[to++] = ' ';
        gap = false;
        char c = s[i++];
        s[to++] = c >= 'A' && c <= 'Z' ? (char)(c | 32) : c;
    }
    return to;
}

int question_text(char **out, size_t *len, const struct chat_turn *turns, uint32_t n, const struct nfc *nfc,
                  struct err *e)
{
    size_t size = 1, at = 0, normal_len = 0;
    char *normal = NULL;
    for (uint32_t i = 0; i + 1 < n; i++) size += turns[i].len + 1;
    char *text = *out = malloc(size);
    if (!text) return err_set(e, ERR_NOMEM, "no memory for a question");
    for (uint32_t i = 0; i + 1 < n; i++) {
        if (turns[i].role != ROLE_USER) continue;
        memcpy(text + at, turns[i].content, turns[i].len);
        at += turns[i].len;
        text[at++] = '\n';
    }
    int r = nfc_normalize(nfc, text, at, &normal, &normal_len, e);
    if (normal) free(text), *out = text = normal, at = normal_len;
    if (r) free(text), *out = NULL;
    *len = r ? 0 : squeeze(text, at);
    return r;
}

uint64_t question_hash(const char *text, size_t len)
{
    return hash_bytes(text, len, 0x9e3779b97f4a7c15u);
}

static bool of_word(char c)
{
    return is_letter(c) || is_digit(c) || (unsigned char)c >= 0x80;
}

bool question_word(const char *text, size_t len, size_t *i, uint64_t *hash)
{
    uint64_t h = 0xcbf29ce484222325u;
    while (*i < len && !of_word(text[*i])) ++*i;
    if (*i == len) return false;
    for (; *i < len && of_word(text[*i]); ++*i)
        h = (h ^ (uint8_t)(is_letter(text[*i]) ? text[*i] | 32 : text[*i])) * 0x100000001b3u;
    *hash = h;
    return true;
}
