#include "data/prepare/answer_key.h"
#include "data/prepare/question.h"

#include "infer/ascii.h"
#include "infer/number.h"

#include <string.h>

/* Bytes at s [n] that say nothing; 0 for none. */
static size_t decoration(const char *s, size_t n)
{
    static const char *const all[] = {
        "\\left", "\\right", "\\,", "\\;", "\\!", "\\:", "$", "\\text", "\\textbf", "\\mathrm", "\\mbox"};
    size_t best = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        size_t k = strlen(all[i]);
        bool whole = starts(s, n, all[i]) && !(is_letter(all[i][k - 1]) && k < n && is_letter(s[k]));
        if (whole && k > best) best = k;
    }
    return best;
}

static bool is_word(char c)
{
    return is_letter(c) || is_digit(c);
}

/* The text of an answer in its plainest form; to [n] has room. Returns its length. */
static size_t plain(const char *s, size_t n, char *to)
{
    size_t at = 0, k;
    bool gap = false;
    for (size_t i = 0; i < n;) {
        if (is_space(s[i])) {
            gap = true, i++;
            continue;
        }
        if ((k = decoration(s + i, n - i))) {
            i += k;
            continue;
        }
        if (starts(s + i, n - i, "\\dfrac") || starts(s + i, n - i, "\\tfrac")) {
            to[at++] = '\\', i += 2;
            continue;
        }
        bool single = s[i] == '{' && i + 2 < n && s[i + 2] == '}' && is_word(s[i + 1]);
        char c = single ? s[i + 1] : s[i];
        if (gap && at && is_word(to[at - 1]) && is_word(c)) to[at++] = ' ';
        gap = false, to[at++] = c, i += single ? 3 : 1;
    }
    return at;
}

static int64_t common(int64_t a, int64_t b)
{
    while (b) {
        int64_t r = a % b;
        a = b, b = r;
    }
    return a < 0 ? -a : a;
}

uint64_t answer_key(const struct answer *a)
{
    struct number x;
    char text[ANSWER_MAX];
    uint64_t h;
    if (!a->kind || a->n > sizeof text) return 0;
    size_t n = plain(a->s, a->n, text);
    if (number_read(a->s, a->n, &x) || number_read(text, n, &x)) {
        int64_t d = common(x.num, x.den);
        int64_t value[2] = {x.num / d, x.den / d};
        h = question_hash((const char *)value, sizeof value);
    } else {
        h = question_hash(text, n);
    }
    return h ? h : 1;
}

uint64_t answer_key_of(const char *text, size_t len)
{
    struct answer a = answer_search(text, len, ANSWER_FIND_ALL & ~ANSWER_FIND_LAST);
    return answer_key(&a);
}
