/* The final answer in a text, and whether two answers are the same number.
 *
 * Where an answer is written follows the graders everyone compares with (lm-eval's hendrycks_math, GSM8K):
 * the last \boxed{...}, else what is said to be the answer, else the last number. Equality here is of text
 * and of exact rationals. Every function is linear in its input up to a constant, touches no global, and
 * never fails. */
#ifndef TERSE_DATA_ANSWER_H
#define TERSE_DATA_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

enum { ANSWER_MAX = 1024 }; /* bytes of the longest answer; a longer box is no answer */

/* Where an answer was found. */
enum answer_kind { ANSWER_NONE, ANSWER_BOXED, ANSWER_SAID, ANSWER_NUMBER };

/* A piece of the text that was searched, trimmed. */
struct answer {
    enum answer_kind kind;
    const char *s; /* [n], not NUL-terminated; NULL when kind is ANSWER_NONE */
    size_t n;
};

/* The content of the last \boxed{...} or \fbox{...} whose braces close, or of "\boxed 5". */
struct answer answer_boxed(const char *text, size_t len);

/* The answer of a chain of thought: boxed, else after the last "the answer is" or "answer:", else the last
 * number. */
struct answer answer_find(const char *text, size_t len);

/* The answer of a data set's reference: boxed, else after the last "####" (GSM8K), else all of it. */
struct answer answer_reference(const char *text, size_t len);

/* True when both are the same: as rationals where both are numbers (1,000 and 1000.0; 0.5, 1/2 and
 * \frac{1}{2}), else as text without spaces. Dollar signs and a full stop around them do not count. */
bool answer_equal(const char *a, size_t a_len, const char *b, size_t b_len);

#endif
