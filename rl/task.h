/* Benchmarks: where each has its problems, how it is asked, how often, and what is right.
 *
 * A style is a way of asking that published tables have used; what a user gives on the command line comes
 * before it. PAPER's figures: 2026 (Qualcomm), section 7; evalchemy's: its configuration of 2025. */
#ifndef TERSE_RL_TASK_H
#define TERSE_RL_TASK_H

#include "data/problems.h"

#include <stdbool.h>

enum task_style { STYLE_PLAIN, STYLE_PAPER, STYLE_EVALCHEMY, STYLE_OPEN_R1, STYLES };
#define TASK_STYLES "plain|paper|evalchemy|open-r1"

enum task_kind {
    TASK_MATHS,  /* an answer in a box */
    TASK_CHOICE, /* a letter; the choices' order follows from the seed, the row and the repeat */
    TASK_ABSENT  /* known, and not measured here: `why` */
};

struct task {
    const char *name, *title;
    enum task_kind kind;
    const char *repo;     /* data set of the hub; NULL: `file` comes with terse */
    const char *file;     /* in it */
    const char *question; /* columns; where there are alternatives, "a|b" */
    const char *answer;
    const char *wrong[3];    /* of a choice */
    uint32_t repeat[STYLES]; /* answers to every problem */
    const char *why;
};

extern const struct task tasks[];
extern const size_t n_tasks;

/* The task of that name, or NULL. */
const struct task *task_find(const char *name);
/* USAGE, with the names there are, unless it is a task that is measured here. */
int task_check(const char *name, struct err *e);

/* How a style asks, unless the user says otherwise. */
struct task_sampling {
    double temperature, top_p;
    uint32_t max_new;
};
struct task_sampling task_sampling(enum task_style s);
const char *task_style_name(enum task_style s);

/* The file of a task below a folder of data sets: FOLDER/REPO/FILE as `terse data fetch` leaves it, or with
 * the task's NAME: FOLDER/NAME/FILE, NAME/test.jsonl, NAME/NAME.jsonl, NAME.jsonl, or .parquet or .csv; the
 * first that is there. ERR_FILE_MISSING with the command that fetches it. */
int task_path(char *path, size_t size, const struct task *t, const char *folder, struct err *e);

/* Its first `max` problems (0: all), `repeat` times one after the other, as the style words them: problem i
 * of repeat r is at[r * n / repeat + i]. `seed` deals choices. *out is the caller's to problems_clear, empty
 * after an error: those of text_rows_each, DATA_EMPTY, NOMEM. */
int task_load(struct problems *out, const struct task *t, enum task_style style, const char *path,
              uint64_t max, uint32_t repeat, uint64_t seed, struct err *e);
/* What a style makes of a question, for showing: the template with {problem} and {choices} in it. */
const char *task_template(const struct task *t, enum task_style style);

#endif
