/* From features to a head: one is trained for each depth, the depth is chosen on validation rows, so are its
 * temperature and threshold, and the test rows, which none of this has seen, say how good it is. */
#ifndef TERSE_TRAIN_HEAD_FIT_H
#define TERSE_TRAIN_HEAD_FIT_H

#include "data/features.h"
#include "train/head_score.h"
#include "train/head_train.h"

struct head_fit_config {
    struct head_recipe recipe;
    bool balance;        /* class weights from the training labels (head_balance), not the recipe's */
    double train, valid; /* shares of the problems; the rest is for the test, unless a set is given for it */
    uint64_t split_seed; /* which problems: apart from recipe.seed, so that seeds share their parts */
    uint32_t resamples, bins;
    bool together; /* tries all depths side by side too, where there are several */
    bool shuffle;  /* a control: labels are dealt out anew, by recipe.seed, so nothing can be learned and an
                    * AUC that is not 1/2 shows a leak between the parts */
};

/* In the place of a depth: all of them, one after the other. */
#define HEAD_FIT_TOGETHER (UINT32_MAX - 1)

/* What one depth came to. */
struct head_try {
    uint32_t depth; /* or HEAD_FIT_TOGETHER, the last one tried */
    struct head_outcome outcome;
    double auc, loss; /* on the validation rows */
};

struct head_fit {
    struct head_try tried[FEATURES_DEPTHS_MAX + 1];
    uint32_t n_tried, best;      /* index into tried and, but for all together, into the features' depths */
    struct head_trainer trainer; /* the chosen head */
    double temperature;          /* on validation rows; p below is after it */
    double threshold;            /* most accurate on validation rows */
    uint32_t rows[3];            /* by enum features_part */
    uint32_t shared;             /* rows left out because the test set has their group */
    /* On the test rows, intervals by problem. */
    struct spread auc, accuracy, ece;
    struct spread ece_before; /* at temperature 1 */
    struct spread length_auc; /* how far the number of tokens alone gets: of the prompt, a verifier's chain */
    struct spread length_lead; /* auc less length_auc, both of the same resamples */
    struct score_bin *bin;     /* [bins] of ece */
    float *p;                  /* [count] probability of every row of the set the test is in */
    uint32_t *pick;            /* [rows[FEATURES_TEST]] its test rows */
    float *valid_p;            /* [rows[FEATURES_VALID]] probability of each validation row */
    uint32_t *valid_pick;      /* likewise: which row of the set */
};

/* test: a set of the same origin whose labelled rows are all for the test, or NULL; rows of `f` whose group
 * it has too are then left out. `tell` (may be NULL) hears of every depth. *out is the caller's to
 * head_fit_free, empty after an error: DATA_EMPTY (a part without either label, named), DATA_HASH (test is of
 * another origin), those of features_states and head_train. */
int head_fit(struct head_fit *out, const struct features *f, const struct features *test,
             const struct head_fit_config *c, struct pool *pool,
             void (*tell)(void *ctx, const struct head_try *t), void *ctx, struct err *e);
void head_fit_free(struct head_fit *f);

/* The chosen head, with the temperature and `threshold`, as a file has it; origin: of the features it was
 * trained on. *out is the caller's to head_free, NULL after an error: FIELD_RANGE (a task, pooling, wording
 * or digest that no head has), NOMEM. */
int head_fit_head(struct head **out, const struct head_fit *f, const struct features_origin *origin,
                  double threshold, struct err *e);

#endif
