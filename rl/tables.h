/* The paper's tables: which measurements each is made of, and how it is filled from their result files. */
#ifndef TERSE_RL_TABLES_H
#define TERSE_RL_TABLES_H

#include "infer/option.h"
#include "rl/book.h"
#include "rl/table.h"
#include "rl/task.h"

enum { TABLES_CAPS = 8, TABLES_CHAINS = 8, TABLES_SEEDS = 16 };

/* What there is to measure; paths are borrowed, NULL what the user has not given. */
struct tables_config {
    const char *model, *heads, *switcher, *text;
    /* Adapters by SFT: those of one rank are one row, learned with other seeds. The first stands for all of
     * them in later tables; the others here are made from it, or compared with it: one a seed. */
    const struct string_list *lora, *dense, *brief, *qamr; /* at most TABLES_SEEDS of each */
    const struct string_list *tasks;
    const char *data, *style, *paper; /* paper: "3b", "7b" or "none" */
    uint32_t caps[TABLES_CAPS], chains[TABLES_CHAINS];
    size_t n_caps, n_chains;
    uint32_t prompt; /* tokens of the device table's */
    /* negative: not given */
    long long max_samples, vote_samples, repeats, max_new, streams, threads, code_seconds, code_memory;
};

/* Adds every cell that the tables want to the book. Errors: those of book_add and book_refuse. */
int tables_cells(struct book *b, const struct tables_config *c, struct err *e);

enum { TABLES = 11 };
/* Fills tables [*n], at most TABLES, from the book's results, and draws pictures into its folder where
 * gnuplot is there. The caller's to table_free, also after an error. */
int tables_fill(struct table *out, size_t *n, const struct book *b, const struct tables_config *c,
                struct err *e);

#endif
