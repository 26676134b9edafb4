/* How good a head is: whether it ranks (AUC), whether its probabilities are meant (calibration), what routing
 * by it costs and saves, and how sure one can be of all that. Heads are trained by train/head_train.h;
 * verifiers' votes are scored by train/vote_score.h. */
#ifndef TERSE_TRAIN_HEAD_SCORE_H
#define TERSE_TRAIN_HEAD_SCORE_H

#include "infer/err.h"

#include <stdbool.h>
#include <stdint.h>

/* A figure with the middle 95 % of its bootstrap. low, high are NaN where no resample had a value. */
struct spread {
    double value, low, high;
};

/* A figure of rows, row i taken times[i] times (NULL: once each); NaN when it has none. */
typedef double score_fn(void *ctx, const uint32_t *times);

/* The figure, and percentiles 2.5 and 97.5 of `resamples` (>= 1) bootstrap samples (Efron 1979): groups are
 * drawn with replacement, all rows of a group with it; group [n], or NULL: every row is its own. Same seed,
 * same figures. Errors: NOMEM. */
int score_bootstrap(struct spread *out, score_fn *fn, void *ctx, const uint64_t *group, uint32_t n,
                    uint32_t resamples, uint64_t seed, struct err *e);

/* ---- probabilities against labels ---------------------------------------------------------------------- */

/* Rows in the order of their probabilities. */
struct score_rows {
    const float *p;       /* [n] probability of label 1; borrowed */
    const uint8_t *label; /* [n] 0 or 1; borrowed */
    uint32_t *order;      /* [n] rows by ascending p, then by number; owned */
    uint32_t n;
};

/* Errors: DATA_EMPTY, FIELD_RANGE (a label, a probability outside [0, 1]), NOMEM; *s is then empty. */
int score_rows_create(struct score_rows *s, const float *p, const uint8_t *label, uint32_t n, struct err *e);
void score_rows_free(struct score_rows *s);

/* Area under the ROC curve: how often a row of label 1 has the higher probability of two, a tie counting half
 * (Mann and Whitney 1947). NaN unless both labels are there. */
double score_auc(const struct score_rows *s, const uint32_t *times);
/* Share of rows on the right side: label 1 from the threshold on. */
double score_accuracy(const struct score_rows *s, const uint32_t *times, double threshold);
/* The threshold with the highest accuracy, midway between two probabilities, or 0 or 1.5 when one side is
 * empty; of equals the one that is nearest to 1/2. */
double score_best_threshold(const struct score_rows *s);

enum { SCORE_BINS = 10, SCORE_BINS_MAX = 100 };

struct score_bin {
    uint64_t n;
    double p, share; /* mean probability, share of label 1; 0 when empty */
};

/* Expected calibration error (Naeini et al. 2015): sum over bins of n_b / n |share_b - p_b|, 1 <=
 * `bins` <= SCORE_BINS_MAX of equal width, 1 in the last. table [bins] may be NULL. */
double score_ece(const struct score_rows *s, const uint32_t *times, uint32_t bins, struct score_bin *table);

/* The three as score_fn; ctx is struct score_ctx. */
struct score_ctx {
    const struct score_rows *rows;
    double threshold; /* score_accuracy_fn */
    uint32_t bins;    /* score_ece_fn */
};
double score_auc_fn(void *ctx, const uint32_t *times);
double score_accuracy_fn(void *ctx, const uint32_t *times);
double score_ece_fn(void *ctx, const uint32_t *times);

/* The temperature T in [1/100, 100] at which sigmoid(logit / T) has the least cross-entropy (Guo et al.
 * 2017), by bisection of its derivative, which is monotone in 1/T. Take it from validation rows. 1 where the
 * colder is the better: rows that are parted without a mistake cannot tell. */
double score_temperature(const float *logit, const uint8_t *label, uint32_t n);
/* sigmoid(logit / temperature). */
float score_probability(float logit, double temperature);

/* ---- routing: chat where thinking does not pay --------------------------------------------------------- */

/* Prompts answered both ways. All [n], the caller's. */
struct route_rows {
    const float *p;                               /* [0, 1] the switcher's probability that thinking pays */
    const uint8_t *base_right, *adapter_right;    /* 0 or 1 */
    const uint32_t *base_tokens, *adapter_tokens; /* of the answers */
    uint32_t n;
};

/* Prompts with p >= threshold go to the adapter. */
struct route_point {
    double threshold;
    double routed;   /* share of prompts that think */
    double accuracy; /* over all prompts */
    double tokens;   /* mean of an answer */
    double random;   /* accuracy expected when as many prompts, drawn at random, think */
};

/* The curve from nothing routed to everything, a point for each difference that a threshold can make, midway
 * between two probabilities (infinite, and 0, at the ends): points [n + 1] is the caller's; returns how many.
 * `times` as above, rows that are left out making no point of their own. Errors: NOMEM, DATA_EMPTY. */
int route_curve(const struct route_rows *r, const uint32_t *times, struct route_point *points, uint32_t *n,
                struct err *e);
/* The point with the fewest tokens whose accuracy is no less than `accuracy`, NULL when none is. */
const struct route_point *route_for_accuracy(const struct route_point *points, uint32_t n, double accuracy);
/* The most accurate point that saves at least this share of the tokens of routing everything; of equals the
 * one with fewer tokens. NULL when none does. */
const struct route_point *route_for_saving(const struct route_point *points, uint32_t n, double saving);
/* What a threshold comes to on other rows. */
struct route_point route_at(const struct route_rows *r, const uint32_t *times, double threshold);
/* The least accuracy - random between the ends: above 0, the curve lies above random routing everywhere. 0
 * when there is nothing between. */
double route_worst(const struct route_point *points, uint32_t n);

#endif
