/* A small training state for tests: its fields, whose it is, and a folder of them. */
#ifndef TERSE_TESTS_SUPPORT_STATE_CASE_H
#define TERSE_TESTS_SUPPORT_STATE_CASE_H

#include "checkpoints/state.h"

enum { CASE_WEIGHTS = 3000, CASE_FIELDS = 8 };

struct state_case {
    float master[CASE_WEIGHTS], m[CASE_WEIGHTS], v[CASE_WEIGHTS];
    int64_t optimizer_step, skipped;
    uint64_t rng[4], cursor[3];
    double schedule;
    struct state_field fields[CASE_FIELDS];
    struct state_ident ident;
};

/* Fills *c with values that depend on `step`, and its tables. */
void state_case_init(struct state_case *c, int64_t step);
/* 1 when both hold the same values. */
int state_case_equal(const struct state_case *a, const struct state_case *b);
/* Saves the case of `step` below `dir`; returns state_save's result. */
int state_case_save(const char *dir, int64_t step, unsigned keep, struct err *e);
/* Loads the latest below `dir` into *c and checks that it is the case of the step it says: -2 when it is not,
 * state_load_latest's error, or 0. Notes are appended to the `size` bytes of `notes` (NULL: none). */
int state_case_latest(const char *dir, struct state_case *c, int64_t *step, char *notes, size_t size,
                      struct err *e);

#endif
