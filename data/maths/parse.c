#include "data/maths/parse.h"
#include "data/maths/parser.h"

#include <string.h>

/* ---- operators --------------------------------------------------------------------------------------- */

static bool is_degree(const struct token *t)
{
    return is_op(t, TOK_POSTFIX, 'o');
}

/* ^: a power, or ^\circ. */
static struct expr *power(struct parser *p, struct expr *x)
{
    p->t++;
    if (is_degree(p->t)) {
        p->t++;
        return expr_new(p->a, EXPR_DEGREE, x, NULL);
    }
    if (is_op(p->t, TOK_OPEN, '{') && is_degree(p->t + 1) && is_op(p->t + 2, TOK_CLOSE, '}')) {
        p->t += 3;
        return expr_new(p->a, EXPR_DEGREE, x, NULL);
    }
    struct expr *y = is_op(p->t, TOK_OPEN, '{') || is_op(p->t, TOK_OPEN, '(')
                         ? parse_group(p)
                         : parse_expression(p, BIND_POWER);
    return y ? expr_new(p->a, EXPR_POW, x, y) : NULL;
}

static struct expr *postfix(struct parser *p, struct expr *x)
{
    static const struct {
        char op;
        enum expr_kind kind;
    } kinds[] = {{'!', EXPR_FACTORIAL}, {'%', EXPR_PERCENT}, {'o', EXPR_DEGREE}};
    int op = (p->t++)->op;
    for (int i = 0; i < 3; i++)
        if (kinds[i].op == op) return expr_new(p->a, kinds[i].kind, x, NULL);
    if (x->kind != EXPR_SYMBOL) return x; /* 5': feet */
    char *name = arena_text(p->a, x->s, x->len);
    if (!name || !arena_text(p->a, "'", 1)) return NULL;
    x->s = name, x->len++;
    return x;
}

/* "am", "p.m": the half of the day. */
static uint8_t half_day(const struct token *t)
{
    bool half = (t->n == 2 || (t->n == 3 && t->s[1] == '.')) && (t->s[t->n - 1] | 32) == 'm';
    return !half ? 0 : (t->s[0] | 32) == 'a' ? EXPR_MORNING : (t->s[0] | 32) == 'p' ? EXPR_EVENING : 0;
}

/* A unit after a value: "5 \text{ cm}^2", "3 hours ago", "7 miles per hour". It is passed over. */
static void unit(struct parser *p, struct expr *x)
{
    while (p->t->kind == TOK_TEXT) {
        x->flags |= half_day(p->t++);
        if (accept(p, TOK_OPERATOR, '^') && p->t->kind == TOK_NUMBER) p->t++;
        if (is_op(p->t, TOK_OPEN, '{') && p->t[1].kind == TOK_NUMBER && is_op(p->t + 2, TOK_CLOSE, '}'))
            p->t += 3;
        if (is_op(p->t, TOK_OPERATOR, '/') && (p->t[1].kind == TOK_TEXT || p->t[1].kind == TOK_SYMBOL))
            p->t += p->t[1].kind == TOK_TEXT ? 1 : 2;
    }
}

/* Relations of one chain become kids of one node. */
static struct expr *relation(struct parser *p, struct expr *x)
{
    struct expr *chain = expr_new(p->a, EXPR_RELATION, x, NULL);
    while (chain && p->t->kind == TOK_RELATION) {
        uint8_t op = (p->t++)->op;
        if (p->t->kind == TOK_RELATION && p->t->op == REL_EQ) p->t++; /* \ge = */
        struct expr *y = parse_expression(p, BIND_RELATION + 1);
        if (!y) return NULL;
        y->rel = op;
        expr_add(chain, y);
    }
    return chain;
}

static struct expr *binary(struct parser *p, struct expr *x, enum expr_kind kind, int least)
{
    struct token *t = p->t++;
    struct expr *y = parse_expression(p, least + 1);
    if (y && kind == EXPR_RATIO && x->kind == EXPR_RATIO) { /* 1:2:4 */
        expr_add(x, y);
        return x;
    }
    struct expr *e = y ? expr_new(p->a, kind, x, y) : NULL;
    if (e) e->op = t->op;
    if (e && kind == EXPR_RATIO) e->flags = y->flags & (EXPR_MORNING | EXPR_EVENING);
    return e;
}

static bool is_box(const struct token *t)
{
    return t->kind == TOK_ARGUMENT &&
           ((t->n == 6 && !memcmp(t->s, "\\boxed", 6)) || (t->n == 5 && !memcmp(t->s, "\\fbox", 5)));
}

static bool starts_operand(const struct parser *p)
{
    if (is_box(p->t)) return false;
    switch (p->t->kind) {
    case TOK_NUMBER:
    case TOK_SYMBOL:
    case TOK_CONSTANT:
    case TOK_OPEN:
    case TOK_FRAC:
    case TOK_SQRT:
    case TOK_BINOM:
    case TOK_BEGIN:
    case TOK_ARGUMENT:
        return true;
    case TOK_FUNCTION:
        return !p->argument;
    case TOK_BAR:
        return !p->bars;
    default:
        return false;
    }
}

/* Side by side: a product; f(x) a call, which may be a product as well. */
static struct expr *juxtaposed(struct parser *p, struct expr *x)
{
    if (p->t->kind == TOK_NUMBER && x->kind == EXPR_NUMBER) return refuse(p, "two numbers side by side");
    bool call = is_op(p->t, TOK_OPEN, '(') && x->kind == EXPR_SYMBOL;
    struct expr *y = parse_expression(p, BIND_ARGUMENT + 1);
    return y ? expr_new(p->a, call ? EXPR_CALL : EXPR_MUL, x, y) : NULL;
}

static enum expr_kind operator_kind(const struct token *t, int *bind)
{
    static const struct {
        uint8_t token, op, kind, bind;
    } rows[] = {
        {TOK_OPERATOR, '+', EXPR_ADD, BIND_SUM},          {TOK_OPERATOR, '-', EXPR_SUB, BIND_SUM},
        {TOK_OPERATOR, '*', EXPR_MUL, BIND_PRODUCT},      {TOK_OPERATOR, '/', EXPR_DIV, BIND_PRODUCT},
        {TOK_OPERATOR, ':', EXPR_RATIO, BIND_RATIO},      {TOK_PLUS_MINUS, '+', EXPR_PLUS_MINUS, BIND_SUM},
        {TOK_PLUS_MINUS, '-', EXPR_PLUS_MINUS, BIND_SUM}, {TOK_SETS, 'u', EXPR_UNION, BIND_SETS},
        {TOK_SETS, 'n', EXPR_INTERSECTION, BIND_SETS},    {TOK_SETS, '\\', EXPR_SETMINUS, BIND_SETS},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (is_op(t, (enum token_kind)rows[i].token, rows[i].op)) {
            *bind = rows[i].bind;
            return (enum expr_kind)rows[i].kind;
        }
    *bind = 0;
    return EXPR_NUMBER;
}

/* Joins x with what follows, as far as that binds at least as tightly as `least`; sets *done otherwise. */
static struct expr *extended(struct parser *p, struct expr *x, int least, bool *done)
{
    int bind;
    enum expr_kind kind = operator_kind(p->t, &bind);
    if (p->t->kind == TOK_POSTFIX) return postfix(p, x);
    if (is_op(p->t, TOK_OPERATOR, '^') && least <= BIND_POWER) return power(p, x);
    if (bind && bind >= least) return binary(p, x, kind, bind);
    if (p->t->kind == TOK_RELATION && least <= BIND_RELATION) return relation(p, x);
    if (starts_operand(p) && least <= BIND_ARGUMENT) return juxtaposed(p, x);
    *done = true;
    return x;
}

struct expr *parse_expression(struct parser *p, int least)
{
    bool done = false;
    if (++p->depth > ARENA_DEPTH) return refuse(p, "nested too deep");
    struct expr *x = parse_operand(p);
    while (x && !done) {
        unit(p, x);
        x = extended(p, x, least, &done);
    }
    p->depth--;
    return p->a->refused ? NULL : x;
}

/* ---- lists ------------------------------------------------------------------------------------------- */

static bool separated(struct parser *p)
{
    bool any = is_box(p->t);
    while (p->t->kind == TOK_SEPARATOR || p->t->kind == TOK_ROW) p->t++, any = true;
    return any;
}

static bool ends_list(const struct token *t)
{
    return t->kind == TOK_END || t->kind == TOK_CLOSE || t->kind == TOK_FINISH;
}

/* One or more expressions; a list when there are more. Boxes side by side are a list as well. */
struct expr *parse_list(struct parser *p)
{
    while (p->t->kind == TOK_SEPARATOR || p->t->kind == TOK_ROW) p->t++;
    struct expr *x = parse_expression(p, 0), *all = NULL;
    while (x && separated(p) && !ends_list(p->t)) {
        if (!all && !(all = expr_new(p->a, EXPR_LIST, x, NULL))) return NULL;
        if (!(x = parse_expression(p, 0))) return NULL;
        expr_add(all, x);
    }
    return all ? all : x;
}

struct expr *parse(struct arena *a, const char *s, size_t n, int flags)
{
    struct parser p = {.a = a, .t = a->tokens};
    if (lex(a, s, n, flags)) return NULL;
    struct expr *e = parse_list(&p);
    if (e && p.t->kind != TOK_END) return refuse(&p, "something left over");
    return e;
}
