/* Boxes hold what they claim to hold: with few bits they contain what many bits find, through any chain of
 * operations. */
#include "data/maths/interval.h"
#include "infer/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { FEW = 24, MANY = 400, OPERATIONS = 15 };

static bool apply(int op, struct box *x, const struct box *y)
{
    switch (op) {
    case 0:
        return box_add(x, x, y);
    case 1:
        return box_sub(x, x, y);
    case 2:
        return box_mul(x, x, y);
    case 3:
        return box_div(x, x, y);
    case 4:
        box_neg(x, x);
        return true;
    case 5:
        return box_abs(x, x);
    case 6:
        return box_sqrt(x, x);
    case 7:
        return box_exp(x, x);
    case 8:
        return box_log(x, x);
    case 9:
        return box_pow_int(x, x, 3);
    case 10:
        return box_root(x, x, 3);
    case 11:
        return box_sin(x, x);
    case 12:
        return box_cos(x, x);
    case 13:
        return box_monotone(x, x, mpfr_atan, false);
    default:
        return box_monotone(x, x, mpfr_acos, true);
    }
}

static bool inside(const struct range *narrow, const struct range *wide)
{
    return mpfr_lessequal_p(wide->lo, narrow->lo) && mpfr_lessequal_p(narrow->hi, wide->hi);
}

static uint32_t draw(uint32_t out[4], uint64_t stream, uint64_t at)
{
    rng_block(7, stream, at, out);
    return out[3];
}

static void set_range(struct range *r, mpq_srcptr q)
{
    mpfr_set_q(r->lo, q, MPFR_RNDD);
    mpfr_set_q(r->hi, q, MPFR_RNDU);
}

/* The same random rational, complex every other time, in both; every other time in a wide box of `few`. */
static void fill(struct box *few, struct box *many, uint64_t stream, uint64_t at)
{
    uint32_t r[4], im = draw(r, stream, at);
    mpq_t q;
    mpq_init(q);
    mpq_set_si(q, (long)(r[0] % 2001) - 1000, 1 + r[1] % 97);
    mpq_canonicalize(q);
    box_set_rational(few, q), box_set_rational(many, q);
    mpq_set_si(q, (long)(r[2] % 2001) - 1000, 1 + (im >> 1) % 97);
    mpq_canonicalize(q);
    if (im & 1) set_range(&few->im, q), set_range(&many->im, q);
    if (im & 0x100) { /* known less well: around zero too */
        mpfr_sub_ui(few->re.lo, few->re.lo, 5, MPFR_RNDD);
        mpfr_add_ui(few->re.hi, few->re.hi, 5, MPFR_RNDU);
    }
    mpq_clear(q);
}

static void few_bits_contain_many(void **state)
{
    (void)state;
    struct box x, y, fine_x, fine_y;
    uint32_t r[4];
    int counted[OPERATIONS] = {0};
    box_init(&x, FEW), box_init(&y, FEW), box_init(&fine_x, MANY), box_init(&fine_y, MANY);
    for (uint64_t i = 0; i < 8000; i++) {
        fill(&x, &fine_x, 1, i);
        for (uint64_t k = 0; k < 4; k++) {
            int op = (int)(draw(r, 3, 4 * i + k) % OPERATIONS);
            fill(&y, &fine_y, 2, 4 * i + k);
            if (!apply(op, &x, &y) || !apply(op, &fine_x, &fine_y)) break;
            if (!inside(&fine_x.re, &x.re) || !inside(&fine_x.im, &x.im)) fail_msg("operation %d", op);
            counted[op]++;
        }
    }
    for (int op = 0; op < OPERATIONS; op++)
        if (counted[op] < 50) fail_msg("operation %d was tried %d times", op, counted[op]);
    box_clear(&x), box_clear(&y), box_clear(&fine_x), box_clear(&fine_y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(few_bits_contain_many)};
    int r = cmocka_run_group_tests(tests, NULL, NULL);
    mpfr_free_cache();
    return r;
}
