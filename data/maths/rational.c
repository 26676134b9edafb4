#include "data/maths/rational.h"

#include <string.h>

enum { MAX_TEN = 4000 /* largest exponent of 1e... */, MAX_FACTORIAL = 500, MAX_BINOMIAL = 1000 };

static bool fits(const mpq_t q)
{
    return mpz_sizeinbase(mpq_numref(q), 2) <= RATIONAL_BITS &&
           mpz_sizeinbase(mpq_denref(q), 2) <= RATIONAL_BITS;
}

/* ---- literals ---------------------------------------------------------------------------------------- */

/* "12.5(6)e-3" taken apart. */
struct literal {
    unsigned long decimals, repeats; /* digits after the point that stand once, and for ever */
    long ten;
};

static bool take_exponent(const char *s, uint32_t n, long *out)
{
    bool minus = n && *s == '-';
    long v = 0;
    for (uint32_t i = n && (*s == '-' || *s == '+'); i < n; i++)
        if ((v = v * 10 + (s[i] - '0')) > MAX_TEN) return false;
    *out = minus ? -v : v;
    return true;
}

/* Digits into z, where they belong into l. *once: all but those that repeat. */
static bool take_digits(const struct expr *e, struct literal *l, mpz_t all, mpz_t once)
{
    bool point = false, repeats = false;
    for (uint32_t i = 0; i < e->len; i++) {
        char c = e->s[i];
        if ((c | 32) == 'e') return take_exponent(e->s + i + 1, e->len - i - 1, &l->ten);
        if (c == '.') point = true;
        if (c == '(') repeats = true, mpz_set(once, all);
        if (c < '0' || c > '9') continue;
        mpz_mul_ui(all, all, 10);
        mpz_add_ui(all, all, (unsigned long)(c - '0'));
        if (repeats)
            l->repeats++;
        else
            l->decimals += point;
    }
    return true;
}

/* all / 10^decimals, or (all - once) / (10^decimals (10^repeats - 1)); times 10^ten. */
static bool literal(const struct expr *e, mpq_t out)
{
    struct literal l = {0};
    mpz_t all, once;
    mpz_init(all), mpz_init(once);
    bool ok = take_digits(e, &l, all, once);
    if (ok) {
        if (l.repeats) mpz_sub(all, all, once);
        mpz_set(mpq_numref(out), all);
        mpz_ui_pow_ui(mpq_denref(out), 10, l.decimals);
        if (l.repeats) {
            mpz_ui_pow_ui(once, 10, l.repeats);
            mpz_sub_ui(once, once, 1);
            mpz_mul(mpq_denref(out), mpq_denref(out), once);
        }
        mpz_ui_pow_ui(once, 10, (unsigned long)(l.ten < 0 ? -l.ten : l.ten));
        mpz_mul(l.ten < 0 ? mpq_denref(out) : mpq_numref(out), l.ten < 0 ? mpq_denref(out) : mpq_numref(out),
                once);
        mpq_canonicalize(out);
    }
    mpz_clear(all), mpz_clear(once);
    return ok;
}

/* 204_5 */
static bool based(struct arena *a, const struct expr *e, mpq_t out)
{
    long base;
    if (!rational_small(a, e->first, 36, &base) || base < 2) return false;
    mpq_set_ui(out, 0, 1);
    for (uint32_t i = 0; i < e->len; i++) {
        int digit = e->s[i] - '0';
        if (digit < 0 || digit >= base) return false;
        mpz_mul_si(mpq_numref(out), mpq_numref(out), base);
        mpz_add_ui(mpq_numref(out), mpq_numref(out), (unsigned long)digit);
    }
    return true;
}

/* ---- operations -------------------------------------------------------------------------------------- */

bool rational_small(struct arena *a, const struct expr *e, long limit, long *out)
{
    mpq_t q;
    mpq_init(q);
    bool ok = rational(a, e, q) && !mpz_cmp_ui(mpq_denref(q), 1) &&
              mpz_cmpabs_ui(mpq_numref(q), (unsigned long)limit) <= 0;
    if (ok) *out = mpz_get_si(mpq_numref(q));
    mpq_clear(q);
    return ok;
}

static bool power(mpq_t out, const mpq_t x, long n)
{
    unsigned long k = (unsigned long)(n < 0 ? -n : n);
    size_t bits = mpz_sizeinbase(mpq_numref(x), 2), more = mpz_sizeinbase(mpq_denref(x), 2);
    if ((n < 0 && !mpq_sgn(x)) || (!n && !mpq_sgn(x))) return false;
    if (k > RATIONAL_BITS || (bits > more ? bits : more) * k > RATIONAL_BITS) return false;
    mpz_pow_ui(mpq_numref(out), mpq_numref(x), k);
    mpz_pow_ui(mpq_denref(out), mpq_denref(x), k);
    if (n < 0) mpq_inv(out, out);
    return true;
}

/* The exact n-th root, if there is one. */
static bool root(mpq_t out, const mpq_t x, long n)
{
    if (n < 1 || (n % 2 == 0 && mpq_sgn(x) < 0)) return false;
    bool exact = mpz_root(mpq_numref(out), mpq_numref(x), (unsigned long)n);
    return mpz_root(mpq_denref(out), mpq_denref(x), (unsigned long)n) && exact;
}

/* x^y for an integer y, or for y = p/q where the root is exact and x is not negative. */
static bool power_rational(mpq_t out, const mpq_t x, const mpq_t y)
{
    if (!mpz_fits_slong_p(mpq_numref(y)) || mpz_cmp_ui(mpq_denref(y), 64) > 0) return false;
    long n = mpz_get_si(mpq_numref(y)), d = (long)mpz_get_ui(mpq_denref(y));
    if (n > RATIONAL_BITS || n < -RATIONAL_BITS || (d > 1 && mpq_sgn(x) < 0)) return false;
    return d == 1 ? power(out, x, n) : root(out, x, d) && power(out, out, n);
}

static bool factorial(mpq_t out)
{
    if (mpz_cmp_ui(mpq_denref(out), 1) || mpq_sgn(out) < 0 || mpz_cmp_ui(mpq_numref(out), MAX_FACTORIAL) > 0)
        return false;
    mpz_fac_ui(mpq_numref(out), mpz_get_ui(mpq_numref(out)));
    return true;
}

static bool binomial(mpq_t out, const mpq_t y)
{
    bool whole = !mpz_cmp_ui(mpq_denref(out), 1) && !mpz_cmp_ui(mpq_denref(y), 1);
    if (!whole || mpq_sgn(out) < 0 || mpq_sgn(y) < 0 || mpz_cmp_ui(mpq_numref(out), MAX_BINOMIAL) > 0 ||
        mpz_cmp_ui(mpq_numref(y), MAX_BINOMIAL) > 0)
        return false;
    mpz_bin_ui(mpq_numref(out), mpq_numref(out), mpz_get_ui(mpq_numref(y)));
    return true;
}

static void rounded(mpq_t out, bool up)
{
    (up ? mpz_cdiv_q : mpz_fdiv_q)(mpq_numref(out), mpq_numref(out), mpq_denref(out));
    mpz_set_ui(mpq_denref(out), 1);
}

/* Of one operand, which is in `out`. */
static bool unary(struct arena *a, const struct expr *e, mpq_t out)
{
    mpq_t hundred;
    switch (e->kind) {
    case EXPR_NEG:
        mpq_neg(out, out);
        return true;
    case EXPR_ABS:
        mpq_abs(out, out);
        return true;
    case EXPR_DEGREE:
        return true;
    case EXPR_FLOOR:
        rounded(out, false);
        return true;
    case EXPR_CEIL:
        rounded(out, true);
        return true;
    case EXPR_FACTORIAL:
        return factorial(out);
    case EXPR_PERCENT:
        mpq_init(hundred);
        mpq_set_ui(hundred, 100, 1);
        mpq_div(out, out, hundred);
        mpq_clear(hundred);
        return true;
    case EXPR_ROOT: {
        long n = 2;
        return (e->n == 1 || rational_small(a, e->first->next, 64, &n)) && root(out, out, n);
    }
    default:
        return false;
    }
}

static bool binary(const struct expr *e, mpq_t out, const mpq_t y)
{
    switch (e->kind) {
    case EXPR_ADD:
    case EXPR_MIXED:
        mpq_add(out, out, y);
        return true;
    case EXPR_SUB:
        mpq_sub(out, out, y);
        return true;
    case EXPR_CALL:
    case EXPR_MUL:
        mpq_mul(out, out, y);
        return true;
    case EXPR_RATIO:
    case EXPR_DIV:
        if (!mpq_sgn(y)) return false;
        mpq_div(out, out, y);
        return true;
    case EXPR_POW:
        return power_rational(out, out, y);
    case EXPR_BINOMIAL:
        return binomial(out, y);
    default:
        return false;
    }
}

bool rational(struct arena *a, const struct expr *e, mpq_t out)
{
    if (!arena_step(a, 1)) return false;
    if (e->kind == EXPR_NUMBER) return literal(e, out) && fits(out);
    if (e->kind == EXPR_BASE) return based(a, e, out) && fits(out);
    if (!e->first || !rational(a, e->first, out)) return false;
    if (e->n == 1 || e->kind == EXPR_ROOT) return unary(a, e, out) && fits(out);
    if (e->n != 2) return false;
    mpq_t y;
    mpq_init(y);
    bool ok = rational(a, e->first->next, y) && binary(e, out, y) && fits(out);
    mpq_clear(y);
    return ok;
}
