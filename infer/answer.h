/* Finding the final answer in a text. Whether it is right: data/grade.h.
 *
 * Where it is looked for, first to last; what the first finds is the answer:
 *
 *   1. the last \boxed{...} or \fbox{...} whose braces close. Boxes with only "and", "or", a comma or
 *      "name =" between them are one answer. But where "final answer is" comes after the last box, 3.
 *   2. after the last "####" (GSM8K), to the end of the line
 *   3. after the last "answer is" or "answer:", to the end of the sentence
 *   4. a choice: "option (B)", "choice B", or an answer that begins "B." or "(B)"
 *   5. a box that is never closed, to the end of its line
 *   6. all of a text that is no more than a formula, else the last formula ($...$, \(...\), \[...\]) or the
 *      last number, whichever ends later
 *
 * 1 to 5 in what follows the last "</think>", then 1 to 5 before it, then 6 after it, then 6 before it. What
 * follows a chat token ("<|im_end|>") does not count. Every function is linear in its input up to a constant,
 * touches no global, and never fails. */
#ifndef TERSE_INFER_ANSWER_H
#define TERSE_INFER_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

enum { ANSWER_MAX = 1024 }; /* bytes of the longest answer; a longer one is none */

/* How an answer was found. */
enum answer_kind {
    ANSWER_NONE,
    ANSWER_BOXED,
    ANSWER_MARKED,
    ANSWER_SAID,
    ANSWER_CHOICE,
    ANSWER_OPEN,
    ANSWER_FORMULA,
    ANSWER_NUMBER,
    ANSWER_CODE, /* a program; found elsewhere (rl/code.h) */
};

/* Which of the places count. */
enum answer_find {
    ANSWER_FIND_BOXED = 1,
    ANSWER_FIND_MARKED = 2,
    ANSWER_FIND_SAID = 4,
    ANSWER_FIND_CHOICE = 8,
    ANSWER_FIND_OPEN = 16,
    ANSWER_FIND_LAST = 32,
    ANSWER_FIND_ALL = 63,
};

/* A piece of the text that was searched, trimmed. */
struct answer {
    enum answer_kind kind;
    bool in_thinking; /* it stands before "</think>" */
    const char *s;    /* [n], not NUL-terminated; NULL when kind is ANSWER_NONE */
    size_t n;
};

/* s[0..n) without what may stand around an answer: spaces, $, \( \), *, a full stop. kind is ANSWER_SAID, or
 * ANSWER_NONE when nothing is left. */
struct answer answer_trim(const char *s, size_t n);

/* The content of the last closed box (1 above), or of "\boxed 5". */
struct answer answer_boxed(const char *text, size_t len);

/* The letter A to E of "B", "(B)", "\text{(B)}", and of "B) ...", "(B) ..." with more behind it where `more`.
 * Its kind is ANSWER_CHOICE, or ANSWER_NONE. */
struct answer answer_letter(const char *s, size_t n, bool more);

/* The answer of a chain of thought. `find`: ANSWER_FIND_ bits. */
struct answer answer_search(const char *text, size_t len, int find);

/* answer_search everywhere. */
struct answer answer_find(const char *text, size_t len);

/* The answer of a data set's reference: boxed, else after the last "####" (GSM8K), else after "final answer
 * is", else all of it. */
struct answer answer_reference(const char *text, size_t len);

/* "boxed", "said" ...; "none". */
const char *answer_kind_name(enum answer_kind kind);

#endif
