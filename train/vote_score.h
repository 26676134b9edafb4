/* What a verifier is worth: accuracy of one chain, of votes among N, and of an oracle, problem by problem.
 *
 * A problem's chains are cut into blocks of N, one after the other, and a vote is held in each, so that all
 * its chains count at every N; a rest of fewer than N is passed over, and so are problems with fewer than N
 * chains. Where classes stand level (chains, for the best), the expected value is taken: each is as likely to
 * win, which is what first come (infer/vote.h) comes to for chains sampled alike. A class is right by the
 * share of its chains that are, which is 0 or 1 where equal answers get equal grades. Without any answer a
 * vote is wrong. */
#ifndef TERSE_TRAIN_VOTE_SCORE_H
#define TERSE_TRAIN_VOTE_SCORE_H

#include "data/features.h"
#include "infer/vote.h"
#include "train/head_score.h"

enum vote_figure {
    VOTED_SINGLE,   /* one chain: the mean of all of the blocks */
    VOTED_MAJORITY, /* infer/vote.h */
    VOTED_WEIGHTED,
    VOTED_BEST,
    VOTED_ORACLE, /* some chain of the block is right */
    VOTED_COUNT
};
extern const char *const vote_figure_names[VOTED_COUNT]; /* "single", "majority" ... */

/* Chains of all problems, one after the other; the caller's. */
struct vote_problems {
    const struct vote_chain *chain; /* [first[n]] none pending; classes within a problem */
    const uint8_t *right;           /* [first[n]] 0 or 1 */
    const uint32_t *first;          /* [n + 1] where a problem's chains begin; ascending */
    uint32_t n;
};

/* The chains of rows pick [n] of a verifier's features, whose labels say whether they are right, problem by
 * problem and in the order of their numbers; p: scores by row. *out is the caller's to vote_problems_free,
 * which owns its arrays then; empty after an error: NOMEM. */
int vote_problems_make(struct vote_problems *out, const struct features *f, const float *p,
                       const uint32_t *pick, uint32_t n, struct err *e);
void vote_problems_free(struct vote_problems *p);

struct vote_report {
    uint32_t chains, problems; /* N; problems with that many */
    struct spread figure[VOTED_COUNT];
    struct spread over_majority; /* weighted less majority, paired by problem */
    struct spread over_single;   /* majority less single */
};

/* The expected accuracy of one vote among n chains: VOTED_SINGLE is their mean. */
double vote_expected(enum vote_figure how, const struct vote_chain *chains, const uint8_t *right, uint32_t n);

/* Votes among N = `chains` >= 1, with intervals by problem. Errors: DATA_EMPTY (no problem has so many),
 * NOMEM. */
int vote_score(struct vote_report *out, const struct vote_problems *p, uint32_t chains, uint32_t resamples,
               uint64_t seed, struct err *e);

#endif
