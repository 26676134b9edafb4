/* What terse plot draws: curves of metrics.jsonl, accuracy under caps (terse eval --caps -o), compression
 * (terse compare -o). */
#ifndef TERSE_TRAIN_PLOT_FILE_H
#define TERSE_TRAIN_PLOT_FILE_H

#include "infer/err.h"
#include "infer/option.h"

enum plot_kind { PLOT_CURVES, PLOT_CAPS, PLOT_COMPRESSION };
enum { PLOT_NAME = 64, PLOT_BINS = 64 };

struct plot_curve {
    double *x, *y; /* [n] */
    size_t n, capacity;
};

/* Accuracy and tokens under one cap. */
struct plot_cap {
    uint32_t cap;             /* UINT32_MAX: none */
    double accuracy, stderr_; /* percent */
    double tokens;            /* mean */
};

struct plot_file {
    enum plot_kind kind;
    char name[PLOT_NAME];     /* of the run, or the file */
    struct plot_curve *curve; /* CURVES: [curves], one a key */
    size_t curves;
    struct plot_cap *cap; /* CAPS: [caps] ascending, the last without a cap */
    size_t caps;
    size_t bins[PLOT_BINS], n_bins; /* COMPRESSION */
    double bin_width, mean, median, longer;
};

/* Reads a .json file (which of the two, its fields say) or, for any other name, the keys' curves from lines
 * of JSON with "step"; a last line without an end is still being written, and left out. *out is the caller's
 * to plot_file_clear; empty after an error. Errors: those of file_load, js_load and js_parse; FIELD_MISSING,
 * FIELD_TYPE, FIELD_RANGE, TOO_MANY; DATA_EMPTY (no such key). */
int plot_file_load(struct plot_file *out, const char *path, const struct string_list *keys, struct err *e);
void plot_file_clear(struct plot_file *p);

#endif
