/* The rows of Table 1, which tables.c measures and tables_fill.c shows. Private to them. */
#ifndef TERSE_RL_TABLES_ROWS_H
#define TERSE_RL_TABLES_ROWS_H

#include "rl/tables.h"

enum { TABLES_LORAS = 8, TABLES_SUBJECTS = TABLES_LORAS + 6 };

/* A model as it is measured. */
struct tables_subject {
    char id[24], label[100], paper[24]; /* paper: its row's name there */
    const char *model, *lora;
    const char *quantised; /* the cell that makes the model; NULL: `model` is one */
    char why[128];         /* it cannot be measured */
};

size_t tables_subjects(struct tables_subject at[TABLES_SUBJECTS], const struct tables_config *c);

#endif
