/* Problems with a reference answer, for evaluation and for rewards. */
#ifndef TERSE_DATA_PROBLEMS_H
#define TERSE_DATA_PROBLEMS_H

#include "infer/answer.h"
#include "infer/chatml.h"

#include <stdint.h>

struct problem {
    struct chat_turn *turns; /* [n_turns] what the model is given; the last is the user's */
    uint32_t n_turns;
    char *reference; /* the answer, NUL-terminated; "" where `tests` decide */
    char *tests;     /* what a program must pass (rl/code.h); NULL: an answer is compared */
    uint64_t row;    /* of the file, from 0 */
    char *text;      /* holds the turns' contents, a NUL behind the last; owned, as all of the above */
};

struct problems {
    struct problem *at; /* [n] */
    size_t n, capacity;
    uint64_t without; /* rows left out: no question, or no reference answer */
};

/* Reads the first `max` problems (0: all) of a parquet file in OpenThoughts3's schema, where the reference is
 * the last \boxed{} of the last assistant turn and the turns before it are the question; or of a file of JSON
 * rows (data/json_file.h) with "problem" (or "question") and "answer". The name's end decides. *out is the
 * caller's to problems_clear; empty after an error. Errors: those of conv_open and conv_next; of
 * json_file_each; USAGE (another name), ROW_TYPE, FIELD_MISSING, FIELD_TYPE (naming the line), DATA_EMPTY (no
 * problem at all), ROLE. */
int problems_load(struct problems *out, const char *path, uint64_t max, struct err *e);
void problems_clear(struct problems *p);
/* Adds one, with copies of the turns and of the answer. NOMEM: *p is then only good to be cleared. */
int problems_add(struct problems *p, uint64_t row, const struct chat_turn *turns, uint32_t n,
                 struct answer ref, struct err *e);

/* Hash of roles and contents: equal questions have equal ones. */
uint64_t problem_hash(const struct chat_turn *turns, uint32_t n);
/* Drops each problem whose question has come before, so that no question counts twice; returns how many.
 * Errors: NOMEM (negative). */
int64_t problems_unique(struct problems *p, struct err *e);

struct conv_row;
/* The turns of a row before its last, which must be an assistant's after a user's, into turns [max], which
 * get the answer too, behind them; contents are the row's. Returns how many, 0 when the row asks nothing. */
uint32_t problem_question(const struct conv_row *row, struct chat_turn *turns, uint32_t max);

#endif
