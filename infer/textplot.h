/* A curve as text: what a terminal can show of metrics.jsonl. */
#ifndef TERSE_INFER_TEXTPLOT_H
#define TERSE_INFER_TEXTPLOT_H

#include "infer/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct textplot {
    const double *y; /* [n] left to right, evenly spaced; NaN and infinity leave a gap */
    size_t n;
    double x_first, x_last; /* what stands below the ends */
    const char *title, *x_label;
    int width, height; /* characters of the whole plot; at least 24 x 5 */
    bool unicode;      /* braille dots, 2 x 4 to a character; else one * to a character */
};

/* Prints title, curve, and both axes. Points that share a column are averaged. Errors: FIELD_RANGE (too
 * small, or nothing finite to show), NOMEM; nothing is then printed. */
int textplot_draw(const struct textplot *p, FILE *f, struct err *e);

/* A histogram, a line for each of bins [n], those before the first that is not empty left out: where it ends
 * in multiples of `step`, a bar, its count. columns: of a line. */
void textplot_bars(const size_t *bins, size_t n, double step, int columns, bool unicode, FILE *f);

#endif
