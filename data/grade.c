#include "data/grade.h"
#include "data/maths/lex.h"
#include "data/maths/parse.h"
#include "data/maths/same.h"
#include "infer/ascii.h"
#include "infer/number.h"
#include "infer/reply.h"

#include <stdlib.h>
#include <string.h>

const struct grade_options grade_defaults = {.digits = 6, .relations = true, .find = ANSWER_FIND_ALL};

static struct grade verdict(enum grade_verdict v, const char *rule)
{
    return (struct grade){.verdict = v, .rule = rule};
}

/* ---- words ------------------------------------------------------------------------------------------- */

/* An answer's letters, and whether it has words. */
struct plain {
    char s[ANSWER_MAX];
    size_t n;
    bool words;
};

static void plain_init(struct plain *p, const struct token *t)
{
    p->words = false;
    p->n = lex_plain(t, p->s, sizeof p->s, false);
    for (; t->kind != TOK_END; t++) p->words |= t->kind == TOK_TEXT;
}

/* Words do not mind capitals, mathematics does. */
static bool same_words(const struct plain *x, const struct plain *y)
{
    if (x->n != y->n || !x->n) return false;
    for (size_t i = 0; i < x->n; i++) {
        char p = x->s[i], q = y->s[i];
        bool letters = (p | 32) >= 'a' && (p | 32) <= 'z' && (p | 32) == (q | 32);
        if (p != q && !(letters && (x->words || y->words))) return false;
    }
    return true;
}

/* ---- mathematics ------------------------------------------------------------------------------------- */

struct side {
    const char *s;
    size_t n;
    struct plain plain;
};

static void read_plain(struct arena *a, struct side *x, int flags)
{
    static const struct token none = {.kind = TOK_END};
    arena_init(a);
    plain_init(&x->plain, lex(a, x->s, x->n, flags) ? &none : a->tokens);
}

/* One reading of both sides. */
static struct grade reading(struct arena *a, struct side *x, struct side *y, int flags,
                            const struct grade_options *o)
{
    struct same_options so = {o->digits, o->relations};
    const char *rule = "";
    read_plain(a, x, flags), read_plain(a, y, flags);
    if (same_words(&x->plain, &y->plain)) return verdict(GRADE_EQUAL, "the same text");
    arena_init(a);
    const struct expr *p = parse(a, x->s, x->n, flags);
    if (!p && x->plain.words) return verdict(GRADE_DIFFERENT, "other words");
    const struct expr *q = p ? parse(a, y->s, y->n, flags) : NULL;
    if (p && !q && p->kind == EXPR_TEXT) return verdict(GRADE_DIFFERENT, "other words");
    if (!q) return verdict(GRADE_UNDECIDED, a->refused);
    enum same r = same_answer(a, p, q, &so, &rule);
    if (r == SAME_UNKNOWN) return verdict(GRADE_UNDECIDED, a->refused ? a->refused : "cannot be evaluated");
    return verdict(r == SAME_YES ? GRADE_EQUAL : GRADE_DIFFERENT, rule);
}

/* Digits, a comma, two digits: 2,74 as written where the comma is the decimal sign. */
static bool has_decimal_comma(const struct side *x)
{
    const char *comma = memchr(x->s, ',', x->n);
    size_t before = comma ? (size_t)(comma - x->s) : 0, i = 0;
    if (!before || x->n != before + 3) return false;
    for (; i < x->n; i++)
        if (i != before && (x->s[i] < '0' || x->s[i] > '9')) return false;
    return true;
}

/* Commas between digits can be read in several ways: any that makes the two equal will do. */
static struct grade readings(struct arena *a, struct side *x, struct side *y, const struct grade_options *o)
{
    bool commas = memchr(x->s, ',', x->n) || memchr(y->s, ',', y->n);
    struct grade g = reading(a, x, y, LEX_THOUSANDS, o), other;
    if (g.verdict == GRADE_EQUAL || !commas) return g;
    other = reading(a, x, y, 0, o);
    if (other.verdict == GRADE_EQUAL) return other;
    if (has_decimal_comma(y) && !has_decimal_comma(x)) {
        other = reading(a, x, y, LEX_DECIMAL_COMMA, o);
        if (other.verdict == GRADE_EQUAL) return other;
    }
    return g;
}

static struct grade by_meaning(struct answer p, struct answer q, const struct grade_options *o)
{
    struct side x = {.s = p.s, .n = p.n}, y = {.s = q.s, .n = q.n};
    if (p.n > ANSWER_MAX || q.n > ANSWER_MAX) return verdict(GRADE_UNDECIDED, "longer than an answer");
    struct arena *a = malloc(sizeof *a);
    if (!a) return verdict(GRADE_UNDECIDED, "no memory");
    struct grade g = readings(a, &x, &y, o);
    free(a);
    return g;
}

/* ------------------------------------------------------------------------------------------------------ */

/* A choice's letter is asked for, and the candidate begins with one: what it says besides does not count. */
static bool is_choice(struct answer reference, struct answer candidate, struct grade *g)
{
    struct answer p = answer_letter(reference.s, reference.n, false);
    if (!p.kind) return false;
    struct answer q = answer_letter(candidate.s, candidate.n, false);
    if (!q.kind) q = answer_letter(candidate.s, candidate.n, true);
    if (q.kind)
        *g = *p.s == *q.s ? verdict(GRADE_EQUAL, "the same choice")
                          : verdict(GRADE_DIFFERENT, "another choice");
    return q.kind;
}

struct grade grade_answers(const char *reference, size_t n, const char *candidate, size_t m,
                           const struct grade_options *o)
{
    struct answer x = answer_trim(reference, n), y = answer_trim(candidate, m);
    struct number p, q;
    struct grade g;
    if (!o) o = &grade_defaults;
    if (!y.n) return verdict(GRADE_NO_ANSWER, "no answer");
    if (!x.n) return verdict(GRADE_UNDECIDED, "no reference");
    if (number_read(x.s, x.n, &p) && number_read(y.s, y.n, &q)) {
        if (number_equal(&p, &q)) return verdict(GRADE_EQUAL, "the same number");
        bool exact = p.form == q.form || p.num % p.den == 0 || q.num % q.den == 0;
        if (exact || !o->digits) return verdict(GRADE_DIFFERENT, "another number");
    }
    return is_choice(x, y, &g) ? g : by_meaning(x, y, o);
}

struct grade grade_text(const char *reference, size_t n, const char *text, size_t len,
                        const struct grade_options *o)
{
    struct answer a = answer_search(text, len, (o ? o : &grade_defaults)->find);
    struct grade g = verdict(GRADE_NO_ANSWER, "no answer");
    if (a.kind) g = grade_answers(reference, n, a.s, a.n, o);
    g.answer = a;
    return g;
}

/* Skips white space from *i on and says whether there was any. */
static bool skip_space(const struct answer *a, size_t *i)
{
    size_t from = *i;
    while (*i < a->n && is_space(a->s[*i])) ++*i;
    return *i > from;
}

bool grade_reply(const char *reference, size_t n, const char *text, size_t len)
{
    size_t reply = text_reply(text, len), i = 0, j = 0;
    struct answer x = answer_trim(reference, n), y = answer_trim(text + reply, len - reply);
    while (i < x.n && j < y.n && skip_space(&x, &i) == skip_space(&y, &j)) {
        char p = x.s[i++], q = y.s[j++]; /* trimmed: space is never the last */
        if (p != q && !(is_letter(p) && (p | 32) == (q | 32))) return false;
    }
    return x.n && i == x.n && j == y.n;
}

const char *grade_verdict_name(enum grade_verdict v)
{
    static const char *const names[] = {"equal", "different", "no answer", "undecided"};
    return names[v];
}

void grade_thread_end(void)
{
    value_thread_end();
}
