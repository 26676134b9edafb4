#include "infer/textplot.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { MIN_WIDTH = 24, MIN_HEIGHT = 5, MAX_SIZE = 1000 };

/* The curve on a grid of dots; a braille character holds 2 x 4 of them. */
struct canvas {
    int columns, rows;   /* characters */
    int margin;          /* columns left of it: labels and the axis */
    int per_x, per_y;    /* dots in a character */
    unsigned char *dots; /* [rows][columns] braille bits, or 0/1 */
    double *column;      /* [columns * per_x] mean of the points there, NaN none */
    double low, high;
};

static int set_range(struct canvas *c, const struct textplot *p, struct err *e)
{
    c->low = INFINITY, c->high = -INFINITY;
    for (size_t i = 0; i < p->n; i++)
        if (isfinite(p->y[i])) {
            c->low = fmin(c->low, p->y[i]);
            c->high = fmax(c->high, p->y[i]);
        }
    if (c->low > c->high)
        return err_set(e, ERR_FIELD_RANGE, "nothing to plot: no finite value among %zu", p->n);
    if (c->low == c->high) c->low -= 0.5, c->high += 0.5;
    return 0;
}

static void average_columns(struct canvas *c, const struct textplot *p)
{
    int n = c->columns * c->per_x;
    for (int x = 0; x < n; x++) {
        size_t from = (size_t)((double)x / n * (double)p->n),
               to = (size_t)((double)(x + 1) / n * (double)p->n);
        double sum = 0;
        size_t count = 0;
        for (size_t i = from; i < (to > from ? to : from + 1) && i < p->n; i++)
            if (isfinite(p->y[i])) sum += p->y[i], count++;
        c->column[x] = count ? sum / (double)count : NAN;
    }
}

static void set_dot(struct canvas *c, int x, int y)
{
    /* Bits of U+2800: the left column is 1 2 3 7, the right one 4 5 6 8. */
    static const unsigned char bits[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    c->dots[y / c->per_y * c->columns + x / c->per_x] |= c->per_x == 1 ? 1 : bits[y % 4][x % 2];
}

static int row_of(const struct canvas *c, double y)
{
    int last = c->rows * c->per_y - 1;
    return (int)lround((c->high - y) / (c->high - c->low) * last);
}

/* A dot in each column, and dots from the height of the column before it, so that the curve has no holes. */
static void trace(struct canvas *c)
{
    int before = -1;
    for (int x = 0; x < c->columns * c->per_x; x++) {
        if (isnan(c->column[x])) {
            before = -1;
            continue;
        }
        int y = row_of(c, c->column[x]);
        int step = before < 0 || before == y ? 0 : before < y ? 1 : -1;
        for (int at = step ? before + step : y; at != y; at += step) set_dot(c, x, at);
        set_dot(c, x, y);
        before = y;
    }
}

static double label_at(const struct canvas *c, int row)
{
    return c->high - (c->high - c->low) * row / (c->rows - 1);
}

static bool is_labelled(const struct canvas *c, int row)
{
    return row == 0 || row == c->rows - 1 || (c->rows >= 7 && row == c->rows / 2);
}

static void set_margin(struct canvas *c, int width)
{
    for (int row = 0; row < c->rows; row++)
        if (is_labelled(c, row)) {
            int n = snprintf(NULL, 0, "%.4g", label_at(c, row));
            if (n + 2 > c->margin) c->margin = n + 2;
        }
    c->columns = width - c->margin;
}

static void print_row(const struct canvas *c, int row, bool unicode, FILE *f)
{
    if (is_labelled(c, row))
        fprintf(f, "%*.4g %s", c->margin - 2, label_at(c, row), unicode ? "\u2524" : "+");
    else
        fprintf(f, "%*s%s", c->margin - 1, "", unicode ? "\u2502" : "|");
    for (int x = 0; x < c->columns; x++) {
        unsigned char d = c->dots[row * c->columns + x];
        if (!unicode)
            fputc(d ? '*' : ' ', f);
        else if (d)
            fprintf(f, "\xe2%c%c", 0xa0 | d >> 6, 0x80 | (d & 0x3f));
        else
            fputc(' ', f);
    }
    fputc('\n', f);
}

static void print_axis(const struct canvas *c, const struct textplot *p, FILE *f)
{
    char first[32], last[64];
    snprintf(first, sizeof first, "%.6g", p->x_first);
    snprintf(last, sizeof last, "%.24s%s%.6g", p->x_label ? p->x_label : "", p->x_label ? " " : "",
             p->x_last);
    int gap = c->columns - (int)strlen(first) - (int)strlen(last);
    fprintf(f, "%*s%s", c->margin - 1, "", p->unicode ? "\u2514" : "+");
    for (int x = 0; x < c->columns; x++) fputs(p->unicode ? "\u2500" : "-", f);
    if (gap > 0)
        fprintf(f, "\n%*s%s%*s%s\n", c->margin, "", first, gap, "", last);
    else
        fprintf(f, "\n%*s%s\n", c->margin, "", first);
}

static int canvas_init(struct canvas *c, const struct textplot *p, struct err *e)
{
    *c = (struct canvas){
        .rows = p->height - 2 - (p->title != NULL), .per_x = p->unicode ? 2 : 1, .per_y = p->unicode ? 4 : 1};
    int rc = set_range(c, p, e);
    if (rc) return rc;
    set_margin(c, p->width);
    c->dots = calloc((size_t)c->columns * (size_t)c->rows, 1);
    c->column = calloc((size_t)(c->columns * c->per_x), sizeof *c->column);
    return c->dots && c->column ? 0 : err_set(e, ERR_NOMEM, "no memory for a plot");
}

int textplot_draw(const struct textplot *p, FILE *f, struct err *e)
{
    struct canvas c = {0};
    if (p->width < MIN_WIDTH || p->height < MIN_HEIGHT || p->width > MAX_SIZE || p->height > MAX_SIZE)
        return err_set(e, ERR_FIELD_RANGE, "a plot of %d x %d characters; expected %d x %d up to %d x %d",
                       p->width, p->height, MIN_WIDTH, MIN_HEIGHT, MAX_SIZE, MAX_SIZE);
    int rc = canvas_init(&c, p, e);
    if (!rc) {
        average_columns(&c, p);
        trace(&c);
        if (p->title) fprintf(f, "%*s%.*s\n", c.margin, "", c.columns, p->title);
        for (int row = 0; row < c.rows; row++) print_row(&c, row, p->unicode, f);
        print_axis(&c, p, f);
    }
    free(c.dots);
    free(c.column);
    return rc;
}

void textplot_bars(const size_t *bins, size_t n, double step, int columns, bool unicode, FILE *f)
{
    size_t first = 0, most = 0;
    int room = columns > 48 ? columns - 26 : 22;
    while (first < n && !bins[first]) first++;
    for (size_t i = first; i < n; i++) most = bins[i] > most ? bins[i] : most;
    for (size_t i = first; i < n; i++) {
        int dots = (int)((double)bins[i] / (double)most * room + 0.5);
        fprintf(f, "%6.2f .. %-6.2f ", (double)i * step, (double)(i + 1) * step);
        for (int k = 0; k < dots; k++) fputs(unicode ? "\xe2\x96\x88" : "#", f);
        fprintf(f, "%s%zu\n", dots ? " " : "", bins[i]);
    }
}
