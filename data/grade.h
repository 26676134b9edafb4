/* Whether an answer is right: found in a text, compared with a reference, with the rule that decided.
 *
 * Numbers are compared at once, as exact rationals. Everything else is read as mathematics (data/maths/) and
 * compared by what it means; docs/grading.md lists the rules. Every call is bounded in steps and memory (one
 * allocation of some 100 KB, freed before it returns, and MPFR numbers of at most 1536 bits), touches no
 * global, raises no signal and may run in any thread. */
#ifndef TERSE_DATA_GRADE_H
#define TERSE_DATA_GRADE_H

#include "infer/answer.h"

enum grade_verdict {
    GRADE_EQUAL,
    GRADE_DIFFERENT,
    GRADE_NO_ANSWER, /* nothing was found in the text */
    GRADE_UNDECIDED  /* cannot be read, or is too long, too deep, too large, undefined; counts as wrong */
};

struct grade_options {
    int digits;     /* where an answer has a decimal point and is not the same number: digits after the point
                       (below 1: significant digits) that must agree; 0: none, it must be exact */
    bool relations; /* x >= 2 may stand for [2, infinity), and the other way round */
    int find;       /* ANSWER_FIND_ bits: where answers may stand (infer/answer.h) */
};

/* digits 6, relations, every place an answer may stand. */
extern const struct grade_options grade_defaults;

struct grade {
    enum grade_verdict verdict;
    const char *rule;     /* what decided, or why it is undecided: a phrase, static text */
    struct answer answer; /* of grade_text: what was found */
};

/* Compares two answers as they stand, without looking for them. `o` NULL: the defaults. */
struct grade grade_answers(const char *reference, size_t n, const char *candidate, size_t m,
                           const struct grade_options *o);

/* Finds the answer in text[0..len) (answer_find) and compares it with a reference answer. */
struct grade grade_text(const char *reference, size_t n, const char *text, size_t len,
                        const struct grade_options *o);

/* Whether the reply in text[0..len), what follows its thinking (text_reply), is a reference reply word for
 * word: capitals, the amount of white space, and what stands around an answer (answer_trim) do not count. For
 * what is no answer to look for: a fact in a sentence, a greeting. */
bool grade_reply(const char *reference, size_t n, const char *text, size_t len);

/* "equal", "different", "no answer", "undecided". */
const char *grade_verdict_name(enum grade_verdict v);

/* Frees what MPFR keeps for the calling thread (constants such as pi). Call it before a thread that graded
 * ends; grading again afterwards is fine. */
void grade_thread_end(void);

#endif
