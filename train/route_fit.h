/* Routing by a head: a threshold picked on validation rows for a target, and what it comes to on test rows,
 * which nothing was picked on. Rows are prompts that were answered both ways. */
#ifndef TERSE_TRAIN_ROUTE_FIT_H
#define TERSE_TRAIN_ROUTE_FIT_H

#include "train/head_fit.h"

enum route_goal {
    ROUTE_ACCURATE,   /* the most accurate threshold; of equals the one with fewer tokens */
    ROUTE_FOR_SAVING, /* the most accurate that saves at least this share of the tokens of always thinking */
    ROUTE_FOR_ACCURACY, /* the cheapest that is at least so accurate, in [0, 1] */
};

struct route_target {
    enum route_goal goal;
    double value;
};

enum { ROUTE_STEPS = 11 }; /* 0, 10 .. 100 % */

/* The test's curve where a tenth, two tenths .. of the prompts think. */
struct route_step {
    double routed, accuracy, tokens;
    struct spread gain; /* accuracy above that of routing as many at random */
};

struct route_fit {
    bool met;                       /* the target, on validation rows; else the nearest there is was picked */
    struct route_point valid;       /* what was picked, on validation rows */
    struct route_point chat, think; /* the test's ends: nothing is routed, everything */
    /* On the test rows at that threshold, intervals by problem. */
    struct spread routed, accuracy, tokens;
    struct spread saving; /* share of the tokens of always thinking */
    struct spread change; /* accuracy less that of always thinking */
    struct spread auc;    /* of the head for what was measured, whatever it was trained on: that only thinking
                           * solves a prompt */
    struct spread caught; /* share routed of the prompts that only thinking solves; NaN without any */
    struct spread wasted; /* share routed of all others */
    struct route_step step[ROUTE_STEPS];
    double worst;              /* the least gain at any threshold (route_worst) */
    struct route_point *curve; /* [n] of the test */
    uint32_t n;
};

/* f: fitted on `set`, and tested on `test` or, NULL, a part of `set`; c: as f was. *out is the caller's to
 * route_fit_free, empty after an error: DATA_EMPTY (a row of either part was not answered both ways), NOMEM.
 */
int route_fit(struct route_fit *out, const struct head_fit *f, const struct features *set,
              const struct features *test, const struct route_target *target, const struct head_fit_config *c,
              struct err *e);
void route_fit_free(struct route_fit *r);

/* The curve's accuracy where this share thinks, or, `by_tokens`, where a mean answer has so many tokens: on
 * the line between two points of the curve, within its ends. */
double route_accuracy(const struct route_point *curve, uint32_t n, double at, bool by_tokens);

#endif
