#include "data/maths/parser.h"

#include <string.h>

static struct expr *leaf(struct parser *p, enum expr_kind kind, const struct token *t)
{
    struct expr *e = expr_new(p->a, kind, NULL, NULL);
    if (e) e->s = t->s, e->len = t->n, e->op = t->op;
    return e;
}

/* ---- groups ------------------------------------------------------------------------------------------ */

static struct expr *close_group(struct parser *p, struct expr *inner, int open)
{
    int close = p->t->kind == TOK_CLOSE ? p->t->op : 0;
    bool round = (open == '(' || open == '[') && (close == ')' || close == ']');
    if (!inner) return NULL;
    if (!round && close != (open == '<' ? '>' : open == '{' ? '}' : open))
        return refuse(p, "brackets that do not match");
    p->t++;
    int flags = (open == '[' ? EXPR_CLOSED_LEFT : 0) | (close == ']' ? EXPR_CLOSED_RIGHT : 0);
    if (open == 'f' || open == 'c') return expr_new(p->a, open == 'f' ? EXPR_FLOOR : EXPR_CEIL, inner, NULL);
    if (open == 'S') {
        if (inner->kind != EXPR_LIST) inner = expr_new(p->a, EXPR_LIST, inner, NULL);
        if (inner) inner->kind = EXPR_SET;
    } else if (open != '{' && inner->kind == EXPR_LIST && !(inner->flags & EXPR_GROUPED)) {
        inner->kind = EXPR_TUPLE, inner->flags = (uint8_t)flags;
    }
    if (inner) inner->flags |= EXPR_GROUPED;
    return inner;
}

struct expr *parse_group(struct parser *p)
{
    int open = (p->t++)->op, bars = p->bars;
    bool argument = p->argument;
    struct expr *inner;
    p->bars = open == 'S', p->argument = false;
    if (p->t->kind == TOK_CLOSE) /* {} */
        inner = expr_new(p->a, EXPR_LIST, NULL, NULL);
    else
        inner = parse_list(p);
    if (inner && open == 'S' && accept(p, TOK_BAR, 0)) { /* {x | x > 3}: what x fulfils */
        inner = parse_list(p);
        open = '{';
        if (is_op(p->t, TOK_CLOSE, 'S')) p->t->op = '}';
    }
    inner = close_group(p, inner, open);
    p->bars = bars, p->argument = argument;
    return inner;
}

static struct expr *absolute(struct parser *p)
{
    bool argument = p->argument;
    p->t++, p->bars++, p->argument = false;
    struct expr *inner = parse_expression(p, 0);
    p->bars--, p->argument = argument;
    if (!inner) return NULL;
    if (p->t->kind != TOK_BAR) return refuse(p, "a bar that does not close");
    p->t++;
    return expr_new(p->a, EXPR_ABS, inner, NULL);
}

/* What \frac, \sqrt or _ takes: a group, or one sign (\frac12 is 1/2, \sqrt2x is \sqrt{2}x). */
static struct expr *argument(struct parser *p, bool whole)
{
    struct token *t = p->t;
    if (is_op(t, TOK_OPEN, '{') || is_op(t, TOK_OPEN, '(')) return parse_group(p);
    if (t->kind == TOK_NUMBER && t->n > 1 && !whole) {
        struct token one = {.kind = TOK_NUMBER, .n = 1, .s = t->s};
        t->s++, t->n--;
        return leaf(p, EXPR_NUMBER, &one);
    }
    return parse_expression(p, BIND_POWER + 1);
}

/* ---- matrices ---------------------------------------------------------------------------------------- */

static bool is_matrix(const struct token *t)
{
    return (t->n >= 6 && !memcmp(t->s + t->n - 6, "matrix", 6)) || (t->n == 5 && !memcmp(t->s, "array", 5));
}

/* The cells of one row into m; their number, or 0 after an error. */
static uint32_t matrix_row(struct parser *p, struct expr *m)
{
    uint32_t cells = 0;
    do {
        struct expr *cell = parse_expression(p, 0);
        if (!cell) return 0;
        expr_add(m, cell);
        cells++;
    } while (accept(p, TOK_CELL, 0));
    return cells;
}

static struct expr *matrix(struct parser *p)
{
    struct expr *m = expr_new(p->a, EXPR_MATRIX, NULL, NULL);
    if (!is_matrix(p->t)) return refuse(p, "an environment that is no matrix");
    p->t++;
    for (uint32_t cells; m && p->t->kind != TOK_FINISH;) {
        cells = matrix_row(p, m);
        if (!cells || cells > 255 || (m->op && m->op != cells)) return refuse(p, "a matrix with uneven rows");
        m->op = (uint8_t)cells;
        if (!accept(p, TOK_ROW, '\0') && p->t->kind != TOK_FINISH)
            return refuse(p, "a matrix that does not end");
    }
    if (!m || !m->n) return refuse(p, "an empty matrix");
    p->t++;
    return m;
}

/* ---- names, numbers, functions ----------------------------------------------------------------------- */

static void subscript_text(struct parser *p, char *out, size_t cap, size_t *n)
{
    int depth = 0;
    do {
        struct token *t = p->t;
        if (t->kind == TOK_END) break;
        if (is_op(t, TOK_OPEN, '{'))
            depth++;
        else if (is_op(t, TOK_CLOSE, '}'))
            depth--;
        else
            for (size_t i = 0; i < t->n && *n < cap; i++) out[(*n)++] = t->s[i];
        p->t++;
    } while (depth);
}

/* x, or x_1 as one name. */
static struct expr *symbol(struct parser *p)
{
    char name[64];
    struct token *t = p->t++;
    size_t n = t->n < 32 ? t->n : 32;
    struct expr *e = leaf(p, EXPR_SYMBOL, t);
    if (!e || !accept(p, TOK_OPERATOR, '_')) return e;
    memcpy(name, t->s, n);
    name[n++] = '_';
    subscript_text(p, name, sizeof name, &n);
    e->s = arena_text(p->a, name, n), e->len = (uint32_t)n;
    return p->a->refused ? NULL : e;
}

static struct expr *based(struct parser *p, struct expr *digits)
{
    struct expr *base = argument(p, true);
    if (!base) return NULL;
    expr_add(digits, base);
    digits->kind = EXPR_BASE;
    return digits;
}

static bool is_integer(const struct expr *e)
{
    for (uint32_t i = 0; i < e->len; i++)
        if (e->s[i] < '0' || e->s[i] > '9') return false;
    return e->kind == EXPR_NUMBER;
}

static int64_t small(const struct expr *e)
{
    int64_t v = 0;
    for (uint32_t i = 0; i < e->len && v < 1000000000; i++) v = v * 10 + (e->s[i] - '0');
    return v;
}

static struct expr *fraction(struct parser *p)
{
    p->t++;
    struct expr *x = argument(p, false), *y = x ? argument(p, false) : NULL;
    return y ? expr_new(p->a, EXPR_DIV, x, y) : NULL;
}

/* 1\frac{3}{4} and 1 3/4, when the fraction is a proper one of plain integers. */
static struct expr *mixed(struct parser *p, struct expr *whole)
{
    struct token *at = p->t;
    struct expr *part = NULL;
    if (!is_integer(whole)) return whole;
    if (at->kind == TOK_FRAC) {
        part = fraction(p);
    } else if (at->kind == TOK_NUMBER && at->space && is_op(at + 1, TOK_OPERATOR, '/') &&
               at[2].kind == TOK_NUMBER) {
        struct expr *x = leaf(p, EXPR_NUMBER, at), *y = leaf(p, EXPR_NUMBER, at + 2);
        part = x && y ? expr_new(p->a, EXPR_DIV, x, y) : NULL;
        p->t += 3;
    } else {
        return whole;
    }
    if (!part) return NULL;
    struct expr *x = part->first, *y = x->next;
    bool proper = is_integer(x) && is_integer(y) && small(x) < small(y) && small(x) > 0;
    return expr_new(p->a, proper ? EXPR_MIXED : EXPR_MUL, whole, part);
}

static struct expr *root(struct parser *p)
{
    struct expr *degree = NULL, *x;
    p->t++;
    if (accept(p, TOK_OPEN, '[')) {
        degree = parse_expression(p, 0);
        if (!degree) return NULL;
        if (!accept(p, TOK_CLOSE, ']')) return refuse(p, "a root without a degree");
    }
    x = argument(p, false);
    return x ? expr_new(p->a, EXPR_ROOT, x, degree) : NULL;
}

static struct expr *binomial(struct parser *p)
{
    p->t++;
    struct expr *x = argument(p, false), *y = x ? argument(p, false) : NULL;
    return y ? expr_new(p->a, EXPR_BINOMIAL, x, y) : NULL;
}

static struct expr *function_argument(struct parser *p)
{
    bool outer = p->argument;
    struct expr *x;
    if (p->t->kind == TOK_OPEN) return parse_group(p);
    p->argument = true;
    x = parse_expression(p, BIND_ARGUMENT);
    p->argument = outer;
    return x;
}

static struct expr *function(struct parser *p)
{
    struct token *t = p->t++;
    struct expr *power = NULL, *base = NULL;
    for (int i = 0; i < 2; i++) {
        if (accept(p, TOK_OPERATOR, '^') && !(power = argument(p, true))) return NULL;
        if (accept(p, TOK_OPERATOR, '_') && !(base = argument(p, t->op != FN_LOG))) return NULL;
    }
    struct expr *x = function_argument(p);
    if (!x) return NULL;
    struct expr *f = expr_new(p->a, EXPR_FUNCTION, x, base);
    if (f) f->op = t->op, f->s = t->s, f->len = t->n;
    return f && power ? expr_new(p->a, EXPR_POW, f, power) : f;
}

/* \overline{AB}, \boxed{5}: as if it were not there. */
static struct expr *plain_argument(struct parser *p)
{
    struct token *t = p->t++, *letter = p->t + is_op(p->t, TOK_OPEN, '{');
    if (t->n == 7 && !memcmp(t->s, "\\mathbb", 7) && letter->n == 1 && *letter->s == 'R') {
        struct token reals = {.kind = TOK_CONSTANT, .op = CONST_REALS};
        p->t = letter + 1;
        if (p->t - t > 2 && !accept(p, TOK_CLOSE, '}')) return refuse(p, "brackets that do not match");
        return leaf(p, EXPR_CONSTANT, &reals);
    }
    return argument(p, true);
}

static struct expr *text(struct parser *p)
{
    struct token *first = p->t++;
    struct expr *e = leaf(p, EXPR_TEXT, first);
    while (p->t->kind == TOK_TEXT || p->t->kind == TOK_SYMBOL || p->t->kind == TOK_CONSTANT) p->t++;
    return e;
}

/* ---- operands ---------------------------------------------------------------------------------------- */

static struct expr *sign(struct parser *p)
{
    struct token *t = p->t++;
    struct expr *x = parse_expression(p, BIND_SIGN);
    if (!x || (t->kind == TOK_OPERATOR && t->op == '+')) return x;
    struct expr *e = expr_new(p->a, t->kind == TOK_PLUS_MINUS ? EXPR_PLUS_MINUS : EXPR_NEG, x, NULL);
    if (e) e->op = t->op;
    return e;
}

struct expr *parse_operand(struct parser *p)
{
    struct token *t = p->t;
    struct expr *e;
    switch (t->kind) {
    case TOK_NUMBER:
        p->t++;
        e = leaf(p, EXPR_NUMBER, t);
        if (e && accept(p, TOK_OPERATOR, '_')) return based(p, e);
        return e ? mixed(p, e) : NULL;
    case TOK_CONSTANT:
        if (is_op(t + 1, TOK_OPERATOR, '_')) return symbol(p);
        p->t++;
        return leaf(p, EXPR_CONSTANT, t);
    case TOK_SYMBOL:
        return symbol(p);
    case TOK_TEXT:
        return text(p);
    case TOK_OPEN:
        return parse_group(p);
    case TOK_BAR:
        return absolute(p);
    case TOK_FRAC:
        return fraction(p);
    case TOK_SQRT:
        return root(p);
    case TOK_BINOM:
        return binomial(p);
    case TOK_FUNCTION:
        return function(p);
    case TOK_ARGUMENT:
        return plain_argument(p);
    case TOK_BEGIN:
        return matrix(p);
    case TOK_PLUS_MINUS:
        return sign(p);
    case TOK_OPERATOR:
        if (t->op == '+' || t->op == '-') return sign(p);
        break;
    default:
        break;
    }
    return refuse(p, t->kind == TOK_END ? "it ends early" : "an operator without operands");
}
