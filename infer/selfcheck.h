/* What `terse selftest` runs: one line a check. A folder adds rows to the table that its main() hands over.
 */
#ifndef TERSE_INFER_SELFCHECK_H
#define TERSE_INFER_SELFCHECK_H

#include "infer/err.h"

#include <stddef.h>

struct selfcheck {
    const char *name; /* "kernels": unique, without a colon */
    /* Returns 0 or an error, and in both cases may describe what was looked at in figure [n], a few words
     * ("24 slots identical"); it comes as an empty string. A check that this machine cannot make says so and
     * returns 0. */
    int (*run)(char *figure, size_t n, struct err *e);
};

/* Rows of infer: every instruction set against the reference, and the numerics contract. */
int selfcheck_kernels(char *figure, size_t n, struct err *e);
int selfcheck_contract(char *figure, size_t n, struct err *e);
#define SELFCHECKS_INFER                                                                                     \
    {"kernels", selfcheck_kernels},                                                                          \
    {                                                                                                        \
        "numerics contract", selfcheck_contract                                                              \
    }

#endif
