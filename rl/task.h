/* Benchmarks: where each has its problems, how it is asked, how often, and what is right.
 *
 * A style is a way of asking that published tables have used; what a user gives on the command line comes
 * before it. PAPER's figures: 2026 (Qualcomm), section 7; evalchemy's: its configuration of 2025. Programs
 * are asked for in the same words, our own, by every style: the published ones differ, and the paper gives
 * none, nor how often it asked, nor which release of LiveCodeBench. evalchemy asks for one program of
 * HumanEval and MBPP and for 6 of LiveCodeBench's second release; here it is what was added in the sixth. */
#ifndef TERSE_RL_TASK_H
#define TERSE_RL_TASK_H

#include "data/problems.h"
#include "rl/code.h"

#include <stdbool.h>

enum task_style { STYLE_PLAIN, STYLE_PAPER, STYLE_EVALCHEMY, STYLE_OPEN_R1, STYLES };
#define TASK_STYLES "plain|paper|evalchemy|open-r1"

enum task_kind {
    TASK_MATHS,  /* an answer in a box */
    TASK_CHOICE, /* a letter; the choices' order follows from the seed, the row and the repeat */
    TASK_CODE    /* a program, which is run: rl/code.h */
};

struct task {
    const char *name, *title;
    enum task_kind kind;
    const char *repo;     /* data set of the hub; NULL: `file` comes with terse */
    const char *file;     /* in it */
    const char *question; /* columns; where there are alternatives, "a|b" */
    const char *answer;
    const char *more[3];     /* of a choice: what is wrong; of code: see code_tests */
    uint32_t repeat[STYLES]; /* answers to every problem */
    enum code_suite suite;   /* of code */
};

extern const struct task tasks[];
extern const size_t n_tasks;

/* The task of that name, or NULL. */
const struct task *task_find(const char *name);
/* USAGE, with the names there are, unless it is one of them. */
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
 * of repeat r is at[r * n / repeat + i]. `seed` deals choices. Of code, only the first of a problem's
 * repeats has its tests. *out is the caller's to problems_clear, empty
 * after an error: those of text_rows_each, of code_tests, DATA_EMPTY, NOMEM. */
int task_load(struct problems *out, const struct task *t, enum task_style style, const char *path,
              uint64_t max, uint32_t repeat, uint64_t seed, struct err *e);
/* What a style makes of a question, for showing: the template with {problem} and {choices} or {tests} in it.
 */
const char *task_template(const struct task *t, enum task_style style);

#endif
