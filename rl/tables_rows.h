/* The rows of Table 1, which tables.c measures and tables_fill.c and tables_seeds.c show. Private to them. */
#ifndef TERSE_RL_TABLES_ROWS_H
#define TERSE_RL_TABLES_ROWS_H

#include "rl/tables.h"

enum { TABLES_SUBJECTS = TABLES_SEEDS + 6 }; /* every adapter may be of a rank of its own */

/* A model as it is measured, and the same learned with other seeds. */
struct tables_subject {
    char id[24], label[100], paper[32]; /* paper: its row's name there */
    const char *quantised;              /* the cell that makes the model; NULL: `model` is one */
    struct tables_run {
        const char *model, *lora; /* NULL: what `quantised` makes; none */
    } run[TABLES_SEEDS];
    size_t n;      /* runs */
    char why[128]; /* it cannot be measured */
};

/* The rows in their order; returns how many. The first adapters' row has the id "lora1". */
size_t tables_subjects(struct tables_subject at[TABLES_SUBJECTS], const struct tables_config *c);
/* The book's cell of a run on a benchmark. */
void tables_cell(char id[BOOK_ID], const struct tables_subject *s, size_t run, const char *task);

/* A figure of a row's runs: mean, and how far it may be off. */
struct tables_mean {
    double mean, error; /* standard error: over the runs, or of one run over problems (0: not known) */
    size_t n;           /* runs it is of; 0: none is measured */
    const char *why;    /* then */
};
/* `key` of the benchmark's object ("accuracy"); error_key: of a single run's standard error, or NULL. */
struct tables_mean tables_mean(const struct book *b, const struct tables_subject *s, const char *task,
                               const char *key, const char *error_key);
/* Half the width of the 95 % interval of a mean of n >= 2 values with this standard error (Student's t). */
double tables_half_width(double error, size_t n);

/* Differences between rows, with intervals over the seeds. The caller's to table_free, also after an error.
 */
int tables_seeds(struct table *t, const struct book *b, const struct tables_config *c, struct err *e);

#endif
