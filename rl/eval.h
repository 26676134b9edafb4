/* How many problems a model solves: answers generated many at a time, graded as they finish.
 *
 * Under a cap, thinking that is still open after so many tokens is closed and a final answer asked for
 * (Qualcomm 2026, table 8). That is what a budget of so many tokens gives (infer/budget.h), to the bit, but
 * costs the final answers only: since an answer depends on nothing but its past, they go on from the answers
 * that were left alone. */
#ifndef TERSE_RL_EVAL_H
#define TERSE_RL_EVAL_H

#include "checkpoints/load.h"
#include "data/grade.h"
#include "data/problems.h"
#include "infer/ask.h"
#include "rl/code.h"
#include "rl/eval_stats.h"

struct eval_config {
    struct session_config session; /* streams: answers at a time; max_tokens is found out */
    struct ask_config ask;         /* chains >= 1; max_new of an answer, at most; its budget is `forcing` */
    const char *system;            /* NULL: the tokenizer's own */
    /* How thinking is closed, or NULL. With tokens > 0 every answer has this budget, and max_new is of no
     * account; else it is what caps do. `answer` is at least 1 */
    const struct budget *forcing;
    const uint32_t *caps; /* [n_caps] tokens, each; max_new is at least a cap and forcing->answer after it.
                           * Only of single chains */
    uint32_t n_caps;
    /* Every problem comes so often, all of them one after the other, all of them again (as task_load lays
     * them out); 0: once. The k-th answer to a row draws for itself, whatever other rows there are. */
    uint32_t repeats;
    const struct sandbox *sandbox; /* runs the answers to problems that have tests; else NULL */
    /* [problems] the caller's, or NULL: answers that are there already are not asked for (not with caps), and
     * afterwards all are. What is filled of them is to be freed in any case. */
    struct eval_record *records;
};

/* A graded answer; its pointers are valid during the call that brings it. */
struct eval_sample {
    const struct problem *problem;
    size_t index;          /* of the problem: samples come in the order they finish */
    const struct ask *ask; /* how it was asked, and its chains; under a cap: what it goes on from */
    const char *text;      /* of the chain that won, or the only one */
    size_t len;
    struct grade grade;     /* the answer found in the text, the verdict and its rule; of code, its program */
    uint32_t tokens;        /* of all chains, those given up too; the end of the turn included */
    uint32_t graded, right; /* chains, where several were all run to their end; else 1, and 1 if correct */
    uint32_t repeat;        /* which answer to the problem, from 0 */
    uint32_t cap;           /* 0: none */
    bool closed;            /* its thinking, by the cap or the budget */
    bool correct, exact, truncated; /* exact: right by the string rule too */
};

struct eval_events {
    /* Both may be NULL. A negative code from `sample` ends the evaluation with it, *e filled. */
    int (*sample)(void *ctx, const struct eval_sample *s, struct err *e);
    /* After every token; nonzero ends with INTERRUPTED. */
    int (*tick)(void *ctx, size_t done, uint64_t tokens); /* answers, of all caps; tokens generated */
    void *ctx;
};

/* Answers and grades every problem: out [1 + n_caps], first as they are (or under the budget), then under
 * each cap. The answers do not depend on the number of streams, nor on which of them were known. Errors:
 * CTX_FULL (naming a problem that leaves no room for an answer), those of ask_chat, ask_run and
 * session_create, code_grade, INTERRUPTED; out is then not filled. */
int eval_run(struct eval_result *out, const struct loaded *l, const struct problems *p,
             const struct eval_config *c, const struct eval_events *ev, struct err *e);

#endif
