/* Pictures by gnuplot, where it is installed. */
#ifndef TERSE_TRAIN_GNUPLOT_H
#define TERSE_TRAIN_GNUPLOT_H

#include "infer/err.h"

#include <stddef.h>

struct gnuplot_series {
    const char *name;    /* "" or NULL: not in the legend */
    const double *x, *y; /* [n]; what is not finite leaves a gap */
    const double *error; /* [n] standard errors of y, drawn as bars; NULL: none */
    size_t n;
};

enum gnuplot_style { GNUPLOT_LINES, GNUPLOT_BOXES };

/* One of the plots that stand below each other. */
struct gnuplot_panel {
    const char *title, *x_label, *y_label;
    enum gnuplot_style style;
    double box_width;                    /* BOXES: in x */
    const struct gnuplot_series *series; /* [n] */
    size_t n;
    const char *const *ticks; /* [n_ticks] texts at x = 0, 1, 2 ... instead of numbers; NULL: numbers */
    size_t n_ticks;
};

/* Draws panels [n] to a file named .svg, or else as PNG, whole or not at all. Errors: TOOL (gnuplot is not
 * installed), IO (it failed; the message is its own), NOMEM, those of writing. */
int gnuplot_save(const char *path, const struct gnuplot_panel *panels, size_t n, struct err *e);

#endif
