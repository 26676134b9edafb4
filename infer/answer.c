#include "infer/answer.h"
#include "infer/ascii.h"
#include "infer/number.h"

#include <string.h>
#include <strings.h>

enum { LONGEST_LINE = 4 * ANSWER_MAX };

/* ---- bytes ------------------------------------------------------------------------------------------- */

static bool starts_word(const char *s, size_t n, const char *with)
{
    size_t k = strlen(with);
    return n >= k && !strncasecmp(s, with, k);
}
static bool ends(const char *s, size_t n, const char *with)
{
    size_t k = strlen(with);
    return n >= k && !memcmp(s + n - k, with, k);
}

/* What may stand around an answer without being part of it. Returns its length at s, 0 for none. */
static size_t frill(const char *s, size_t n)
{
    static const char *const frills[] = {"\\$", "\\(",  "\\)", "\\[", "\\]", "\\,", "\\!",
                                         "\\;", "\\\"", "$",   "*",   "`",   "\"",  ":"};
    if (n && is_space(*s)) return 1;
    for (size_t i = 0; n && i < sizeof frills / sizeof *frills; i++)
        if (*s == *frills[i] && starts(s, n, frills[i])) return strlen(frills[i]);
    return 0;
}

/* The length of a frill, or of a full stop, that s[0..n) ends with. */
static size_t frill_at_end(const char *s, size_t n)
{
    if (n >= 2 && s[n - 2] == '\\') return s[n - 1] == ':' ? 0 : frill(s + n - 2, 2);
    return n && s[n - 1] == '.' ? 1 : n ? frill(s + n - 1, 1) : 0;
}

static struct answer trimmed(enum answer_kind kind, const char *s, size_t n)
{
    for (size_t k; (k = frill(s, n)); n -= k) s += k;
    for (size_t k; (k = frill_at_end(s, n));) n -= k;
    return n && n <= ANSWER_MAX ? (struct answer){kind, false, s, n} : (struct answer){0};
}

struct answer answer_trim(const char *s, size_t n)
{
    for (size_t k; (k = frill(s, n)); n -= k) s += k;
    for (size_t k; (k = frill_at_end(s, n));) n -= k;
    return n ? (struct answer){ANSWER_SAID, false, s, n} : (struct answer){0};
}

/* At most `most` of n bytes, short of a character that would be cut. */
static size_t clipped(const char *s, size_t n, size_t most)
{
    if (n <= most) return n;
    while (most && ((unsigned char)s[most] & 0xc0) == 0x80) most--;
    return most;
}

/* Bytes up to the end of the line; of what is longer than a line with an answer can be, not all. */
static size_t line(const char *s, size_t n)
{
    n = clipped(s, n, LONGEST_LINE);
    const char *end = memchr(s, '\n', n);
    return end ? (size_t)(end - s) : n;
}

/* ---- boxes ------------------------------------------------------------------------------------------- */

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

/* A box at its backslash: where its content lies, and where it ends. */
struct box {
    const char *command, *end;
    struct answer content;
    bool closed;
};

/* What follows \boxed or \fbox: a group, or the word after a space. */
static bool box_at(const char *s, size_t n, struct box *b)
{
    size_t at = starts(s, n, "\\boxed") ? 6 : starts(s, n, "\\fbox") ? 5 : 0, word = at, k = 0;
    if (!at) return false;
    while (at < n && s[at] == ' ') at++;
    const char *inner = s + at;
    size_t room = clipped(inner, n - at, ANSWER_MAX + 2);
    b->command = s, b->closed = true;
    if (room && *inner == '{') {
        k = group(++inner, --room);
        b->closed = k < room;
        if (!b->closed) k = line(inner, room);
        b->end = inner + k + b->closed;
    } else {
        while (at > word && k < room && !is_space(inner[k]) && inner[k] != '$') k++;
        b->end = inner + k;
    }
    b->content = trimmed(b->closed ? ANSWER_BOXED : ANSWER_OPEN, inner, k);
    return b->content.kind;
}

/* The last box that begins in text[0..before) and is closed or not, as asked. */
static bool box_before(const char *text, size_t before, size_t len, bool closed, struct box *b)
{
    for (size_t i = before; i-- > 0;)
        if (text[i] == '\\' && box_at(text + i, len - i, b) && b->closed == closed) return true;
    return false;
}

/* Bytes of text[0..n) without the spaces, dollars, braces and \quads at its end. */
static size_t bare(const char *s, size_t n)
{
    for (size_t k = 1; k; n -= k) {
        k = frill_at_end(s, n);
        if (!k && n && s[n - 1] == '}') k = 1;
        if (!k && ends(s, n, "\\quad")) k = 5;
        if (!k && ends(s, n, "\\qquad")) k = 6;
    }
    return n;
}

/* Without "y_2 =" at its end. */
static size_t unnamed(const char *s, size_t n)
{
    if (!n || s[n - 1] != '=') return n;
    n = bare(s, n - 1);
    for (int i = 0; n && i < 8 && !is_space(s[n - 1]) && s[n - 1] != '('; i++) n--;
    return bare(s, n);
}

/* True when what stands between two boxes makes them one answer. */
static bool joins(const char *s, size_t n)
{
    enum { FAR = 64 };
    if (n > FAR || memmem(s, n, ". ", 2) || memmem(s, n, "\n\n", 2)) return false;
    n = unnamed(s, bare(s, n));
    if (ends(s, n, "and") && (n == 3 || !is_letter(s[n - 4]))) return true;
    if (ends(s, n, "or") && (n == 2 || !is_letter(s[n - 3]))) return true;
    while (n && strchr(",;&", s[n - 1])) n = bare(s, n - 1);
    return !n;
}

static struct answer boxed(const char *text, size_t len, const char **end)
{
    struct box last, b;
    if (!box_before(text, len, len, true, &last)) return (struct answer){0};
    const char *start = last.command;
    while (box_before(text, (size_t)(start - text), len, true, &b) && b.end <= start &&
           joins(b.end, (size_t)(start - b.end)))
        start = b.command;
    *end = last.end;
    size_t n = (size_t)(last.end - start);
    if (start == last.command || n > ANSWER_MAX) return last.content;
    return (struct answer){ANSWER_BOXED, false, start, n};
}

struct answer answer_boxed(const char *text, size_t len)
{
    const char *end;
    return boxed(text, len, &end);
}

/* ---- formulas and numbers ---------------------------------------------------------------------------- */

/* Bytes of \text{...}, \mbox{...} at s; 0 for anything else. */
static size_t text_command(const char *s, size_t n)
{
    size_t word = starts(s, n, "\\text") ? 5 : starts(s, n, "\\mbox") ? 5 : 0;
    while (word && word < n && is_letter(s[word])) word++;
    return word && word < n && s[word] == '{' ? word + 1 + group(s + word + 1, n - word - 1) : 0;
}

/* Words, at most two: the most that stand side by side, or all of them. Commands, what they set as text,
 * "and", "or" and "sqrt(" do not count. */
static int count_words(const char *s, size_t n, bool all)
{
    int words = 0;
    for (size_t i = 0; i < n;) {
        size_t k = text_command(s + i, n - i);
        if (k) {
            i += k;
            continue;
        }
        while (i + k < n && is_letter(s[i + k])) k++;
        bool command = i && s[i - 1] == '\\';
        bool joint = (k == 3 && !strncasecmp(s + i, "and", 3)) || (k == 2 && !strncasecmp(s + i, "or", 2));
        bool call = i + k < n && s[i + k] == '(';
        if (k >= 2 && !command && !joint && !call && ++words == 2) return words;
        if (!all && !k && !is_space(s[i])) words = 0;
        i += k ? k : 1;
    }
    return words;
}

static bool is_prose(const char *s, size_t n)
{
    return count_words(s, n, false) >= 2;
}

/* True for what is an answer as it stands: it does not begin with a word, and there is something to read. */
static bool is_formula(const char *s, size_t n)
{
    size_t word = 0;
    while (word < n && is_letter(s[word])) word++;
    bool prose = word > 3 || (word && (starts_word(s, word, "and") || starts_word(s, word, "or")));
    if (prose && word < n && is_space(s[word])) return false;
    if (memchr(s, '\n', n) || memmem(s, n, "box", 3) || count_words(s, n, true) >= 2) return false;
    for (size_t i = 0; i < n; i++)
        if (is_digit(s[i]) || s[i] == '\\' || s[i] == '=' || s[i] == '^') return true;
    return n == 1;
}

/* The last s[0..n) between `open` and `close`. */
static struct answer delimited(const char *s, size_t n, const char *open, const char *close)
{
    size_t k = strlen(open);
    for (size_t j = n; j-- > 0;) {
        if (s[j] != close[0] || !starts(s + j, n - j, close)) continue;
        for (size_t i = j; i-- > 0 && j - i <= ANSWER_MAX;)
            if (s[i] == open[0] && starts(s + i, j - i, open)) {
                struct answer a = trimmed(ANSWER_FORMULA, s + i + k, j - i - k);
                return a.kind && !is_prose(a.s, a.n) ? a : (struct answer){0};
            }
        return (struct answer){0};
    }
    return (struct answer){0};
}

/* The last $...$ that is no prose between two prices. */
static struct answer dollars(const char *s, size_t n)
{
    enum { TRIES = 4 };
    for (int t = 0; t < TRIES; t++) {
        while (n && (s[n - 1] != '$' || (n > 1 && s[n - 2] == '\\'))) n--;
        while (n && s[n - 1] == '$') n--;
        size_t i = n;
        while (i && s[i - 1] != '$' && n - i < ANSWER_MAX) i--;
        if (!i || s[i - 1] != '$') break;
        struct answer a = trimmed(ANSWER_FORMULA, s + i, n - i);
        if (a.kind && !is_prose(a.s, a.n)) return a;
    }
    return (struct answer){0};
}

static struct answer later(struct answer a, struct answer b)
{
    if (!a.kind || !b.kind) return a.kind ? a : b;
    return b.s + b.n > a.s + a.n ? b : a;
}

/* The last number, with a fraction's or a price's other half and its sign. */
static struct answer last_number(const char *text, size_t len)
{
    size_t end = len, start, n;
    while (end && !is_digit(text[end - 1])) end--;
    if (!end) return (struct answer){0};
    size_t least = end > ANSWER_MAX ? end - ANSWER_MAX - 1 : 0; /* what begins before that is too long */
    for (start = end - 1; start > least && (is_digit(text[start - 1]) || strchr(".,/", text[start - 1]));
         start--) {
    }
    /* The longest number that ends at `end`: "1,2,3,4" is a list, of which the last counts. */
    for (; (n = number_span(text + start, end - start)) != end - start; start++) {
    }
    bool comma = end - start == 2 && start > 1 && text[start - 1] == ',' && is_digit(text[start - 2]);
    if (comma) /* 2,74 */
        for (start--; start && is_digit(text[start - 1]);) start--;
    bool minus = start && text[start - 1] == '-' && (start == 1 || !is_digit(text[start - 2]));
    return trimmed(ANSWER_NUMBER, text + start - minus, end - start + minus);
}

static struct answer last_mathematics(const char *text, size_t len)
{
    enum { BARE = 160 };
    struct answer all = trimmed(ANSWER_FORMULA, text, len), a;
    struct number number;
    if (all.kind && all.n <= BARE && is_formula(all.s, all.n)) {
        if (number_read(all.s, all.n, &number)) all.kind = ANSWER_NUMBER;
        return all;
    }
    a = later(dollars(text, len), delimited(text, len, "\\(", "\\)"));
    a = later(a, delimited(text, len, "\\[", "\\]"));
    return later(a, last_number(text, len));
}

/* ---- what is said ------------------------------------------------------------------------------------ */

/* True when the number that ends at s[k] is all of the answer: words may follow, not mathematics. */
static bool number_ends(const char *s, size_t n, size_t k)
{
    size_t at = k;
    while (at < n && is_space(s[at]) && s[at] != '\n') at++;
    if (at == n || s[at] == '\n') return true;
    if (s[k] == '$') return !memchr(s + k + 1, '$', line(s + k + 1, n - k - 1));
    if (strchr(".,;)!*", s[k])) return k + 1 == n || is_space(s[k + 1]) || s[k + 1] == '*';
    return at > k && at + 1 < n && is_letter(s[at]) && is_letter(s[at + 1]);
}

/* Of "The volume of the box is 120" the part after "is"; of other prose its last mathematics. */
static struct answer statement(const char *s, size_t n)
{
    struct answer a = trimmed(ANSWER_SAID, s, n);
    if (!a.kind || !is_prose(a.s, a.n)) return a;
    for (size_t i = a.n; i-- > 4;)
        if (!memcmp(a.s + i - 4, " is ", 4)) {
            struct answer b = trimmed(ANSWER_SAID, a.s + i, a.n - i);
            if (b.kind && !is_prose(b.s, b.n)) return b;
            break;
        }
    struct answer m = last_mathematics(a.s, a.n);
    if (!m.kind) return a;
    m.kind = ANSWER_SAID;
    return m;
}

/* The answer at the start of s: a number, else all up to the end of the sentence. */
static struct answer sentence(const char *s, size_t n)
{
    size_t k, end = 0;
    while ((k = frill(s, n)) || (n && *s == ':')) s += k ? k : 1, n -= k ? k : 1;
    n = clipped(s, n, LONGEST_LINE);
    size_t sign = n && *s == '-';
    k = number_span(s + sign, n - sign);
    if (k && number_ends(s, n, k + sign)) return trimmed(ANSWER_SAID, s, k + sign);
    n = clipped(s, n, 2 * ANSWER_MAX); /* a longer sentence is no answer */
    while (end < n && s[end] != '\n' && !(s[end] == '.' && (end + 1 == n || is_space(s[end + 1])))) end++;
    return statement(s, end);
}

static const char *const phrases[] = {"answer is", "answer:", "answer**:", "answer** is"};

/* After the last phrase in text[from..len); `final`: only where "final" stands before it. */
static struct answer said(const char *text, size_t from, size_t len, bool final)
{
    for (size_t i = len; i-- > from;) {
        if ((text[i] | 32) != 'a' || !starts_word(text + i, len - i, "answer")) continue;
        if (final && (i < 6 || strncasecmp(text + i - 6, "final ", 6))) continue;
        for (size_t p = 0; p < sizeof phrases / sizeof *phrases; p++) {
            size_t k = strlen(phrases[p]);
            if (!starts_word(text + i, len - i, phrases[p])) continue;
            struct answer a = sentence(text + i + k, len - i - k);
            if (a.kind) return a;
        }
    }
    return (struct answer){0};
}

static struct answer marked(const char *text, size_t len)
{
    for (size_t i = len; i-- > 0;) {
        if (text[i] != '#' || !starts(text + i, len - i, "####")) continue;
        struct answer a = trimmed(ANSWER_MARKED, text + i + 4, line(text + i + 4, len - i - 4));
        if (a.kind) return a;
    }
    return (struct answer){0};
}

/* ---- choices ----------------------------------------------------------------------------------------- */

/* "(B)", "B)", "B." or "B" at s, no letter after it. `sign`: a bracket or full stop is needed. */
static struct answer letter(const char *s, size_t n, bool sign)
{
    size_t k;
    while ((k = frill(s, n))) s += k, n -= k;
    bool open = n && *s == '(';
    if (open) s++, n--;
    if (!n || *s < 'A' || *s > 'E' || (n > 1 && (is_letter(s[1]) || is_digit(s[1]))))
        return (struct answer){0};
    bool close = n > 1 && s[1] == ')', stop = n > 1 && strchr(".:", s[1]) && (n == 2 || is_space(s[2]));
    if (open ? !close : sign && !close && !stop) return (struct answer){0};
    return (struct answer){ANSWER_CHOICE, false, s, 1};
}

struct answer answer_letter(const char *s, size_t n, bool more)
{
    static const char *const commands[] = {"\\text{", "\\textbf{", "\\mathrm{", "\\mathbf{"};
    struct answer a = answer_trim(s, n);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (starts(a.s, a.n, commands[i])) a.s += strlen(commands[i]), a.n -= strlen(commands[i]);
    struct answer found = letter(a.s, a.n, more);
    if (more || !found.kind) return found;
    const char *rest = found.s + 1, *end = a.s + a.n;
    while (rest < end && strchr(").} ", *rest)) rest++;
    return rest == end ? found : (struct answer){0};
}

static struct answer choice(const char *text, size_t len)
{
    for (size_t i = len; i-- > 0;) {
        char c = (char)(text[i] | 32);
        bool word = (c == 'o' && starts_word(text + i, len - i, "option ")) ||
                    (c == 'c' && starts_word(text + i, len - i, "choice "));
        if (!word) continue;
        size_t at = i + 7;
        if (starts(text + at, len - at, "is ")) at += 3;
        struct answer a = letter(text + at, len - at, false);
        if (a.kind) return a;
    }
    return letter(text, len, true);
}

/* ---- all together ------------------------------------------------------------------------------------ */

/* Places 1 to 5. */
static struct answer stated(const char *text, size_t len, int find)
{
    const char *end = text;
    struct answer a = {0}, final = {0};
    struct box open;
    if (find & ANSWER_FIND_BOXED) a = boxed(text, len, &end);
    if (a.kind && find & ANSWER_FIND_SAID) final = said(text, (size_t)(end - text), len, true);
    if (final.kind) return final;
    if (!a.kind && find & ANSWER_FIND_MARKED) a = marked(text, len);
    if (!a.kind && find & ANSWER_FIND_SAID) a = said(text, 0, len, false);
    if (!a.kind && find & ANSWER_FIND_CHOICE) a = choice(text, len);
    if (!a.kind && find & ANSWER_FIND_OPEN && box_before(text, len, len, false, &open)) a = open.content;
    return a;
}

static size_t last_of(const char *text, size_t len, const char *what)
{
    size_t k = strlen(what);
    for (size_t i = len; i >= k; i--)
        if (text[i - 1] == what[k - 1] && !memcmp(text + i - k, what, k)) return i;
    return 0;
}

static size_t before_chat_token(const char *text, size_t len)
{
    for (const char *p = text; (p = memchr(p, '<', (size_t)(text + len - p))); p++)
        if (starts(p, (size_t)(text + len - p), "<|im_") || starts(p, (size_t)(text + len - p), "<|end"))
            return (size_t)(p - text);
    return len;
}

struct answer answer_search(const char *text, size_t len, int find)
{
    len = before_chat_token(text, len);
    size_t reply = last_of(text, len, "</think>"), thought = reply ? reply - 8 : 0;
    struct answer a = stated(text + reply, len - reply, find);
    bool thinking = !a.kind;
    if (!a.kind) a = stated(text, thought, find);
    if (!a.kind && find & ANSWER_FIND_LAST) {
        a = last_mathematics(text + reply, len - reply);
        thinking = !a.kind;
        if (!a.kind) a = last_mathematics(text, thought);
    }
    a.in_thinking = a.kind && thinking;
    return a;
}

struct answer answer_find(const char *text, size_t len)
{
    return answer_search(text, len, ANSWER_FIND_ALL);
}

struct answer answer_reference(const char *text, size_t len)
{
    struct answer a = answer_boxed(text, len);
    struct box open;
    if (!a.kind) a = marked(text, len);
    if (!a.kind) a = said(text, 0, len, true);
    if (!a.kind && box_before(text, len, len, false, &open)) a = open.content;
    return a.kind ? a : answer_trim(text, len);
}

const char *answer_kind_name(enum answer_kind kind)
{
    static const char *const names[] = {"none", "boxed",   "marked", "said", "choice",
                                        "open", "formula", "number", "code"};
    return names[kind];
}
