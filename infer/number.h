/* Plain numbers, read and compared without anything else: the fast path of grading. */
#ifndef TERSE_INFER_NUMBER_H
#define TERSE_INFER_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum number_form {
    NUMBER_DECIMAL, /* 12, 1,234.50 */
    NUMBER_FRACTION /* 1/2, \frac{1}{2} */
};

/* num / den; den is positive. */
struct number {
    int64_t num, den;
    enum number_form form;
};

/* Bytes of the unsigned number at s: 12, 1,234, .5, 3.25, 3/4; 0 if there is none. A comma counts between a
 * digit and exactly three. */
size_t number_span(const char *s, size_t n);

/* True, and *out set, when all of s[0..n) is a signed decimal or a fraction of integers with at most 18
 * digits. */
bool number_read(const char *s, size_t n, struct number *out);

bool number_equal(const struct number *a, const struct number *b);

#endif
