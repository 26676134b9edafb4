#include "data/grade_string.h"
#include "infer/answer.h"
#include "infer/ascii.h"
#include "infer/reply.h"
#include "infer/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A text that is worked on; what does not fit makes it bad for good. */
struct text {
    char s[GRADE_STRING_MAX];
    size_t n;
    bool bad;
};

static void put(struct text *t, const char *s, size_t n)
{
    if (t->bad || n >= sizeof t->s - t->n) {
        t->bad = true;
        return;
    }
    memmove(t->s + t->n, s, n);
    t->n += n;
    t->s[t->n] = 0;
}

static void put_text(struct text *t, const char *s)
{
    put(t, s, strlen(s));
}

/* "{" character "}". */
static void put_braced(struct text *t, const char *s, size_t n)
{
    put_text(t, "{"), put(t, s, n), put_text(t, "}");
}

/* Every `from`, left to right, becomes `to`. */
static void replace(struct text *t, const char *from, const char *to)
{
    struct text out = {.bad = t->bad};
    const char *at = t->s, *hit;
    for (size_t k = strlen(from); (hit = strstr(at, from)); at = hit + k)
        put(&out, at, (size_t)(hit - at)), put_text(&out, to);
    put_text(&out, at);
    *t = out;
}

static size_t count(const char *s, const char *what)
{
    size_t n = 0;
    for (size_t k = strlen(what); (s = strstr(s, what)); s += k) n++;
    return n;
}

static size_t character(const char *s)
{
    size_t n = utf8_char(s, strlen(s));
    return n ? n : *s != 0;
}

/* ---- forms --------------------------------------------------------------------------------------------- */

/* Copies what comes up to the next `name`, and that; *at is then behind it. False: there is none. */
static bool copy_through(struct text *out, const char **at, const char *name)
{
    const char *hit = strstr(*at, name);
    if (!hit) return false;
    hit += strlen(name);
    put(out, *at, (size_t)(hit - *at));
    *at = hit;
    return true;
}

/* Nothing follows, or the same again. */
static bool is_bare(const char *at, const char *name)
{
    return !*at || !strncmp(at, name, strlen(name));
}

/* \sqrt3 -> \sqrt{3}. */
static bool sqrt_fix(struct text *t)
{
    static const char name[] = "\\sqrt";
    struct text out = {.n = 0};
    const char *at = t->s;
    while (copy_through(&out, &at, name)) {
        if (is_bare(at, name)) return false;
        if (*at == '{') continue;
        put_braced(&out, at, character(at));
        at += character(at);
    }
    put_text(&out, at);
    *t = out;
    return true;
}

/* \frac12 and \frac1{72} -> \frac{1}{2}, \frac{1}{72}; one that ends after its first character leaves all as
 * it is. */
static bool frac_fix(struct text *t)
{
    static const char name[] = "\\frac";
    struct text out = {.n = 0};
    const char *at = t->s;
    while (copy_through(&out, &at, name)) {
        if (is_bare(at, name)) return false;
        if (*at == '{') continue;
        size_t n = character(at);
        if (is_bare(at + n, name)) return true;
        put_braced(&out, at, n);
        at += n;
        if (*at == '{') continue;
        put_braced(&out, at, character(at));
        at += character(at);
    }
    put_text(&out, at);
    *t = out;
    return true;
}

/* An integer as some write it, [s, end); *plain: and as it is printed. */
static bool integer(const char *s, const char *end, bool *plain)
{
    bool sign = s < end && (*s == '-' || *s == '+');
    const char *first = s + sign;
    if (first == end) return false;
    for (const char *p = first; p < end; p++)
        if (!is_digit(*p) && !(*p == '_' && p > first && p + 1 < end && p[-1] != '_')) return false;
    bool zero = *first == '0';
    *plain = !memchr(s, '_', (size_t)(end - s)) && *s != '+' && (!zero || (end - first == 1 && !sign));
    return true;
}

/* 3/4 -> \frac{3}{4}. */
static bool slash_fix(struct text *t)
{
    const char *slash = strchr(t->s, '/'), *end = t->s + t->n;
    bool a, b;
    if (!slash || count(t->s, "/") != 1) return true;
    if (!integer(t->s, slash, &a) || !integer(slash + 1, end, &b)) return false;
    if (!a || !b) return true;
    struct text out = {.n = 0};
    put_text(&out, "\\frac");
    put_braced(&out, t->s, (size_t)(slash - t->s)), put_braced(&out, slash + 1, (size_t)(end - slash - 1));
    *t = out;
    return true;
}

static void cut(struct text *t, size_t from, size_t n)
{
    memmove(t->s, t->s + from, n);
    t->n = n, t->s[n] = 0;
}

/* What stands before a unit. */
static bool unit_drop(struct text *t)
{
    static const char unit[] = "\\text{ ";
    size_t n = count(t->s, unit);
    if (n == 1) cut(t, 0, (size_t)(strstr(t->s, unit) - t->s));
    return n < 2;
}

/* What follows "x =". */
static void name_drop(struct text *t)
{
    const char *sign = strchr(t->s, '=');
    if (!sign || count(t->s, "=") != 1) return;
    size_t before = (size_t)(sign - t->s);
    if (utf8_count(t->s, before) <= 2) cut(t, before + 1, t->n - before - 1);
}

bool grade_string_tidy(char out[GRADE_STRING_MAX], const char *s, size_t n)
{
    static const char *const first[][2] = {
        {"\n", ""},     {"\\!", ""},     {"\\\\", "\\"},    {"tfrac", "frac"}, {"dfrac", "frac"},
        {"\\left", ""}, {"\\right", ""}, {"^{\\circ}", ""}, {"^\\circ", ""},   {"\\$", ""},
    };
    static const char *const second[][2] = {{"\\%", ""}, {" .", " 0."}, {"{.", "{0."}};
    struct text t = {.n = 0};
    put(&t, s, n);
    for (size_t i = 0; i < sizeof first / sizeof *first; i++) replace(&t, first[i][0], first[i][1]);
    if (!unit_drop(&t)) return false;
    for (size_t i = 0; i < sizeof second / sizeof *second; i++) replace(&t, second[i][0], second[i][1]);
    if (*t.s == '.') {
        struct text zero = {.n = 0};
        put_text(&zero, "0"), put(&zero, t.s, t.n);
        t = zero;
    }
    name_drop(&t);
    bool ok = sqrt_fix(&t);
    replace(&t, " ", "");
    ok = ok && frac_fix(&t);
    if (!strcmp(t.s, "0.5")) replace(&t, "0.5", "\\frac{1}{2}");
    ok = ok && slash_fix(&t) && !t.bad;
    memcpy(out, t.s, t.n + 1);
    return ok;
}

/* ---- answers ------------------------------------------------------------------------------------------- */

/* The last place of `what` in s[0..n), or NULL. */
static const char *last_of(const char *s, size_t n, const char *what)
{
    const char *found = NULL, *at = s;
    for (size_t k = strlen(what); (at = memmem(at, n - (size_t)(at - s), what, k)); at += k) found = at;
    return found;
}

static struct answer piece(const char *from, const char *to)
{
    return (struct answer){.kind = ANSWER_FORMULA, .s = from, .n = (size_t)(to - from)};
}

static struct answer found_in(const char *text, size_t len)
{
    struct answer a = answer_boxed(text, len);
    if (a.kind) return a;
    const char *open = last_of(text, len, "\\["), *close = last_of(text, len, "\\]");
    if (open && close && open + 2 <= close) return piece(open + 2, close);
    const char *first = memchr(text, '$', len), *last = memrchr(text, '$', len);
    if (first && first < last) return piece(first + 1, last);
    return piece(text, text + len);
}

bool grade_string(const char *reference, size_t n, const char *text, size_t len)
{
    char a[GRADE_STRING_MAX], b[GRADE_STRING_MAX];
    size_t reply = text_reply(text, len);
    struct answer found = found_in(text + reply, len - reply);
    if (!found.s || found.n > ANSWER_MAX || n > ANSWER_MAX) return false;
    if (grade_string_tidy(a, reference, n) && grade_string_tidy(b, found.s, found.n)) return !strcmp(a, b);
    return found.n == n && !memcmp(found.s, reference, n);
}
