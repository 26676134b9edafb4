#include "data/maths/reduce.h"

bool expr_has(const struct expr *e, enum expr_kind kind)
{
    if (e->kind == kind) return true;
    for (const struct expr *k = e->first; k; k = k->next)
        if (expr_has(k, kind)) return true;
    return false;
}

/* ---- signs ------------------------------------------------------------------------------------------- */

static struct expr *copy_node(struct arena *a, const struct expr *e, int sign)
{
    struct expr *c = expr_again(a, e);
    if (!c) return NULL;
    c->rel = e->rel, c->first = NULL, c->n = 0;
    for (const struct expr *k = e->first; k; k = k->next) {
        struct expr *kid = reduce_signs(a, k, sign);
        if (!kid) return NULL;
        expr_add(c, kid);
    }
    return c;
}

struct expr *reduce_signs(struct arena *a, const struct expr *e, int sign)
{
    struct expr *c = copy_node(a, e, sign);
    if (!c || e->kind != EXPR_PLUS_MINUS) return c;
    bool plus = (e->op == '+') == (sign > 0);
    c->kind = e->n == 2 ? (plus ? EXPR_ADD : EXPR_SUB) : EXPR_NEG;
    if (e->n == 1 && plus) {
        uint8_t rel = c->rel;
        c = c->first, c->rel = rel;
    }
    return c;
}

/* ---- matrices ---------------------------------------------------------------------------------------- */

/* f(x) or f(x, y) for every entry x of m, and y of n when it is a matrix too, else y = n. */
static struct expr *entries(struct arena *a, enum expr_kind kind, const struct expr *m, const struct expr *n)
{
    struct expr *out = expr_new(a, EXPR_MATRIX, NULL, NULL);
    const struct expr *other = n && n->kind == EXPR_MATRIX ? n->first : n;
    for (const struct expr *k = m->first; out && k; k = k->next) {
        struct expr *x = expr_again(a, k), *y = other ? expr_again(a, other) : NULL;
        struct expr *cell = x && (y || !other) ? expr_new(a, kind, x, y) : NULL;
        if (!cell) return NULL;
        expr_add(out, cell);
        if (n && n->kind == EXPR_MATRIX) other = other->next;
    }
    if (out) out->op = m->op;
    return out;
}

static const struct expr *kid(const struct expr *e, uint32_t i)
{
    const struct expr *k = e->first;
    while (k && i--) k = k->next;
    return k;
}

/* Row i of x times column j of y. */
static struct expr *dot(struct arena *a, const struct expr *x, const struct expr *y, uint32_t i, uint32_t j)
{
    struct expr *sum = NULL;
    for (uint32_t k = 0; k < x->op; k++) {
        const struct expr *p = kid(x, i * x->op + k), *q = kid(y, k * y->op + j);
        struct expr *u = expr_again(a, p), *v = expr_again(a, q);
        struct expr *term = u && v ? expr_new(a, EXPR_MUL, u, v) : NULL;
        if (!term) return NULL;
        sum = sum ? expr_new(a, EXPR_ADD, sum, term) : term;
    }
    return sum;
}

static struct expr *product(struct arena *a, const struct expr *x, const struct expr *y)
{
    struct expr *out = expr_new(a, EXPR_MATRIX, NULL, NULL);
    uint32_t rows = x->n / x->op;
    if (y->n / y->op != x->op) return NULL;
    for (uint32_t i = 0; out && i < rows; i++)
        for (uint32_t j = 0; j < y->op; j++) {
            struct expr *cell = arena_step(a, x->op) ? dot(a, x, y, i, j) : NULL;
            if (!cell) return NULL;
            expr_add(out, cell);
        }
    if (out) out->op = y->op;
    return out;
}

static const struct expr *two_matrices(struct arena *a, const struct expr *e, const struct expr *x,
                                       const struct expr *y)
{
    bool same_shape = x->n == y->n && x->op == y->op;
    if (e->kind == EXPR_MUL || e->kind == EXPR_CALL) return product(a, x, y);
    if ((e->kind != EXPR_ADD && e->kind != EXPR_SUB) || !same_shape) return NULL;
    return entries(a, (enum expr_kind)e->kind, x, y);
}

const struct expr *reduce_matrices(struct arena *a, const struct expr *e)
{
    const struct expr *out = NULL;
    if (e->kind == EXPR_MATRIX || e->n < 1 || e->n > 2 || !expr_has(e, EXPR_MATRIX)) return e;
    const struct expr *x = reduce_matrices(a, e->first);
    const struct expr *y = e->n == 2 ? reduce_matrices(a, e->first->next) : NULL;
    bool left = x->kind == EXPR_MATRIX, right = y && y->kind == EXPR_MATRIX;
    if (left && right)
        out = two_matrices(a, e, x, y);
    else if (left && !y && e->kind == EXPR_NEG)
        out = entries(a, EXPR_NEG, x, NULL);
    else if (left && y && (e->kind == EXPR_MUL || e->kind == EXPR_DIV))
        out = entries(a, (enum expr_kind)e->kind, x, y);
    else if (right && (e->kind == EXPR_MUL || e->kind == EXPR_CALL))
        out = entries(a, EXPR_MUL, y, x);
    return out ? out : e;
}

/* ---- relations --------------------------------------------------------------------------------------- */

int expr_infinity(const struct expr *e)
{
    if (e->kind == EXPR_CONSTANT && e->op == CONST_INF) return 1;
    return e->kind == EXPR_NEG ? -expr_infinity(e->first) : 0;
}

bool expr_is_name(const struct expr *e)
{
    switch (e->kind) {
    case EXPR_SYMBOL:
    case EXPR_TEXT:
    case EXPR_CALL:
        return true;
    case EXPR_CONSTANT:
        return e->op == CONST_E || e->op == CONST_I;
    case EXPR_ABS:
    case EXPR_MUL:
    case EXPR_DIV:
    case EXPR_RATIO:
    case EXPR_TUPLE:
    case EXPR_FUNCTION:
        for (const struct expr *k = e->first; k; k = k->next)
            if (!expr_is_name(k)) return false;
        return true;
    default:
        return false;
    }
}

static bool has_names(const struct expr *e)
{
    return expr_has(e, EXPR_SYMBOL) || expr_has(e, EXPR_CALL) || expr_has(e, EXPR_TEXT);
}

const struct expr *relation_value(const struct expr *e)
{
    const struct expr *first = e->first, *value = NULL;
    for (const struct expr *k = first->next; k; k = k->next) {
        if (k->rel == REL_IN && e->n == 2) return k;
        if (k->rel != REL_EQ && k->rel != REL_APPROX) return NULL;
        if (k->rel == REL_EQ || !value) value = k;
    }
    if (e->n > 2 || expr_is_name(first) || !has_names(first))
        return !expr_is_name(first) && e->n == 2 && expr_is_name(value) ? first : value;
    return expr_is_name(value) ? first : NULL;
}

static bool is_less(int rel)
{
    return rel == REL_LT || rel == REL_LE;
}
static bool is_more(int rel)
{
    return rel == REL_GT || rel == REL_GE;
}

static struct expr *infinity(struct arena *a, int sign)
{
    struct expr *e = expr_new(a, EXPR_CONSTANT, NULL, NULL);
    if (e) e->op = CONST_INF;
    return e && sign < 0 ? expr_new(a, EXPR_NEG, e, NULL) : e;
}

static const struct expr *interval(struct arena *a, struct expr *lo, bool lo_closed, struct expr *hi,
                                   bool hi_closed)
{
    struct expr *e = lo && hi ? expr_new(a, EXPR_TUPLE, lo, hi) : NULL;
    if (e) e->flags = (uint8_t)((lo_closed ? EXPR_CLOSED_LEFT : 0) | (hi_closed ? EXPR_CLOSED_RIGHT : 0));
    return e;
}

static const struct expr *all_but(struct arena *a, const struct expr *v)
{
    const struct expr *below = interval(a, infinity(a, -1), false, expr_again(a, v), false);
    const struct expr *above = interval(a, expr_again(a, v), false, infinity(a, 1), false);
    struct expr *x = below ? expr_again(a, below) : NULL, *y = above ? expr_again(a, above) : NULL;
    return x && y ? expr_new(a, EXPR_UNION, x, y) : NULL;
}

const struct expr *reduce_sets(struct arena *a, const struct expr *e)
{
    const struct expr *out = NULL, *x = e->first, *y = x ? x->next : NULL;
    if (e->kind == EXPR_CONSTANT && e->op == CONST_REALS)
        out = interval(a, infinity(a, -1), false, infinity(a, 1), false);
    else if (e->kind == EXPR_CONSTANT && e->op == CONST_EMPTY)
        out = expr_new(a, EXPR_SET, NULL, NULL);
    else if (e->kind == EXPR_SETMINUS && x->kind == EXPR_CONSTANT && x->op == CONST_REALS &&
             y->kind == EXPR_SET && y->n == 1)
        out = all_but(a, y->first);
    return out ? out : e;
}

/* x < v, v < x and so on. */
static const struct expr *ray(struct arena *a, const struct expr *x, const struct expr *y)
{
    bool less = is_less(y->rel), closed = y->rel == REL_LE || y->rel == REL_GE;
    if (y->rel == REL_NE && expr_is_name(x) && !has_names(y)) return all_but(a, y);
    if (!less && !is_more(y->rel)) return NULL;
    if (!expr_is_name(x)) {
        const struct expr *swap = x;
        if (!expr_is_name(y)) return NULL;
        x = y, y = swap, less = !less;
    }
    if (has_names(y)) return NULL;
    if (less) return interval(a, infinity(a, -1), false, expr_again(a, y), closed);
    return interval(a, expr_again(a, y), closed, infinity(a, 1), false);
}

const struct expr *relation_interval(struct arena *a, const struct expr *e)
{
    const struct expr *x = e->first, *y = x->next, *z = y->next;
    if (e->n == 2) return ray(a, x, y);
    if (e->n != 3 || !expr_is_name(y)) return NULL;
    bool lo = y->rel == REL_LE || y->rel == REL_GE, hi = z->rel == REL_LE || z->rel == REL_GE;
    if (is_less(y->rel) && is_less(z->rel)) return interval(a, expr_again(a, x), lo, expr_again(a, z), hi);
    if (is_more(y->rel) && is_more(z->rel)) return interval(a, expr_again(a, z), hi, expr_again(a, x), lo);
    return NULL;
}
