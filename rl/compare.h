/* Two evaluations of the same problems side by side: how much shorter each answer became, and what that cost
 * in accuracy (Qualcomm 2026, figure 5). */
#ifndef TERSE_RL_COMPARE_H
#define TERSE_RL_COMPARE_H

#include "infer/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct js;

/* An answer of a samples file; its texts are the file's. */
struct compare_answer {
    const char *task; /* NULL: it does not say */
    uint32_t repeat;  /* which answer to the problem */
    uint64_t row;
    uint32_t tokens; /* >= 1 */
    bool correct;
    const char *problem, *reference, *text;
    struct js *line;
};
struct compare_answers {
    struct compare_answer *at; /* [n] by task, repeat and row */
    size_t n, capacity;
};

/* Reads what `terse eval --samples` wrote. Answers under a cap are passed over. *out is the caller's to
 * compare_answers_clear; empty after an error. Errors: those of file_load and js_parse, JSON_TRUNC (the last
 * line does not end), ROW_TYPE, FIELD_MISSING, FIELD_TYPE, FIELD_RANGE, DUP_KEY (a problem answered twice),
 * DATA_EMPTY; all name the line. */
int compare_answers_load(struct compare_answers *out, const char *path, struct err *e);
void compare_answers_clear(struct compare_answers *a);

struct interval {
    double mean, low, high; /* of 95 % */
};

enum { COMPARE_BINS = 32 };

struct comparison {
    size_t n;
    struct compare_side {
        double accuracy, stderr_; /* fractions */
        double tokens_mean, tokens_median;
    } before, after;
    struct interval accuracy; /* after less before, paired by problem */
    struct interval shorter;  /* mean tokens before / mean tokens after */
    size_t lost, gained;      /* right before only, after only */
    /* Of tokens before / tokens after, problem by problem. */
    double ratio_mean, ratio_median, ratio_min, ratio_max;
    double longer;             /* share of the answers that became longer */
    double width;              /* of a bin of the histogram; the first begins at 0 */
    size_t bins[COMPARE_BINS]; /* the last holds what lies beyond, too */
    size_t n_bins;             /* up to the last that is not empty */
};

/* Intervals are percentiles of `resamples` bootstrap samples of problems (Efron 1979), drawn by seed.
 * Errors: DATA_HASH (not the same problems, naming the first), NOMEM. */
int compare(struct comparison *out, const struct compare_answers *before, const struct compare_answers *after,
            uint32_t resamples, uint64_t seed, struct err *e);

#endif
