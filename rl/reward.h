/* What an answer is worth: a sum of named terms, each logged by itself.
 *
 * L: tokens of the answer, thinking and end included; B: its budget; c: 1 when it is right, else 0.
 *
 *     name            value
 *     correct         c
 *     additive        -lambda L / B
 *     barrier         c (b - 1), b: 1 up to (1 - m) B, linear to p at (1 + m) B, p beyond: with `correct`,
 * the reward of "Efficient Reasoning on the Edge" l1_max          c (clip(a (B - L) + 0.5, 0, 1) - 1), a =
 * 3e-4: with `correct`, L1-Max (Aggarwal, Welleck 2025) arora           -c a sigmoid((L - mean) / std), over
 * the group's right answers (Arora, Zanette 2025) kimi            0.5 - (L - Lmin) / (Lmax - Lmin) of the
 * group, at most 0 when wrong (Kimi k1.5) overlong        0 until Lmax - buffer, linear to -1 at Lmax, Lmax
 * the longest answer allowed (DAPO) thinking        -lambda T / B, T: tokens of the thinking alone; gamed in
 * the paper, for comparison format          1 when the thinking is opened and closed once and an answer
 * follows, else 0 */
#ifndef TERSE_RL_REWARD_H
#define TERSE_RL_REWARD_H

#include "infer/err.h"

#include <stdbool.h>
#include <stdint.h>

enum { REWARD_TERMS = 9 };

/* What became of an answer. */
struct outcome {
    bool correct, found, truncated; /* found: there is an answer in it */
    bool formed;                    /* the thinking is whole: not opened, or opened and closed once */
    uint32_t tokens, thinking;      /* L, T */
    uint32_t budget, longest;       /* B, Lmax */
};

enum truncated_reward {
    TRUNCATED_ZERO, /* nothing at all */
    TRUNCATED_SOFT, /* its answer does not count, its length does */
    TRUNCATED_KEEP, /* like any other */
};

struct reward_config {
    double weight[REWARD_TERMS]; /* 0: the term is not used */
    double lambda;               /* additive, thinking */
    double margin, floor;        /* barrier: m, p */
    double slope;                /* l1_max: a */
    double sharpness;            /* arora: a */
    uint32_t buffer;             /* overlong, tokens */
    enum truncated_reward truncated;
};

const char *reward_name(unsigned term);
/* Reads "correct" or "additive:0.5" (with a weight) into c. Errors: FIELD_RANGE (no such term, naming the
 * ones there are), FIELD_TYPE (the weight), CFG_CONFLICT (the term is there already). */
int reward_parse(struct reward_config *c, const char *text, struct err *e);

/* The terms of a group's n answers to one prompt, unweighted, 0 where not used: term [n][REWARD_TERMS]; and
 * their weighted sums: total [n]. Errors: NONFINITE, naming the term,
 * or of the sum. */
int reward_group(const struct reward_config *c, const struct outcome *o, uint32_t n, float *term,
                 float *total, struct err *e);

#endif
