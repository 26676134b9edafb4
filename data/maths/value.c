#include "data/maths/value.h"
#include "data/maths/interval.h"
#include "data/maths/rational.h"

#include <string.h>

enum { POINTS = 6, MAX_ROOT = 64, MAX_POWER = 100000 };

/* Evaluating at one point with one precision. */
struct point {
    struct arena *a;
    int index;
    mpfr_prec_t bits;
    bool symbols; /* there are symbols: a branch of a root was chosen by the point's sign */
    bool branch;  /* ... and it was one of several */
    bool degrees; /* inside a trigonometric function */
    bool defined; /* both expressions have a value here */
};

static bool eval(struct point *p, const struct expr *e, struct box *out);

/* ---- symbols ----------------------------------------------------------------------------------------- */

/* FNV-1a over the name, then over the point's number. */
static uint32_t hash(const char *s, size_t n, uint32_t point)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < n; i++) h = (h ^ (unsigned char)s[i]) * 16777619u;
    h = (h ^ point) * 16777619u;
    return h ^ (h >> 15);
}

/* Points 0 to 2 are positive: near 1, a few, tens; 3 to 5 of either sign. */
static void symbol(const struct point *p, const struct expr *e, struct box *out)
{
    static const unsigned long scale[POINTS] = {997, 201, 31, 463, 97, 23};
    uint32_t h = hash(e->s, e->len, (uint32_t)p->index);
    mpq_t q;
    mpq_init(q);
    mpq_set_si(q, 301 + (long)(h % 1009), scale[p->index]);
    mpq_canonicalize(q);
    if (p->index >= 3 && (h >> 12) % 3) mpq_neg(q, q);
    box_set_rational(out, q);
    mpq_clear(q);
}

/* ---- powers ------------------------------------------------------------------------------------------ */

static void branched(struct point *p, const struct box *x)
{
    if (p->symbols && !box_is_positive(x)) p->branch = true;
}

static bool power_int(const struct point *p, const struct box *x, long n, struct box *out)
{
    struct box one;
    if (n >= 0) return (n || !box_has_zero(x)) && box_pow_int(out, x, (unsigned long)n);
    box_init(&one, p->bits);
    box_set_int(&one, 1);
    bool ok = box_pow_int(out, x, (unsigned long)-n) && box_div(out, &one, out);
    box_clear(&one);
    return ok;
}

/* x^y = exp(y log x) */
static bool power_general(struct point *p, struct box *x, const struct expr *exponent, struct box *out)
{
    struct box y;
    box_init(&y, p->bits);
    bool ok = eval(p, exponent, &y);
    branched(p, x);
    ok = ok && box_log(x, x) && box_mul(out, x, &y) && box_exp(out, out);
    box_clear(&y);
    return ok;
}

static bool power(struct point *p, const struct expr *e, struct box *out)
{
    struct box x;
    long n;
    box_init(&x, p->bits);
    bool ok = eval(p, e->first, &x);
    if (ok && rational_small(p->a, e->first->next, MAX_POWER, &n))
        ok = power_int(p, &x, n, out);
    else
        ok = ok && power_general(p, &x, e->first->next, out);
    box_clear(&x);
    return ok;
}

/* Odd roots of negative numbers are real. */
static bool root(struct point *p, const struct expr *e, struct box *out)
{
    struct box x;
    long n = 2;
    if (e->n > 1 && (!rational_small(p->a, e->first->next, MAX_ROOT, &n) || n < 1)) return false;
    box_init(&x, p->bits);
    bool ok = eval(p, e->first, &x);
    if (ok) branched(p, &x);
    ok = ok && (n == 2 ? box_sqrt(out, &x) : box_root(out, &x, (unsigned long)n));
    box_clear(&x);
    return ok;
}

/* ---- functions --------------------------------------------------------------------------------------- */

static bool logarithm(struct point *p, const struct expr *e, const struct box *x, struct box *out)
{
    struct box base;
    bool ok;
    branched(p, x);
    if (e->op == FN_LN) return box_log(out, x);
    box_init(&base, p->bits);
    box_set_int(&base, 10);
    ok = e->n < 2 || eval(p, e->first->next, &base);
    ok = ok && box_log(out, x) && box_log(&base, &base) && box_div(out, out, &base);
    box_clear(&base);
    return ok;
}

/* sin, cos, tan = sin / cos, ... */
static bool wave(const struct point *p, int op, const struct box *x, struct box *out)
{
    struct box s, c;
    box_init(&s, p->bits), box_init(&c, p->bits);
    bool ok = box_sin(&s, x) && box_cos(&c, x);
    switch (op) {
    case FN_SIN:
        box_set(out, &s);
        break;
    case FN_COS:
        box_set(out, &c);
        break;
    case FN_TAN:
        ok = ok && box_div(out, &s, &c);
        break;
    case FN_COT:
        ok = ok && box_div(out, &c, &s);
        break;
    default:
        box_set_int(out, 1);
        ok = ok && box_div(out, out, op == FN_SEC ? &c : &s);
    }
    box_clear(&s), box_clear(&c);
    return ok;
}

/* cosh x = (e^x + e^-x) / 2 */
static bool cosine_hyperbolic(const struct point *p, const struct box *x, struct box *out)
{
    struct box minus;
    box_init(&minus, p->bits);
    box_neg(&minus, x);
    bool ok = box_exp(out, x) && box_exp(&minus, &minus) && box_add(out, out, &minus);
    box_set_int(&minus, 2);
    ok = ok && box_div(out, out, &minus);
    box_clear(&minus);
    return ok;
}

static bool apply(struct point *p, const struct expr *e, const struct box *x, struct box *out)
{
    switch (e->op) {
    case FN_ASIN:
        return box_monotone(out, x, mpfr_asin, false);
    case FN_ACOS:
        return box_monotone(out, x, mpfr_acos, true);
    case FN_ATAN:
        return box_monotone(out, x, mpfr_atan, false);
    case FN_SINH:
        return box_monotone(out, x, mpfr_sinh, false);
    case FN_TANH:
        return box_monotone(out, x, mpfr_tanh, false);
    case FN_COSH:
        return cosine_hyperbolic(p, x, out);
    case FN_EXP:
        return box_exp(out, x);
    case FN_LN:
    case FN_LOG:
        return logarithm(p, e, x, out);
    case FN_OTHER:
        return false;
    default:
        return wave(p, e->op, x, out);
    }
}

static bool function(struct point *p, const struct expr *e, struct box *out)
{
    struct box x;
    bool outer = p->degrees;
    box_init(&x, p->bits);
    p->degrees = e->op <= FN_CSC;
    bool ok = eval(p, e->first, &x);
    p->degrees = outer;
    ok = ok && apply(p, e, &x, out);
    box_clear(&x);
    return ok;
}

/* ---- the rest ---------------------------------------------------------------------------------------- */

static bool constant(const struct expr *e, struct box *out)
{
    switch (e->op) {
    case CONST_PI:
        box_set_pi(out);
        return true;
    case CONST_E:
        box_set_int(out, 1);
        return box_exp(out, out);
    case CONST_I:
        box_set_int(out, 0);
        mpfr_set_ui(out->im.lo, 1, MPFR_RNDD);
        mpfr_set_ui(out->im.hi, 1, MPFR_RNDU);
        return true;
    default:
        return false;
    }
}

static bool literal(struct point *p, const struct expr *e, struct box *out)
{
    mpq_t q;
    mpq_init(q);
    bool ok = rational(p->a, e, q);
    if (ok) box_set_rational(out, q);
    mpq_clear(q);
    return ok;
}

static bool scaled(struct point *p, struct box *out, long divisor)
{
    struct box d;
    box_init(&d, p->bits);
    box_set_int(&d, divisor);
    bool ok = box_div(out, out, &d);
    box_clear(&d);
    return ok;
}

/* An angle in degrees counts as such inside sin and the like, and as its number elsewhere. */
static bool degree(struct point *p, struct box *out)
{
    struct box pi;
    if (!p->degrees) return true;
    box_init(&pi, p->bits);
    box_set_pi(&pi);
    bool ok = box_mul(out, out, &pi) && scaled(p, out, 180);
    box_clear(&pi);
    return ok;
}

static bool unary(struct point *p, const struct expr *e, struct box *out)
{
    if (!eval(p, e->first, out)) return false;
    switch (e->kind) {
    case EXPR_NEG:
        box_neg(out, out);
        return true;
    case EXPR_ABS:
        return box_abs(out, out);
    case EXPR_FLOOR:
    case EXPR_CEIL:
        return box_floor(out, out, e->kind == EXPR_CEIL);
    case EXPR_PERCENT:
        return scaled(p, out, 100);
    case EXPR_DEGREE:
        return degree(p, out);
    default:
        return false;
    }
}

static bool binary(struct point *p, const struct expr *e, struct box *out)
{
    struct box y;
    if (e->n != 2) return false;
    box_init(&y, p->bits);
    bool ok = eval(p, e->first, out) && eval(p, e->first->next, &y);
    switch (e->kind) {
    case EXPR_ADD:
        ok = ok && box_add(out, out, &y);
        break;
    case EXPR_SUB:
        ok = ok && box_sub(out, out, &y);
        break;
    case EXPR_CALL:
    case EXPR_MUL:
        ok = ok && box_mul(out, out, &y);
        break;
    case EXPR_RATIO:
    case EXPR_DIV:
        ok = ok && box_div(out, out, &y);
        break;
    default:
        ok = false;
    }
    box_clear(&y);
    return ok;
}

static bool eval(struct point *p, const struct expr *e, struct box *out)
{
    if (!arena_step(p->a, (uint32_t)p->bits / 64)) return false;
    switch (e->kind) {
    case EXPR_NUMBER:
    case EXPR_BASE:
    case EXPR_MIXED:
    case EXPR_FACTORIAL:
    case EXPR_BINOMIAL:
        return literal(p, e, out);
    case EXPR_SYMBOL:
        symbol(p, e, out);
        return true;
    case EXPR_CONSTANT:
        return constant(e, out);
    case EXPR_POW:
        return power(p, e, out);
    case EXPR_ROOT:
        return root(p, e, out);
    case EXPR_FUNCTION:
        return function(p, e, out);
    default:
        return e->n == 1 ? unary(p, e, out) : binary(p, e, out);
    }
}

/* ---- comparing --------------------------------------------------------------------------------------- */

static bool has_symbols(const struct expr *e)
{
    if (e->kind == EXPR_SYMBOL) return true;
    for (const struct expr *k = e->first; k; k = k->next)
        if (has_symbols(k)) return true;
    return false;
}

static bool has_point(const struct expr *e)
{
    if (e->kind == EXPR_NUMBER && (memchr(e->s, '.', e->len) || memchr(e->s, 'e', e->len))) return true;
    for (const struct expr *k = e->first; k; k = k->next)
        if (has_point(k)) return true;
    return false;
}

/* |x - y| <= 10^-digits / 2 * min(1, 10 |x|) */
static bool close_enough(const struct box *x, const struct box *difference, int digits)
{
    mpfr_t lo, hi, limit;
    bool ok;
    if (!digits) return false;
    mpfr_inits2(64, lo, hi, limit, (mpfr_ptr)0);
    box_magnitude(x, limit, hi);
    mpfr_mul_ui(limit, limit, 10, MPFR_RNDD);
    if (mpfr_cmp_ui(limit, 1) > 0) mpfr_set_ui(limit, 1, MPFR_RNDN);
    mpfr_div_ui(limit, limit, 2, MPFR_RNDD);
    for (int i = 0; i < digits; i++) mpfr_div_ui(limit, limit, 10, MPFR_RNDD);
    box_magnitude(difference, lo, hi);
    ok = mpfr_lessequal_p(hi, limit);
    mpfr_clears(lo, hi, limit, (mpfr_ptr)0);
    return ok;
}

/* A difference that contains zero is zero when it is narrow: below 2^-128, and below 2^-64 of x. */
static bool narrow(const struct box *x, const struct box *difference)
{
    mpfr_t width, lo, hi;
    mpfr_inits2(64, width, lo, hi, (mpfr_ptr)0);
    box_width(difference, width);
    box_magnitude(x, lo, hi);
    bool ok = mpfr_cmp_ui_2exp(width, 1, -128) <= 0;
    mpfr_div_2ui(lo, lo, 64, MPFR_RNDD);
    ok = ok && (mpfr_zero_p(width) || mpfr_zero_p(lo) || mpfr_lessequal_p(width, lo));
    mpfr_clears(width, lo, hi, (mpfr_ptr)0);
    return ok;
}

struct pair {
    const struct expr *x, *y;
    enum value_how how;
    int digits;
};

/* One point, one precision. For PROPORTIONAL, x and y are multiplied crosswise with their values at point 0,
 * which are in `first`. */
static enum same at_point(struct point *p, const struct pair *q, struct box first[2])
{
    struct box x, y, d;
    enum same r = SAME_UNKNOWN;
    box_init(&x, p->bits), box_init(&y, p->bits), box_init(&d, p->bits);
    bool ok = p->defined = eval(p, q->x, &x) && eval(p, q->y, &y);
    if (ok && q->how != VALUE_EQUAL && !p->index) {
        box_set(&first[0], &x), box_set(&first[1], &y);
        ok = box_div(&d, &x, &y) && !box_has_zero(&d);
        r = !ok ? SAME_UNKNOWN : q->how == VALUE_PROPORTIONAL || box_is_positive(&d) ? SAME_YES : SAME_NO;
    } else if (ok) {
        if (q->how != VALUE_EQUAL) ok = box_mul(&x, &x, &first[1]) && box_mul(&y, &y, &first[0]);
        ok = ok && box_sub(&d, &x, &y);
        if (ok && close_enough(&x, &d, q->digits))
            r = SAME_YES;
        else if (ok && !box_has_zero(&d))
            r = SAME_NO;
        else if (ok && narrow(&x, &d))
            r = SAME_YES;
    }
    box_clear(&x), box_clear(&y), box_clear(&d);
    return r;
}

/* All points with one precision. Points where a branch was chosen count only when there are no others. */
static enum same at_points(struct arena *a, const struct pair *q, mpfr_prec_t bits, bool symbols)
{
    enum same branched = SAME_UNKNOWN;
    struct box first[2];
    int same = 0;
    bool differ = false, clean = false;
    box_init(&first[0], bits), box_init(&first[1], bits);
    for (int i = 0; !differ && i < (symbols ? POINTS : 1); i++) {
        struct point p = {.a = a, .index = i, .bits = bits, .symbols = symbols};
        enum same r = at_point(&p, q, first);
        if (!i && q->how != VALUE_EQUAL && r == SAME_UNKNOWN) break;
        if (p.branch) {
            if (r != SAME_UNKNOWN && branched != SAME_NO) branched = r;
        } else {
            same += r == SAME_YES;
            differ = r == SAME_NO;
            clean |= p.defined;
        }
    }
    box_clear(&first[0]), box_clear(&first[1]);
    if (differ) return SAME_NO;
    if (same >= (symbols ? 2 : 1)) return SAME_YES;
    return clean ? SAME_UNKNOWN : branched;
}

static enum same by_intervals(struct arena *a, const struct pair *q)
{
    bool symbols = has_symbols(q->x) || has_symbols(q->y);
    enum same r = SAME_UNKNOWN;
    if (!symbols && q->how != VALUE_EQUAL) return SAME_UNKNOWN;
    for (mpfr_prec_t bits = 96; r == SAME_UNKNOWN && bits <= 1536 && !a->refused; bits *= 4)
        r = at_points(a, q, bits, symbols);
    return r;
}

/* Both exact: SAME_UNKNOWN when they are not. */
static enum same by_rationals(struct arena *a, const struct pair *q)
{
    mpq_t x, y;
    enum same r = SAME_UNKNOWN;
    mpq_init(x), mpq_init(y);
    if (rational(a, q->x, x) && rational(a, q->y, y)) r = mpq_equal(x, y) ? SAME_YES : SAME_NO;
    mpq_clear(x), mpq_clear(y);
    return r;
}

enum same value_same(struct arena *a, const struct expr *x, const struct expr *y, enum value_how how,
                     int digits)
{
    bool decimal = how == VALUE_EQUAL && (has_point(x) || has_point(y));
    struct pair q = {x, y, how, decimal ? digits : 0};
    enum same r = how == VALUE_EQUAL ? by_rationals(a, &q) : SAME_UNKNOWN;
    if (r == SAME_YES || (r == SAME_NO && !q.digits)) return r;
    return by_intervals(a, &q);
}

bool value_is(struct arena *a, const struct expr *e, long v)
{
    long got;
    return rational_small(a, e, v < 0 ? -v : v, &got) && got == v;
}

void value_thread_end(void)
{
    mpfr_free_cache2(MPFR_FREE_LOCAL_CACHE);
}
