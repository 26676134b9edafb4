#include "data/maths/lex.h"
#include "infer/ascii.h"

#include <string.h>

struct lexer {
    struct arena *a;
    const char *s, *end;
    uint32_t n; /* tokens so far */
    int flags, depth;
    bool space;
    bool rows; /* there is a matrix: two backslashes end a row */
};

static void emit(struct lexer *l, enum token_kind kind, int op, const char *s, size_t n)
{
    if (l->n == ARENA_TOKENS) {
        arena_refuse(l->a, "too many signs");
        return;
    }
    l->a->tokens[l->n++] = (struct token){(uint8_t)kind, (uint8_t)op, l->space, (uint16_t)n, s};
    l->space = false;
}

static size_t run(const char *s, const char *end, bool (*is)(char))
{
    size_t n = 0;
    while (s + n < end && is(s[n])) n++;
    return n;
}

/* ---- numbers ----------------------------------------------------------------------------------------- */

/* Bytes of what may stand between groups of three digits at s, 0 for nothing: "{,}" and ",\!" anywhere, a
 * comma only outside brackets (where it lists), spaces. */
static size_t group_gap(const struct lexer *l, const char *s)
{
    static const char *const gaps[] = {"{,}", "{,}\\!", ",\\!", ",\\! ", " {, }",
                                       "\\,", "\\ ",    "\\;",  "~",     " "};
    size_t best = 0;
    for (size_t i = 0; i < sizeof gaps / sizeof *gaps; i++)
        if (starts(s, (size_t)(l->end - s), gaps[i]) && strlen(gaps[i]) > best) best = strlen(gaps[i]);
    if (!best && l->flags & LEX_THOUSANDS && !l->depth && *s == ',') best = 1;
    return best;
}

static const char *group_next(const struct lexer *l, const char *s)
{
    if (s == l->end) return NULL;
    size_t gap = group_gap(l, s);
    return gap && run(s + gap, l->end, is_digit) == 3 ? s + gap : NULL;
}

/* Digits with their groups joined; *at moves on. */
static void digits(struct lexer *l, const char **at, bool groups)
{
    size_t n = run(*at, l->end, is_digit);
    bool first = n <= 3 && groups;
    arena_text(l->a, *at, n);
    *at += n;
    for (const char *next; first && (next = group_next(l, *at)); *at = next + 3) arena_text(l->a, next, 3);
}

/* "\overline{6}" after a point: digits that repeat, kept in parentheses. */
static void repetend(struct lexer *l, const char **at)
{
    static const char word[] = "\\overline{";
    if (!starts(*at, (size_t)(l->end - *at), word)) return;
    const char *s = *at + sizeof word - 1;
    size_t n = run(s, l->end, is_digit);
    if (!n || s + n == l->end || s[n] != '}') return;
    arena_text(l->a, "(", 1);
    arena_text(l->a, s, n);
    arena_text(l->a, ")", 1);
    *at = s + n + 1;
}

static void exponent(struct lexer *l, const char **at)
{
    const char *s = *at;
    if (s == l->end || (*s | 32) != 'e') return;
    s++;
    if (s < l->end && (*s == '-' || *s == '+')) s++;
    size_t n = run(s, l->end, is_digit);
    if (!n) return;
    arena_text(l->a, *at, (size_t)(s - *at) + n);
    *at = s + n;
}

static void number(struct lexer *l)
{
    const char *start = l->a->chars + l->a->text, *s = l->s;
    digits(l, &s, true);
    bool point = s < l->end && *s == '.' && (s + 1 < l->end) && (is_digit(s[1]) || s[1] == '\\');
    if (l->flags & LEX_DECIMAL_COMMA && s + 1 < l->end && *s == ',' && is_digit(s[1])) point = true;
    if (point) {
        s++;
        arena_text(l->a, ".", 1);
        digits(l, &s, false);
        repetend(l, &s);
    } else if (s + 1 == l->end && *s == '.') {
        s++; /* "18." */
    }
    exponent(l, &s);
    emit(l, TOK_NUMBER, 0, start, (size_t)(l->a->chars + l->a->text - start));
    l->s = s;
}

/* ---- words ------------------------------------------------------------------------------------------- */

static bool is_prose_byte(char c)
{
    return is_letter(c) || (unsigned char)c >= 0x80;
}

/* True when a word of text[0..n) is `word`, first or last. */
static bool has_word(const char *s, size_t n, const char *word)
{
    size_t k = strlen(word);
    if (n < k) return false;
    bool first = !memcmp(s, word, k) && (n == k || !is_prose_byte(s[k]));
    return first || (!memcmp(s + n - k, word, k) && (n == k || !is_prose_byte(s[n - k - 1])));
}

/* The words of \text{...}: an "and", a unit, a name. */
static void words(struct lexer *l, const char *s, size_t n)
{
    while (n && is_space(*s)) s++, n--;
    while (n && (is_space(s[n - 1]) || s[n - 1] == '.')) n--;
    const struct lex_word *w = n ? lex_word(s, n) : NULL;
    if (!n) return;
    if (has_word(s, n, "and") || has_word(s, n, "or") || (n == 1 && *s == ','))
        emit(l, TOK_SEPARATOR, '&', s, n);
    else if (w && w->plain)
        emit(l, (enum token_kind)w->kind, w->op, s, n);
    else if (n >= 9 && (!memcmp(s, "all reals", 9) || (n >= 16 && !memcmp(s, "all real numbers", 16))))
        emit(l, TOK_CONSTANT, CONST_REALS, s, n);
    else if (n == 1 && is_letter(*s))
        emit(l, *s == 'i' || *s == 'e' ? TOK_CONSTANT : TOK_SYMBOL, *s == 'i' ? CONST_I : CONST_E, s, n);
    else if (run(s, s + n, is_space) < n)
        emit(l, TOK_TEXT, 0, s, n);
}

/* Bytes of the group that opens at s, braces included; 0 when it does not close. */
static size_t group(const char *s, const char *end)
{
    int depth = 0;
    for (size_t i = 0; s + i < end; i++) {
        if (s[i] == '{') depth++;
        if (s[i] == '}' && --depth == 0) return i + 1;
    }
    return 0;
}

static void text_command(struct lexer *l)
{
    while (l->s < l->end && is_space(*l->s)) l->s++;
    size_t n = l->s < l->end && *l->s == '{' ? group(l->s, l->end) : 0;
    const char *inner = l->s + 1;
    while (n && inner < l->s + n && is_space(*inner)) inner++;
    if (!n || is_digit(*inner) || *inner == '\\' || *inner == '(' || *inner == '$' || *inner == '-') return;
    words(l, l->s + 1, n - 2);
    l->s += n;
}

/* \begin{pmatrix}, \end{array}: the name; an array's {cc} is passed over. */
static void environment(struct lexer *l, enum token_kind kind)
{
    size_t n = l->s < l->end && *l->s == '{' ? group(l->s, l->end) : 0;
    if (!n) {
        arena_refuse(l->a, "an environment without a name");
        return;
    }
    emit(l, kind, 0, l->s + 1, n - 2);
    bool array = n == 7 && !memcmp(l->s, "{array}", 7);
    l->s += n;
    if (kind == TOK_BEGIN && array && l->s < l->end && *l->s == '{') l->s += group(l->s, l->end);
}

static void named(struct lexer *l, const struct lex_word *w, const char *s, size_t n)
{
    switch (w->kind) {
    case TOK_SKIP:
        l->space = true;
        break;
    case TOK_WORDS:
        text_command(l);
        break;
    case TOK_DOTS:
        emit(l, TOK_SYMBOL, 0, "...", 3);
        break;
    case TOK_BEGIN:
    case TOK_FINISH:
        environment(l, (enum token_kind)w->kind);
        break;
    default:
        emit(l, (enum token_kind)w->kind, w->op, s, n);
        if (w->kind == TOK_OPEN && w->op != '{') l->depth++;
        if (w->kind == TOK_CLOSE && w->op != '}' && l->depth) l->depth--;
    }
}

/* A command that is not in the table: "\quadx" is \quad x, any other is a symbol. */
static void unknown(struct lexer *l, const char *s, size_t n)
{
    for (size_t k = n; k > 4; k--) {
        const struct lex_word *w = lex_word(s + 1, k - 1);
        if (!w || w->kind != TOK_SKIP) continue;
        l->s = s + k;
        return;
    }
    emit(l, TOK_SYMBOL, 0, s, n);
}

static void command(struct lexer *l)
{
    const char *s = l->s;
    if (s + 1 == l->end) {
        l->s++;
        return;
    }
    size_t n = run(s + 1, l->end, is_letter);
    if (!n && s[1] == '\\') {
        bool doubled = s + 2 < l->end && is_letter(s[2]); /* \\frac, escaped twice */
        if (!doubled || l->rows) emit(l, TOK_ROW, 0, s, 2);
        l->s += doubled && !(l->rows) ? 1 : 2;
        return;
    }
    if (!n) n = 1;
    const struct lex_word *w = lex_word(s + 1, n);
    l->s += 1 + n;
    if (w)
        named(l, w, s, n + 1);
    else
        unknown(l, s, n + 1);
}

/* A function or constant that a letter follows at once ("sinx"), or an "or" after a value ("=1orW"): how many
 * of the n letters it takes; 0 when there is none. */
static size_t glued(const struct lexer *l, const char *s, size_t n)
{
    const struct token *before = l->n ? &l->a->tokens[l->n - 1] : NULL;
    bool value = before && !l->space && (before->kind == TOK_NUMBER || before->kind == TOK_CLOSE);
    const struct lex_word *w = n > 3 ? lex_word(s, n - 1) : NULL;
    if (w && w->plain && w->kind == TOK_FUNCTION) return n - 1;
    if (value && n < 6 && s[0] == 'o' && s[1] == 'r') return 2;
    if (value && n < 6 && !memcmp(s, "and", 3)) return 3;
    return 0;
}

/* Each letter is a symbol. */
static void symbols(struct lexer *l, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool constant = s[i] == 'e' || s[i] == 'i';
        emit(l, constant ? TOK_CONSTANT : TOK_SYMBOL, s[i] == 'i' ? CONST_I : CONST_E, s + i, 1);
    }
}

static void letters(struct lexer *l)
{
    const char *s = l->s;
    size_t n = run(s, l->end, is_letter), k = n > 2 ? glued(l, s, n) : 0;
    const struct lex_word *w = lex_word(s, k ? k : n);
    bool half = n == 1 && l->end - s >= 3 && strchr("apAP", *s) && s[1] == '.' && (s[2] | 32) == 'm';
    if (half) n = 3; /* a.m. */
    l->s += k ? k : n;
    if (half)
        emit(l, TOK_TEXT, 0, s, n);
    else if (w && w->plain)
        named(l, w, s, k ? k : n);
    else if (lex_is_prose(s, n))
        words(l, s, n);
    else
        symbols(l, s, n);
}

static void step(struct lexer *l)
{
    char c = *l->s;
    if (is_space(c)) {
        l->s++, l->space = true;
    } else if (is_digit(c) || (c == '.' && l->s + 1 < l->end && is_digit(l->s[1]))) {
        number(l);
    } else if (c == '\\') {
        command(l);
    } else if (is_letter(c)) {
        letters(l);
    } else {
        const struct lex_word *w = lex_sign(l->s, (size_t)(l->end - l->s));
        size_t n = w ? strlen(w->name) : 1;
        const char *s = l->s;
        l->s += n;
        if (w)
            named(l, w, s, n);
        else if ((unsigned char)c >= 0x80)
            emit(l, TOK_TEXT, 0, s, 1);
        else
            arena_refuse(l->a, "a sign that is not mathematics");
    }
}

static bool has_matrix(const char *s, size_t n)
{
    for (size_t i = 0; i + 6 < n; i++)
        if (!memcmp(s + i, "\\begin", 6)) return i == 0 || s[i - 1] != '\\';
    return false;
}

int lex(struct arena *a, const char *s, size_t n, int flags)
{
    struct lexer l = {.a = a, .s = s, .end = s + n, .flags = flags, .rows = has_matrix(s, n)};
    while (l.s < l.end && !a->refused) step(&l);
    l.space = false;
    if (l.n == ARENA_TOKENS) l.n--, arena_refuse(a, "too many signs");
    emit(&l, TOK_END, 0, l.end, 0);
    return a->refused ? -1 : 0;
}

/* ---- words compared ---------------------------------------------------------------------------------- */

static size_t plain_token(const struct token *t, char *out, size_t cap, bool fold)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n && n < cap; i++) {
        char c = t->s[i];
        if (is_space(c) || (t->kind == TOK_TEXT && !is_prose_byte(c) && !is_digit(c))) continue;
        out[n++] = fold && c >= 'A' && c <= 'Z' ? (char)(c | 32) : c;
    }
    return n;
}

size_t lex_plain(const struct token *t, char *out, size_t cap, bool fold)
{
    size_t n = 0;
    for (uint8_t before = TOK_END; t->kind != TOK_END; before = t->kind, t++) {
        if (before == TOK_NUMBER && t->kind == TOK_NUMBER && n < cap)
            out[n++] = ' '; /* "1 23" is not "12 3" */
        n += plain_token(t, out + n, cap - n, fold);
    }
    return n;
}
