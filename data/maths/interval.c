#include "data/maths/interval.h"

enum { MAX_EXPONENT = 1 << 20, MAX_ANGLE = 256 /* bits: larger arguments of sin would cost as many */ };

/* ---- intervals ---------------------------------------------------------------------------------------- */

static void range_init(struct range *r, mpfr_prec_t bits)
{
    mpfr_init2(r->lo, bits);
    mpfr_init2(r->hi, bits);
}
static void range_clear(struct range *r)
{
    mpfr_clear(r->lo);
    mpfr_clear(r->hi);
}
static void range_set(struct range *to, const struct range *from)
{
    mpfr_set(to->lo, from->lo, MPFR_RNDD);
    mpfr_set(to->hi, from->hi, MPFR_RNDU);
}
static void range_zero(struct range *r)
{
    mpfr_set_zero(r->lo, 1);
    mpfr_set_zero(r->hi, 1);
}
static bool range_has_zero(const struct range *r)
{
    return mpfr_sgn(r->lo) <= 0 && mpfr_sgn(r->hi) >= 0;
}
static bool range_is_zero(const struct range *r)
{
    return mpfr_zero_p(r->lo) && mpfr_zero_p(r->hi);
}
static bool end_ok(mpfr_srcptr x)
{
    return mpfr_zero_p(x) ||
           (mpfr_regular_p(x) && mpfr_get_exp(x) < MAX_EXPONENT && mpfr_get_exp(x) > -MAX_EXPONENT);
}
static bool range_ok(const struct range *r)
{
    return end_ok(r->lo) && end_ok(r->hi);
}
static void range_add(struct range *to, const struct range *x, const struct range *y)
{
    mpfr_add(to->lo, x->lo, y->lo, MPFR_RNDD);
    mpfr_add(to->hi, x->hi, y->hi, MPFR_RNDU);
}
static void range_swap(struct range *r)
{
    mpfr_swap(r->lo, r->hi);
}
static void range_neg(struct range *to, const struct range *x)
{
    range_set(to, x);
    mpfr_neg(to->lo, to->lo, MPFR_RNDN);
    mpfr_neg(to->hi, to->hi, MPFR_RNDN);
    range_swap(to);
}

/* The least and the largest of the four products of the ends. */
static void range_mul(struct range *to, const struct range *x, const struct range *y)
{
    mpfr_srcptr a[2] = {x->lo, x->hi}, b[2] = {y->lo, y->hi};
    struct range r;
    mpfr_t p;
    range_init(&r, mpfr_get_prec(to->lo));
    mpfr_init2(p, mpfr_get_prec(to->lo));
    for (int i = 0; i < 4; i++) {
        mpfr_mul(p, a[i / 2], b[i % 2], MPFR_RNDD);
        if (!i || mpfr_less_p(p, r.lo)) mpfr_set(r.lo, p, MPFR_RNDD);
        mpfr_mul(p, a[i / 2], b[i % 2], MPFR_RNDU);
        if (!i || mpfr_greater_p(p, r.hi)) mpfr_set(r.hi, p, MPFR_RNDU);
    }
    range_set(to, &r);
    range_clear(&r);
    mpfr_clear(p);
}

static void range_abs(struct range *to, const struct range *x)
{
    bool straddles = range_has_zero(x);
    if (mpfr_sgn(x->hi) < 0 || (straddles && mpfr_cmpabs(x->lo, x->hi) > 0))
        range_neg(to, x);
    else
        range_set(to, x);
    if (straddles) mpfr_set_zero(to->lo, 1);
}

/* 1 / x, of an x without zero. */
static void range_invert(struct range *to, const struct range *x)
{
    struct range r;
    range_init(&r, mpfr_get_prec(to->lo));
    mpfr_ui_div(r.lo, 1, x->hi, MPFR_RNDD);
    mpfr_ui_div(r.hi, 1, x->lo, MPFR_RNDU);
    range_set(to, &r);
    range_clear(&r);
}

typedef int unary(mpfr_ptr, mpfr_srcptr, mpfr_rnd_t);

/* sin or cos: the value at the lower end, give or take the width, since neither changes faster than x. */
static bool range_wave(struct range *to, const struct range *x, unary *f)
{
    mpfr_t width;
    if (!range_ok(x) || (!mpfr_zero_p(x->lo) && mpfr_get_exp(x->lo) > MAX_ANGLE)) return false;
    mpfr_init2(width, mpfr_get_prec(to->lo));
    mpfr_sub(width, x->hi, x->lo, MPFR_RNDU);
    f(to->hi, x->lo, MPFR_RNDU);
    f(to->lo, x->lo, MPFR_RNDD);
    mpfr_add(to->hi, to->hi, width, MPFR_RNDU);
    mpfr_sub(to->lo, to->lo, width, MPFR_RNDD);
    mpfr_clear(width);
    return true;
}

static void range_rising(struct range *to, const struct range *x, unary *f)
{
    f(to->lo, x->lo, MPFR_RNDD);
    f(to->hi, x->hi, MPFR_RNDU);
}

/* ---- boxes -------------------------------------------------------------------------------------------- */

void box_init(struct box *b, mpfr_prec_t bits)
{
    range_init(&b->re, bits);
    range_init(&b->im, bits);
    range_zero(&b->re);
    range_zero(&b->im);
}

void box_clear(struct box *b)
{
    range_clear(&b->re);
    range_clear(&b->im);
}

void box_set(struct box *to, const struct box *from)
{
    range_set(&to->re, &from->re);
    range_set(&to->im, &from->im);
}

void box_set_int(struct box *b, long v)
{
    mpfr_set_si(b->re.lo, v, MPFR_RNDD);
    mpfr_set_si(b->re.hi, v, MPFR_RNDU);
    range_zero(&b->im);
}

void box_set_rational(struct box *b, mpq_srcptr q)
{
    mpfr_set_q(b->re.lo, q, MPFR_RNDD);
    mpfr_set_q(b->re.hi, q, MPFR_RNDU);
    range_zero(&b->im);
}

void box_set_pi(struct box *b)
{
    mpfr_const_pi(b->re.lo, MPFR_RNDD);
    mpfr_const_pi(b->re.hi, MPFR_RNDU);
    range_zero(&b->im);
}

static bool box_ok(const struct box *b)
{
    return range_ok(&b->re) && range_ok(&b->im);
}

bool box_is_real(const struct box *x)
{
    return range_is_zero(&x->im);
}
bool box_is_negative(const struct box *x)
{
    return box_is_real(x) && mpfr_sgn(x->re.hi) < 0;
}
bool box_is_positive(const struct box *x)
{
    return box_is_real(x) && mpfr_sgn(x->re.lo) > 0;
}
bool box_has_zero(const struct box *x)
{
    return range_has_zero(&x->re) && range_has_zero(&x->im);
}

bool box_add(struct box *to, const struct box *x, const struct box *y)
{
    range_add(&to->re, &x->re, &y->re);
    range_add(&to->im, &x->im, &y->im);
    return box_ok(to);
}

void box_neg(struct box *to, const struct box *x)
{
    range_neg(&to->re, &x->re);
    range_neg(&to->im, &x->im);
}

bool box_sub(struct box *to, const struct box *x, const struct box *y)
{
    struct box minus;
    box_init(&minus, mpfr_get_prec(to->re.lo));
    box_neg(&minus, y);
    bool ok = box_add(to, x, &minus);
    box_clear(&minus);
    return ok;
}

bool box_mul(struct box *to, const struct box *x, const struct box *y)
{
    struct box p, q;
    mpfr_prec_t bits = mpfr_get_prec(to->re.lo);
    if (box_is_real(x) && box_is_real(y)) {
        range_mul(&to->re, &x->re, &y->re);
        range_zero(&to->im);
        return box_ok(to);
    }
    box_init(&p, bits), box_init(&q, bits);
    range_mul(&p.re, &x->re, &y->re);
    range_mul(&p.im, &x->re, &y->im);
    range_mul(&q.re, &x->im, &y->im);
    range_mul(&q.im, &x->im, &y->re);
    range_neg(&q.re, &q.re);
    bool ok = box_add(to, &p, &q);
    box_clear(&p), box_clear(&q);
    return ok;
}

/* re^2 + im^2 */
static void norm(struct range *to, const struct box *x)
{
    struct range a, b;
    range_init(&a, mpfr_get_prec(to->lo)), range_init(&b, mpfr_get_prec(to->lo));
    range_abs(&a, &x->re), range_abs(&b, &x->im);
    range_mul(&a, &a, &a), range_mul(&b, &b, &b);
    range_add(to, &a, &b);
    range_clear(&a), range_clear(&b);
}

/* x times the conjugate of y over |y|^2 */
bool box_div(struct box *to, const struct box *x, const struct box *y)
{
    struct box q;
    bool ok = !box_has_zero(y);
    box_init(&q, mpfr_get_prec(to->re.lo));
    if (ok && box_is_real(y)) {
        range_invert(&q.re, &y->re);
    } else if (ok) {
        struct box n;
        box_init(&n, mpfr_get_prec(to->re.lo));
        norm(&n.re, y);
        ok = !range_has_zero(&n.re);
        if (ok) range_invert(&n.re, &n.re);
        box_set(&q, y);
        range_neg(&q.im, &q.im);
        ok = ok && box_mul(&q, &q, &n);
        box_clear(&n);
    }
    ok = ok && box_mul(to, x, &q);
    box_clear(&q);
    return ok;
}

bool box_abs(struct box *to, const struct box *x)
{
    if (box_is_real(x)) {
        range_abs(&to->re, &x->re);
    } else {
        norm(&to->re, x);
        range_rising(&to->re, &to->re, mpfr_sqrt);
    }
    range_zero(&to->im);
    return box_ok(to);
}

bool box_root(struct box *to, const struct box *x, unsigned long n)
{
    if (!box_is_real(x) || (n % 2 == 0 && mpfr_sgn(x->re.lo) < 0)) return false;
    mpfr_rootn_ui(to->re.lo, x->re.lo, n, MPFR_RNDD);
    mpfr_rootn_ui(to->re.hi, x->re.hi, n, MPFR_RNDU);
    range_zero(&to->im);
    return box_ok(to);
}

bool box_exp(struct box *to, const struct box *x)
{
    struct box turn, size;
    mpfr_prec_t bits = mpfr_get_prec(to->re.lo);
    box_init(&turn, bits), box_init(&size, bits);
    range_rising(&size.re, &x->re, mpfr_exp);
    bool ok = box_ok(&size), real = box_is_real(x);
    box_set_int(&turn, 1);
    if (!real) ok = ok && range_wave(&turn.re, &x->im, mpfr_cos) && range_wave(&turn.im, &x->im, mpfr_sin);
    ok = ok && box_mul(to, &size, &turn);
    box_clear(&turn), box_clear(&size);
    return ok;
}

/* The angle of x in (-pi, pi]; false when the box meets the negative axis. */
static bool angle(struct range *to, const struct box *x)
{
    struct box q, right;
    mpfr_prec_t bits = mpfr_get_prec(to->lo);
    bool ok = true, steep = mpfr_sgn(x->re.lo) <= 0;
    if (steep && range_has_zero(&x->im)) return false;
    box_init(&q, bits), box_init(&right, bits);
    range_invert(&q.re, steep ? &x->im : &x->re);
    range_mul(&q.re, &q.re, steep ? &x->re : &x->im);
    range_rising(&q.re, &q.re, mpfr_atan);
    if (steep) { /* +-pi/2 - atan(re / im) */
        box_set_pi(&right);
        mpfr_div_2ui(right.re.lo, right.re.lo, 1, MPFR_RNDD);
        mpfr_div_2ui(right.re.hi, right.re.hi, 1, MPFR_RNDU);
        if (mpfr_sgn(x->im.hi) < 0) box_neg(&right, &right);
        ok = box_sub(&q, &right, &q);
    }
    range_set(to, &q.re);
    box_clear(&q), box_clear(&right);
    return ok;
}

bool box_log(struct box *to, const struct box *x)
{
    struct box r;
    box_init(&r, mpfr_get_prec(to->re.lo));
    bool ok = box_abs(&r, x) && mpfr_sgn(r.re.lo) > 0;
    if (ok) range_rising(&r.re, &r.re, mpfr_log);
    if (ok && box_is_negative(x)) {
        mpfr_const_pi(r.im.lo, MPFR_RNDD);
        mpfr_const_pi(r.im.hi, MPFR_RNDU);
    } else if (ok && !box_is_real(x)) {
        ok = angle(&r.im, x);
    }
    if (ok) box_set(to, &r);
    box_clear(&r);
    return ok && box_ok(to);
}

bool box_sqrt(struct box *to, const struct box *x)
{
    struct box r;
    if (box_is_real(x) && mpfr_sgn(x->re.lo) >= 0) return box_root(to, x, 2);
    box_init(&r, mpfr_get_prec(to->re.lo));
    bool ok;
    if (box_is_negative(x)) {
        box_neg(&r, x);
        ok = box_root(&r, &r, 2);
        range_set(&to->im, &r.re);
        range_zero(&to->re);
    } else {
        box_set_int(&r, 2);
        ok = box_log(to, x) && box_div(to, to, &r) && box_exp(to, to);
    }
    box_clear(&r);
    return ok && box_ok(to);
}

bool box_pow_int(struct box *to, const struct box *x, unsigned long n)
{
    struct box square, r;
    mpfr_prec_t bits = mpfr_get_prec(to->re.lo);
    bool ok = true;
    box_init(&square, bits), box_init(&r, bits);
    box_set(&square, x);
    box_set_int(&r, 1);
    for (; ok && n; n >>= 1) {
        if (n & 1) ok = box_mul(&r, &r, &square);
        if (ok && n > 1) ok = box_mul(&square, &square, &square);
    }
    box_set(to, &r);
    box_clear(&square), box_clear(&r);
    return ok;
}

bool box_sin(struct box *to, const struct box *x)
{
    struct box r;
    box_init(&r, mpfr_get_prec(to->re.lo));
    bool ok = box_is_real(x) && range_wave(&r.re, &x->re, mpfr_sin);
    box_set(to, &r);
    box_clear(&r);
    return ok && box_ok(to);
}

bool box_cos(struct box *to, const struct box *x)
{
    struct box r;
    box_init(&r, mpfr_get_prec(to->re.lo));
    bool ok = box_is_real(x) && range_wave(&r.re, &x->re, mpfr_cos);
    box_set(to, &r);
    box_clear(&r);
    return ok && box_ok(to);
}

bool box_monotone(struct box *to, const struct box *x, unary *f, bool falls)
{
    if (!box_is_real(x) || !box_ok(x)) return false;
    box_set(to, x);
    if (falls) range_swap(&to->re);
    range_rising(&to->re, &to->re, f);
    range_zero(&to->im);
    return box_ok(to);
}

bool box_floor(struct box *to, const struct box *x, bool up)
{
    if (!box_is_real(x)) return false;
    box_set(to, x);
    (up ? mpfr_ceil : mpfr_floor)(to->re.lo, to->re.lo);
    (up ? mpfr_ceil : mpfr_floor)(to->re.hi, to->re.hi);
    return box_ok(to) && mpfr_equal_p(to->re.lo, to->re.hi);
}

void box_magnitude(const struct box *x, mpfr_ptr lo, mpfr_ptr hi)
{
    struct box r;
    box_init(&r, mpfr_get_prec(lo));
    box_abs(&r, x);
    mpfr_set(lo, r.re.lo, MPFR_RNDD);
    mpfr_set(hi, r.re.hi, MPFR_RNDU);
    box_clear(&r);
}

void box_width(const struct box *x, mpfr_ptr width)
{
    mpfr_t other;
    mpfr_init2(other, mpfr_get_prec(width));
    mpfr_sub(width, x->re.hi, x->re.lo, MPFR_RNDU);
    mpfr_sub(other, x->im.hi, x->im.lo, MPFR_RNDU);
    if (mpfr_greater_p(other, width)) mpfr_set(width, other, MPFR_RNDU);
    mpfr_clear(other);
}
