#include "data/answer.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}
static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}
static bool is_letter(char c)
{
    return (c | 32) >= 'a' && (c | 32) <= 'z';
}

static bool starts(const char *s, size_t n, const char *with)
{
    size_t k = strlen(with);
    return n >= k && !memcmp(s, with, k);
}

/* What may stand around an answer without being part of it. Returns its length at s, 0 for none. */
static size_t frill(const char *s, size_t n)
{
    static const char *const frills[] = {"\\$", "\\(", "\\)", "\\[", "\\]", "\\,",
                                         "\\!", "\\;", "$",   "*",   "`"};
    if (n && is_space(*s)) return 1;
    for (size_t i = 0; i < sizeof frills / sizeof *frills; i++)
        if (starts(s, n, frills[i])) return strlen(frills[i]);
    return 0;
}

/* The length of a frill, or of a full stop, that s[0..n) ends with. */
static size_t frill_at_end(const char *s, size_t n)
{
    if (n >= 2 && s[n - 2] == '\\') return frill(s + n - 2, 2);
    return n && s[n - 1] == '.' ? 1 : n ? frill(s + n - 1, 1) : 0;
}

static struct answer trimmed(enum answer_kind kind, const char *s, size_t n)
{
    for (size_t k; (k = frill(s, n)); n -= k) s += k;
    for (size_t k; (k = frill_at_end(s, n));) n -= k;
    return n ? (struct answer){kind, s, n} : (struct answer){0};
}

/* ---- finding ----------------------------------------------------------------------------------------- */

/* Bytes up to the brace that closes a group opened before s; n when it does not close. */
static size_t group(const char *s, size_t n)
{
    int depth = 1;
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '\\')
            i++;
        else if (s[i] == '{')
            depth++;
        else if (s[i] == '}' && --depth == 0)
            return i;
    }
    return n;
}

/* What follows \boxed or \fbox: a group, or the word after a space. */
static struct answer box(const char *s, size_t n)
{
    size_t skip = 0;
    while (skip < n && s[skip] == ' ') skip++;
    s += skip, n -= skip;
    if (n > ANSWER_MAX) n = ANSWER_MAX;
    if (n && *s == '{') {
        size_t k = group(s + 1, n - 1);
        return k < n - 1 ? trimmed(ANSWER_BOXED, s + 1, k) : (struct answer){0};
    }
    size_t k = 0;
    while (skip && k < n && !is_space(s[k]) && s[k] != '$') k++;
    return trimmed(ANSWER_BOXED, s, k);
}

struct answer answer_boxed(const char *text, size_t len)
{
    for (size_t i = len; i-- > 0;) {
        if (text[i] != '\\') continue;
        size_t word = starts(text + i, len - i, "\\boxed") ? 6 : starts(text + i, len - i, "\\fbox") ? 5 : 0;
        struct answer a = {0};
        if (word) a = box(text + i + word, len - i - word);
        if (a.kind) return a;
    }
    return (struct answer){0};
}

/* Bytes of the unsigned number at s: 12, 1,234, .5, 3.25, 3/4; 0 if there is none. A comma counts between a
 * digit and exactly three. */
static size_t number(const char *s, size_t n)
{
    size_t i = 0, digits = 0;
    for (; i < n; i++) {
        bool comma = s[i] == ',' && digits && n - i > 3 && is_digit(s[i + 1]) && is_digit(s[i + 2]) &&
                     is_digit(s[i + 3]) && (n - i == 4 || !is_digit(s[i + 4]));
        if (!is_digit(s[i]) && !comma) break;
        digits++;
    }
    if (i + 1 < n && (s[i] == '.' || (s[i] == '/' && digits)) && is_digit(s[i + 1]))
        for (i++; i < n && is_digit(s[i]); i++) digits++;
    return digits ? i : 0;
}

/* A minus belongs to the number unless something to subtract from stands before it. */
static bool is_sign(const char *text, size_t at)
{
    if (text[at] != '-') return false;
    return at == 0 || !(is_digit(text[at - 1]) || is_letter(text[at - 1]) || strchr(")}]", text[at - 1]));
}

static struct answer last_number(const char *text, size_t len)
{
    struct answer a = {0};
    for (size_t i = 0, k; i < len; i += k ? k : 1) {
        k = number(text + i, len - i);
        if (!k) continue;
        size_t sign = i > 0 && is_sign(text, i - 1);
        a = (struct answer){ANSWER_NUMBER, text + i - sign, k + sign};
    }
    return a;
}

/* The number at the start of s, else the rest of the sentence. */
static struct answer sentence(const char *s, size_t n)
{
    size_t k, end = 0;
    for (; (k = frill(s, n)) || (n && *s == ':' && (k = 1)); n -= k) s += k;
    if (n > ANSWER_MAX) n = ANSWER_MAX;
    size_t sign = n && *s == '-';
    k = number(s + sign, n - sign);
    if (k && (k + sign == n || !strchr("\\^_", s[k + sign])))
        return (struct answer){ANSWER_SAID, s, k + sign};
    while (end < n && s[end] != '\n' && !(s[end] == '.' && (end + 1 == n || is_space(s[end + 1])))) end++;
    return trimmed(ANSWER_SAID, s, end);
}

static struct answer said(const char *text, size_t len)
{
    static const char *const phrases[] = {"answer is", "answer:"};
    for (size_t i = len; i-- > 0;) {
        if ((text[i] | 32) != 'a') continue;
        for (int p = 0; p < 2; p++) {
            size_t k = strlen(phrases[p]);
            if (len - i < k || strncasecmp(text + i, phrases[p], k)) continue;
            struct answer a = sentence(text + i + k, len - i - k);
            if (a.kind) return a;
        }
    }
    return (struct answer){0};
}

struct answer answer_find(const char *text, size_t len)
{
    struct answer a = answer_boxed(text, len);
    if (!a.kind) a = said(text, len);
    return a.kind ? a : last_number(text, len);
}

struct answer answer_reference(const char *text, size_t len)
{
    struct answer a = answer_boxed(text, len);
    for (size_t i = len; !a.kind && i-- > 0;)
        if (starts(text + i, len - i, "####")) a = trimmed(ANSWER_SAID, text + i + 4, len - i - 4);
    return a.kind ? a : trimmed(ANSWER_SAID, text, len);
}

/* ---- comparing --------------------------------------------------------------------------------------- */

/* num / den, both at most 10^18, so that products fit 128 bits. */
struct rational {
    int64_t num, den;
};
__extension__ typedef __int128 wide;

enum { MAX_DIGITS = 18 };

/* Digits, with commas where `number` allows them; the point, if any, makes the denominator. */
static bool decimal(const char *s, size_t n, struct rational *r)
{
    bool point = false;
    int digits = 0;
    *r = (struct rational){0, 1};
    if (!n || number(s, n) != n || memchr(s, '/', n)) return false;
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '.') point = true;
        if (!is_digit(s[i])) continue;
        if (++digits > MAX_DIGITS) return false;
        r->num = r->num * 10 + (s[i] - '0');
        if (point) r->den *= 10;
    }
    return true;
}

static bool integer(const char *s, size_t n, int64_t *out)
{
    struct rational r;
    bool ok = decimal(s, n, &r) && r.den == 1;
    *out = r.num;
    return ok;
}

/* \frac{a}{b}, \dfrac{a}{b}, \tfrac{a}{b} of integers, or a/b. */
static bool fraction(const char *s, size_t n, struct rational *r)
{
    size_t word = starts(s, n, "\\frac{") ? 6 : starts(s, n, "\\dfrac{") || starts(s, n, "\\tfrac{") ? 7 : 0;
    const char *slash = memchr(s, '/', n);
    if (!word && slash)
        return integer(s, (size_t)(slash - s), &r->num) &&
               integer(slash + 1, n - (size_t)(slash - s) - 1, &r->den) && r->den;
    if (!word) return false;
    size_t a = group(s + word, n - word), at = word + a + 2;
    if (at >= n || s[at - 1] != '{') return false;
    size_t b = group(s + at, n - at);
    return at + b + 1 == n && integer(s + word, a, &r->num) && integer(s + at, b, &r->den) && r->den;
}

static bool rational(const char *s, size_t n, struct rational *r)
{
    bool negative = n && *s == '-';
    if (n && (*s == '-' || *s == '+')) s++, n--;
    if (!decimal(s, n, r) && !fraction(s, n, r)) return false;
    if (negative) r->num = -r->num;
    return true;
}

static bool same_text(struct answer a, struct answer b)
{
    size_t i = 0, j = 0;
    for (;;) {
        while (i < a.n && is_space(a.s[i])) i++;
        while (j < b.n && is_space(b.s[j])) j++;
        if (i == a.n || j == b.n) return i == a.n && j == b.n;
        if (a.s[i++] != b.s[j++]) return false;
    }
}

bool answer_equal(const char *a, size_t a_len, const char *b, size_t b_len)
{
    struct answer x = trimmed(ANSWER_SAID, a, a_len), y = trimmed(ANSWER_SAID, b, b_len);
    struct rational p, q;
    if (!x.n || !y.n) return false;
    if (rational(x.s, x.n, &p) && rational(y.s, y.n, &q)) return (wide)p.num * q.den == (wide)q.num * p.den;
    return same_text(x, y);
}
