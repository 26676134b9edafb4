/* The first stage: every row is tokenised once, and only its facts are kept. */
#ifndef TERSE_DATA_PREPARE_SCAN_H
#define TERSE_DATA_PREPARE_SCAN_H

#include "data/prepare/facts.h"
#include "data/prepare/ngrams.h"
#include "data/prepare/workers.h"

struct conv_file;

struct scan {
    const char *path;
    struct conv_file *file; /* as in struct rows_job, and what follows */
    const uint32_t *only;
    uint64_t n_only;
    const struct document_rules *rules;
    struct ticker ticker;
    double *seconds; /* as in struct rows_job */
};

/* Appends the facts of the file's rows to f. Errors: those of rows_run and measure_row, INTERRUPTED. */
int scan_rows(struct facts *f, const struct scan *s, struct workers *w, struct err *e);

/* Says of each row of the file whether its question is one of the set's: flags [rows], the caller's to free,
 * also after an error. Nothing is tokenised. */
int scan_contaminated(uint8_t **flags, uint64_t *rows, const struct scan *s, const struct ngrams *set,
                      struct workers *w, struct err *e);

#endif
