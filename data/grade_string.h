/* The rule of the published tables: two answers are the same when their LaTeX is, after some tidying. It
 * calls many a right answer wrong (data/grade.h compares what they mean); it is reported beside, for
 * comparison.
 *
 * As in Hendrycks et al. 2021 (MATH) and lm-evaluation-harness' hendrycks_math: the answer is what stands in
 * the last \boxed or \fbox, else in the last \[...\], else between the first and the last $, else all of the
 * reply. Of both go line breaks, \!, \left, \right, degrees, \$, \%, units behind "\text{ ", "x =", spaces;
 * \dfrac and \tfrac become \frac; \frac12, \sqrt3, a/b of integers, .5 and 0.5 get their usual form. */
#ifndef TERSE_DATA_GRADE_STRING_H
#define TERSE_DATA_GRADE_STRING_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the answer of text[0..len) is the reference by that rule. One that is longer than ANSWER_MAX is
 * not. */
bool grade_string(const char *reference, size_t n, const char *text, size_t len);

enum { GRADE_STRING_MAX = 8192 };
/* An answer in its tidy form, with a NUL; false where the rule has none (then it compares answers as they
 * are): a \frac or \sqrt without an argument, a/b that are no integers, two units. n is at most ANSWER_MAX.
 */
bool grade_string_tidy(char out[GRADE_STRING_MAX], const char *s, size_t n);

#endif
