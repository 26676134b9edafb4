/* Votes among the chains that answered one question: who wins, and when that is settled.
 *
 * An answer is an integer here: equal answers have equal classes, given out by vote_class through a callback
 * that knows what equal means. Weights are counted in units of 2^-24, so sums are exact, and the outcome does
 * not depend on which chain finished first: what stands level goes to the class whose first chain has the
 * lowest index.
 * Majority: Wang et al. 2023 (self-consistency); weighted by a verifier: Li et al. 2023 (DiVeRSe). */
#ifndef TERSE_INFER_VOTE_H
#define TERSE_INFER_VOTE_H

#include <stdbool.h>
#include <stdint.h>

enum vote_kind {
    VOTE_MAJORITY, /* an answer weighs 1 */
    VOTE_WEIGHTED, /* its score */
    VOTE_BEST      /* the answer of the chain with the highest score */
};

enum {
    VOTE_NONE = -1,   /* finished without an answer: votes for nothing */
    VOTE_PENDING = -2 /* not finished yet */
};

enum { VOTE_ONE = 1 << 24 }; /* the weight of a score of 1 */

struct vote_chain {
    int32_t answer; /* its class, >= 0, or VOTE_NONE, VOTE_PENDING */
    float score;    /* the verifier's probability that it is right; outside [0, 1] is clamped, NaN is 0;
                     so one that was not read, negative, weighs nothing */
};

/* The class of chain `i`, whose answer exists: that of the first chain below `i` that opened a class and for
 * which equal(ctx, that chain, i), else `i` itself, which so opens its own. So a class is the index of its
 * first chain, when chains are classed in order; in any order, of the one classed first. Chains without a
 * class yet are VOTE_PENDING or VOTE_NONE. `n` chains; equal is called once a class at most. */
int32_t vote_class(const struct vote_chain *chains, uint32_t n, uint32_t i,
                   bool (*equal)(void *ctx, uint32_t a, uint32_t b), void *ctx);

struct vote {
    int32_t answer; /* the class that won; VOTE_NONE without any answer */
    uint32_t chain; /* what to show: of its chains the one with the highest score, of those the first; without
                       any answer the same of all finished chains; n when none is finished */
    uint64_t weight; /* of the class, in units of 1 / VOTE_ONE; the best score for VOTE_BEST */
    uint64_t total;  /* of all classes, likewise; for VOTE_BEST the same as weight */
};

/* The vote as it stands: pending chains do not count. O(n^2), allocates nothing. */
struct vote vote_count(enum vote_kind kind, const struct vote_chain *chains, uint32_t n);

/* The weight of class `answer` (>= 0) as vote_count has it; for VOTE_BEST its best score. */
uint64_t vote_weight(enum vote_kind kind, const struct vote_chain *chains, uint32_t n, int32_t answer);

/* True when no outcome of the pending chains can change vote_count's answer: they may be stopped. Exact:
 * false means that some outcome would. Without pending chains it is true. */
bool vote_decided(enum vote_kind kind, const struct vote_chain *chains, uint32_t n);

/* "majority", "weighted", "best". */
const char *vote_name(enum vote_kind kind);

#endif
