/* How many problems a model solves: answers generated many at a time, graded as they finish. */
#ifndef TERSE_RL_EVAL_H
#define TERSE_RL_EVAL_H

#include "checkpoints/load.h"
#include "data/grade.h"
#include "data/problems.h"
#include "infer/sampler.h"
#include "infer/session.h"

struct eval_config {
    struct session_config session; /* streams: answers at a time; max_tokens is found out */
    uint32_t max_new;              /* tokens of an answer, at most */
    struct sampler_config sampler;
    const char *system; /* NULL: the tokenizer's own */
    bool think;         /* begin every answer with <think> */
};

/* A graded answer; its pointers are valid during the call that brings it. */
struct eval_sample {
    const struct problem *problem;
    size_t index; /* of the problem: samples come in the order they finish */
    const char *text;
    size_t len;
    struct grade grade; /* the answer found in the text, the verdict and its rule */
    uint32_t tokens;    /* the end of the turn included */
    bool correct, truncated;
};

struct eval_events {
    /* Both may be NULL. A negative code from `sample` ends the evaluation with it, *e filled. */
    int (*sample)(void *ctx, const struct eval_sample *s, struct err *e);
    /* After every token; nonzero ends with INTERRUPTED. */
    int (*tick)(void *ctx, size_t done, uint64_t tokens);
    void *ctx;
};

struct eval_result {
    size_t n;
    double accuracy; /* fraction */
    double stderr_;  /* standard error of it: sqrt(p (1 - p) / (n - 1)) */
    double tokens_mean, tokens_median;
    double truncated; /* fraction that did not end by itself */
    double no_answer; /* fraction in which no answer was found */
    double undecided; /* fraction whose answer could not be read as mathematics; counted as wrong */
    double tokens_per_second;
};

/* Answers and grades every problem. The answers do not depend on the number of streams. Errors: CTX_FULL
 * (naming a problem that leaves no room for an answer), those of prompt_chat and session_create, INTERRUPTED;
 * *out is then not filled. */
int eval_run(struct eval_result *out, const struct loaded *l, const struct problems *p,
             const struct eval_config *c, const struct eval_events *ev, struct err *e);

#endif
