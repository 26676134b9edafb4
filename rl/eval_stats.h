/* What the answers to a set of problems say of a model: figures from records alone, so that those read back
 * from a file and those of this minute give the same. */
#ifndef TERSE_RL_EVAL_STATS_H
#define TERSE_RL_EVAL_STATS_H

#include "data/grade.h"
#include "infer/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is kept of an answer. */
struct eval_record {
    bool there;   /* the others mean something */
    bool correct; /* by what it means (data/grade.h) */
    bool exact;   /* by the string rule (data/grade_string.h) */
    bool closed;  /* its thinking, by a budget or cap */
    bool truncated, reasoned, early;
    enum grade_verdict verdict;
    uint32_t tokens;        /* of all chains */
    uint32_t graded, right; /* chains, where several were all run to their end; else 1, and 1 if correct */
    char *answer;           /* that was found, NUL-terminated; NULL: none, or a program; owned */
};

struct eval_result {
    size_t n, repeats;     /* problems; answers to each */
    bool code;             /* answers are programs: `exact` is accuracy, `majority` means nothing */
    uint32_t cap;          /* 0: none */
    double accuracy;       /* fraction, over all answers */
    double stderr_;        /* standard error of it over problems: of their means; 0 for one problem */
    double stderr_repeats; /* over repeats: of their accuracies; 0 for one */
    double exact;          /* accuracy by the string rule */
    double majority;       /* problems whose most common answer is right, the first of those that are level */
    double tokens_mean, tokens_median, tokens_p95; /* of an answer, all its chains */
    double closed;                                 /* fraction whose thinking was closed */
    double truncated;                              /* fraction that did not end by itself */
    double no_answer;                              /* fraction in which no answer was found */
    double undecided;      /* fraction whose answer could not be read as mathematics; counted as wrong */
    double reasoned;       /* fraction that was reasoned about */
    double early;          /* fraction whose vote was over before all chains were */
    double single, oracle; /* of several chains, all run to their end: mean accuracy of one, and answers where
                            * some chain is right; else both are `accuracy` */
    double tokens_per_second,
        first_token_seconds; /* of what was generated, the first of all; 0: nothing was */
    uint64_t kv_bytes;       /* of the session: keys and values of all its streams at once */
};

/* Fills all but the last two lines, `cap` and `code` from records [repeats * n], that of problem i in repeat
 * r at [r * n + i], all there. NOMEM. */
int eval_stats(struct eval_result *out, const struct eval_record *records, size_t n, size_t repeats,
               struct err *e);
/* The chance that at least one of k answers drawn from `repeats` is right, c of which are: the mean over
 * problems of 1 - C(repeats - c, k) / C(repeats, k) (Chen et al. 2021). k at most repeats. */
double eval_pass(const struct eval_record *records, size_t n, size_t repeats, size_t k);

/* The next k to show: 1, 2, 4 ... and `repeats` at the end. */
static inline size_t eval_next_k(size_t k, size_t repeats)
{
    return k < repeats && 2 * k > repeats ? repeats : 2 * k;
}

void eval_records_free(struct eval_record *records, size_t n); /* NULL ok */

#endif
