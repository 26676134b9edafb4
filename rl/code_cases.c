#include "rl/code_cases.h"
#include "data/gzip.h"
#include "infer/ascii.h"

#include <stdlib.h>
#include <string.h>

enum { EXPANDED_MAX = 256 << 20 };

/* ---- base64 -------------------------------------------------------------------------------------------- */

static int sextet(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* RFC 4648, section 4, into out [n / 4 * 3]; its length, or -1. */
static int64_t unbase64(unsigned char *out, const char *s, size_t n)
{
    unsigned char *to = out;
    if (!n || n % 4) return -1;
    size_t pad = s[n - 1] != '=' ? 0 : s[n - 2] != '=' ? 1 : 2;
    for (size_t i = 0; i < n; i += 4) {
        uint32_t bits = 0;
        for (size_t k = i; k < i + 4; k++) {
            int x = k >= n - pad ? 0 : sextet(s[k]);
            if (x < 0) return -1;
            bits = bits << 6 | (uint32_t)x;
        }
        *to++ = (unsigned char)(bits >> 16), *to++ = (unsigned char)(bits >> 8), *to++ = (unsigned char)bits;
    }
    return to - out - (int64_t)pad;
}

/* ---- a pickle that is one text ---------------------------------------------------------------------------
 */

static uint64_t little(const unsigned char *p, size_t n)
{
    uint64_t x = 0;
    while (n--) x = x << 8 | p[n];
    return x;
}

/* The text in p [n], which stays the caller's; NULL, with why. Opcodes: Python's pickletools. */
static const char *unpickle(const unsigned char *p, size_t n, size_t *len, const char **why)
{
    const char *text = NULL;
    size_t at = 2;
    *why = "no pickle of protocol 2 to 5";
    if (n < 2 || p[0] != 0x80 || p[1] < 2 || p[1] > 5) return NULL;
    while (at < n) {
        unsigned char op = p[at++];
        /* bytes of the argument, of a text's length */
        size_t wide = op == 0x95 ? 8 : op == 'q' ? 1 : op == 'r' ? 4 : 0;
        size_t length = op == 0x8c ? 1 : op == 'X' ? 4 : op == 0x8d ? 8 : 0;
        *why = "a pickle that ends early";
        if (n - at < wide + length) return NULL;
        if (op == '.') {
            *why = at == n ? "a pickle of nothing" : "bytes after a pickle";
            return at == n ? text : NULL;
        }
        *why = "a pickle that is not one text and nothing else; it is not run";
        if (length) {
            uint64_t bytes = little(p + at, length);
            at += length;
            if (text || bytes > n - at) return NULL;
            text = (const char *)p + at, *len = (size_t)bytes, at += (size_t)bytes;
        } else if (!wide && op != 0x94) {
            return NULL;
        }
        at += wide;
    }
    *why = "a pickle that ends early";
    return NULL;
}

/* ---- cases --------------------------------------------------------------------------------------------- */

static int check(const struct js *cases, const char *what, struct err *e)
{
    int r = js_type(cases) == JS_ARRAY ? 0 : err_set(e, ERR_ROW_TYPE, "%s: expected an array of cases", what);
    for (struct js_iter it = {0}; !r && js_next(cases, &it);) {
        const char *in, *out, *type;
        r = js_need_string(it.value, what, "input", &in, e);
        if (!r) r = js_need_string(it.value, what, "output", &out, e);
        if (!r) r = js_need_string(it.value, what, "testtype", &type, e);
        if (!r && strcmp(type, "stdin") != 0 && strcmp(type, "functional") != 0)
            r = err_set(e, ERR_FIELD_RANGE, "%s: testtype \"%.40s\", expected stdin or functional", what,
                        type);
    }
    return r;
}

static const struct js_limits limits = {.nul = true};

/* bytes [n / 4 * 3] is scratch; *plain is what it held, the caller's to free. */
static int unpack(struct js **out, const char *what, const char *text, size_t n, unsigned char *bytes,
                  char **plain, struct err *e)
{
    const char *why, *inside;
    size_t size = 0, len = 0;
    int64_t packed = unbase64(bytes, text, n);
    if (packed < 0) return err_set(e, ERR_MAGIC, "%s: neither JSON nor base64", what);
    int r = zlib_expand(plain, &size, bytes, (size_t)packed, EXPANDED_MAX, e);
    if (r) return r;
    inside = unpickle((unsigned char *)*plain, size, &len, &why);
    return inside ? js_parse(out, what, inside, len, &limits, e) : err_set(e, ERR_MAGIC, "%s: %s", what, why);
}

int code_cases_read(struct js **out, const char *what, const char *text, size_t n, struct err *e)
{
    char *plain = NULL;
    size_t at = 0;
    int r;
    *out = NULL;
    while (at < n && is_space(text[at])) at++;
    if (at < n && text[at] == '[') {
        r = js_parse(out, what, text, n, &limits, e);
    } else {
        unsigned char *bytes = malloc(n / 4 * 3 + 1);
        r = bytes ? unpack(out, what, text, n, bytes, &plain, e)
                  : err_set(e, ERR_NOMEM, "no memory for %zu bytes of cases", n);
        free(bytes);
    }
    free(plain);
    if (!r) r = check(*out, what, e);
    if (r) js_free(*out), *out = NULL;
    return r;
}

/* ---- printed ------------------------------------------------------------------------------------------- */

struct span {
    const char *s;
    size_t n;
};

static struct span trim(struct span x)
{
    while (x.n && is_space(*x.s)) x.s++, x.n--;
    while (x.n && is_space(x.s[x.n - 1])) x.n--;
    return x;
}

static bool same_bytes(struct span a, struct span b)
{
    return a.n == b.n && !memcmp(a.s, b.s, a.n);
}

/* What stands before the next such byte (or any white space), which goes with it. */
static struct span cut(struct span *rest, bool at_line)
{
    struct span x = {rest->s, 0};
    while (x.n < rest->n && !(at_line ? x.s[x.n] == '\n' : is_space(x.s[x.n]))) x.n++;
    size_t used = x.n + (x.n < rest->n);
    rest->s += used, rest->n -= used;
    return x;
}

/* A number in decimal: its digits from the first to the last that is not 0, which may have a point among
 * them, and how far in front of the first one the point stands. */
struct decimal {
    bool negative;
    struct span digits;
    int64_t scale;
};

static bool exponent_read(struct span x, int64_t *out)
{
    bool negative = x.n && *x.s == '-';
    size_t at = x.n && (*x.s == '-' || *x.s == '+');
    if (at == x.n || x.n - at > 9) return false;
    for (*out = 0; at < x.n; at++) {
        if (!is_digit(x.s[at])) return false;
        *out = 10 * *out + x.s[at] - '0';
    }
    if (negative) *out = -*out;
    return true;
}

static bool decimal_read(struct decimal *d, struct span x)
{
    *d = (struct decimal){.negative = x.n && *x.s == '-'};
    size_t from = x.n && (*x.s == '-' || *x.s == '+'), end = from, point = SIZE_MAX;
    for (; end < x.n && (is_digit(x.s[end]) || (x.s[end] == '.' && point == SIZE_MAX)); end++)
        if (x.s[end] == '.') point = end;
    if (end - from == (point != SIZE_MAX)) return false; /* no digit */
    if (end < x.n) {
        if ((x.s[end] | 32) != 'e') return false;
        if (!exponent_read((struct span){x.s + end + 1, x.n - end - 1}, &d->scale)) return false;
    }
    size_t last = end;
    if (point == SIZE_MAX) point = end;
    while (from < end && (x.s[from] == '0' || x.s[from] == '.')) from++;
    while (last > from && (x.s[last - 1] == '0' || x.s[last - 1] == '.')) last--;
    d->digits = (struct span){x.s + from, last - from};
    d->scale += point >= from ? (int64_t)(point - from) : -(int64_t)(from - point - 1);
    return true;
}

static bool same_decimal(const struct decimal *a, const struct decimal *b)
{
    size_t i = 0, k = 0;
    if (!a->digits.n || !b->digits.n) return a->digits.n == b->digits.n; /* 0 is -0 */
    if (a->negative != b->negative || a->scale != b->scale) return false;
    for (;; i++, k++) {
        i += i < a->digits.n && a->digits.s[i] == '.', k += k < b->digits.n && b->digits.s[k] == '.';
        if (i == a->digits.n || k == b->digits.n) return i == a->digits.n && k == b->digits.n;
        if (a->digits.s[i] != b->digits.s[k]) return false;
    }
}

/* Both lines are trimmed. */
static bool same_numbers(struct span a, struct span b)
{
    while (a.n && b.n) {
        struct decimal x, y;
        if (!decimal_read(&x, cut(&a, false)) || !decimal_read(&y, cut(&b, false)) || !same_decimal(&x, &y))
            return false;
        a = trim(a), b = trim(b);
    }
    return !a.n && !b.n;
}

bool code_same_output(const char *expected, size_t n, const char *printed, size_t m)
{
    struct span a = trim((struct span){expected, n}), b = trim((struct span){printed, m});
    while (a.n && b.n) {
        struct span x = trim(cut(&a, true)), y = trim(cut(&b, true));
        if (!same_bytes(x, y) && !same_numbers(x, y)) return false;
    }
    return !a.n && !b.n;
}

/* ---- returned ------------------------------------------------------------------------------------------ */

static bool number_of(const struct js *v, double *out)
{
    *out = js_true(v);
    return js_type(v) == JS_BOOL || js_number(v, out);
}

static bool same_value(const struct js *a, const struct js *b)
{
    int64_t i, k;
    double x, y;
    size_t n, m;
    if (js_int(a, &i) && js_int(b, &k)) return i == k;
    if (number_of(a, &x)) return number_of(b, &y) && x == y;
    if (js_type(a) != js_type(b) || js_size(a) != js_size(b)) return false;
    if (js_type(a) == JS_STRING) {
        const char *s = js_string(a, &n), *t = js_string(b, &m);
        return same_bytes((struct span){s, n}, (struct span){t, m});
    }
    struct js_iter p = {0}, q = {0};
    while (js_next(a, &p) && js_next(b, &q)) {
        const struct js *other = p.key ? js_get(b, p.key) : q.value;
        if (!other || !same_value(p.value, other)) return false;
    }
    return js_type(a) != JS_BIG;
}

bool code_same_value(const char *expected, size_t n, const char *returned, size_t m)
{
    struct js *a = NULL, *b = NULL;
    struct span x = trim((struct span){expected, n}), y = trim((struct span){returned, m});
    bool same = same_bytes(x, y) && x.n; /* integers of any length too */
    if (!same && !js_parse(&a, "expected", x.s, x.n, &limits, NULL) &&
        !js_parse(&b, "returned", y.s, y.n, &limits, NULL))
        same = same_value(a, b);
    js_free(a), js_free(b);
    return same;
}
