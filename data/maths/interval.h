/* Complex numbers known to lie in a box: two intervals of MPFR numbers, every operation rounded outwards.
 *
 * A result contains every value the operation takes on the boxes it was given; so when the difference of two
 * expressions' boxes excludes zero they differ, for certain. Only data/maths/ includes GMP and MPFR. */
#ifndef TERSE_DATA_MATHS_INTERVAL_H
#define TERSE_DATA_MATHS_INTERVAL_H

#include <mpfr.h>
#include <stdbool.h>

struct range {
    mpfr_t lo, hi;
};
struct box {
    struct range re, im;
};

/* `bits` of precision for every number in it. */
void box_init(struct box *b, mpfr_prec_t bits);
void box_clear(struct box *b);
void box_set(struct box *to, const struct box *from);
void box_set_int(struct box *b, long v);
void box_set_rational(struct box *b, mpq_srcptr q);
void box_set_pi(struct box *b);

/* Each returns false when the result is undefined or unknown: division by what may be zero, a logarithm of
 * it, a branch cut inside the box, a value beyond 2^(2^20). `to` is then garbage. It may be an argument. */
bool box_add(struct box *to, const struct box *x, const struct box *y);
bool box_sub(struct box *to, const struct box *x, const struct box *y);
bool box_mul(struct box *to, const struct box *x, const struct box *y);
bool box_div(struct box *to, const struct box *x, const struct box *y);
void box_neg(struct box *to, const struct box *x);
bool box_abs(struct box *to, const struct box *x);
bool box_sqrt(struct box *to, const struct box *x); /* the principal one */
bool box_exp(struct box *to, const struct box *x);
bool box_log(struct box *to, const struct box *x); /* the principal one */
bool box_pow_int(struct box *to, const struct box *x, unsigned long n);
/* The real n-th root; of a negative x for odd n only. */
bool box_root(struct box *to, const struct box *x, unsigned long n);
/* Of real boxes. */
bool box_sin(struct box *to, const struct box *x);
bool box_cos(struct box *to, const struct box *x);
bool box_monotone(struct box *to, const struct box *x, int (*f)(mpfr_ptr, mpfr_srcptr, mpfr_rnd_t),
                  bool falls);
bool box_floor(struct box *to, const struct box *x, bool up);

bool box_is_real(const struct box *x);     /* the imaginary part is exactly 0 */
bool box_is_negative(const struct box *x); /* real, all of it below 0 */
bool box_is_positive(const struct box *x);
bool box_has_zero(const struct box *x);
/* Bounds of |x|. */
void box_magnitude(const struct box *x, mpfr_ptr lo, mpfr_ptr hi);
/* Its larger side. */
void box_width(const struct box *x, mpfr_ptr width);

#endif
