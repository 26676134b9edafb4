#include "infer/number.h"
#include "infer/ascii.h"

#include <string.h>

__extension__ typedef __int128 wide;

enum { MAX_DIGITS = 18 }; /* so that products fit 128 bits */

static bool is_comma(const char *s, size_t n)
{
    return *s == ',' && n > 3 && is_digit(s[1]) && is_digit(s[2]) && is_digit(s[3]) &&
           (n == 4 || !is_digit(s[4]));
}

size_t number_span(const char *s, size_t n)
{
    size_t i = 0, digits = 0;
    for (; i < n && (is_digit(s[i]) || (digits && is_comma(s + i, n - i))); i++) digits++;
    if (i + 1 < n && (s[i] == '.' || (s[i] == '/' && digits)) && is_digit(s[i + 1]))
        for (i++; i < n && is_digit(s[i]); i++) digits++;
    return digits ? i : 0;
}

/* Digits, with commas where number_span allows them; the point, if any, makes the denominator. */
static bool decimal(const char *s, size_t n, struct number *r)
{
    bool point = false;
    int digits = 0;
    *r = (struct number){0, 1, NUMBER_DECIMAL};
    if (!n || number_span(s, n) != n) return false;
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '/') return false;
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
    struct number r;
    bool ok = decimal(s, n, &r) && r.den == 1;
    *out = r.num;
    return ok;
}

/* \frac{a}{b}, \dfrac{a}{b}, \tfrac{a}{b} of integers, or a/b. */
static bool fraction(const char *s, size_t n, struct number *r)
{
    size_t word = starts(s, n, "\\frac{") ? 6 : starts(s, n, "\\dfrac{") || starts(s, n, "\\tfrac{") ? 7 : 0;
    const char *middle = memchr(s, word ? '}' : '/', n);
    if (!middle) return false;
    const char *a = s + word, *b = middle + (word ? 2 : 1), *end = s + n - (word ? 1 : 0);
    if (word && (b >= end || b[-1] != '{' || *end != '}')) return false;
    r->form = NUMBER_FRACTION;
    return integer(a, (size_t)(middle - a), &r->num) && integer(b, (size_t)(end - b), &r->den) && r->den;
}

bool number_read(const char *s, size_t n, struct number *out)
{
    bool negative = n && *s == '-';
    if (n && (*s == '-' || *s == '+')) s++, n--;
    if (!decimal(s, n, out) && !fraction(s, n, out)) return false;
    if (negative) out->num = -out->num;
    return true;
}

bool number_equal(const struct number *a, const struct number *b)
{
    return (wide)a->num * b->den == (wide)b->num * a->den;
}
