/* The rows of a source on all threads: while one reads the next batch, the others work on this one. */
#ifndef TERSE_DATA_PREPARE_ROWS_H
#define TERSE_DATA_PREPARE_ROWS_H

#include "data/conversations.h"
#include "infer/pool.h"

enum {
    ROWS_BATCH = 512,   /* rows at most */
    ROWS_TEXT = 8 << 20 /* bytes of text after which a batch is full; one row may have more */
};

struct rows_job {
    const char *path;
    struct conv_file *file; /* the same, open, and the caller's; NULL: it is opened here */
    const uint32_t *only;   /* [n_only] rows to work on, ascending; NULL: all */
    uint64_t n_only;        /* 0 with `only` NULL: all; else without `only`: the first so many */
    /* A row, the slot-th of its batch, on any thread; what is made of it is kept by slot. */
    int (*work)(void *ctx, const struct conv_row *row, uint32_t slot, unsigned thread, struct err *e);
    /* A batch's rows [n] after all of them were worked on, in the file's order, on one thread. */
    int (*take)(void *ctx, const struct conv_row *rows, uint32_t n, struct err *e);
    void *ctx;
    double *seconds; /* adds the time that rows were worked on, without the first batch's reading; NULL: no */
};

/* Runs the job to its end. Errors: those of conv_open and conv_next, FIELD_RANGE (a row of `only` is not
 * there), NOMEM, and what the first row (in the file's order) that failed, or take, returned. */
int rows_run(const struct rows_job *j, struct pool *p, struct err *e);

/* Bytes of a row's text. */
uint64_t rows_bytes(const struct conv_row *row);

#endif
