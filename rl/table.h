/* Tables of figures, measured beside reported ones, on a terminal, as Markdown, CSV and HTML. */
#ifndef TERSE_RL_TABLE_H
#define TERSE_RL_TABLE_H

#include "checkpoints/file.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* How a figure is written. */
enum table_unit {
    TABLE_PERCENT, /* a fraction, one digit after the point */
    TABLE_NUMBER,  /* as it is, up to two digits */
    TABLE_COUNT,   /* without any */
    TABLE_MB,      /* bytes, in MB */
    TABLE_MS       /* seconds, in milliseconds */
};

struct table_cell {
    bool measured, reported;
    double value, error,
        paper;     /* error: standard error, 0 for none; paper: what is reported, in the same unit */
    char why[256]; /* no measurement: the reason; "" is an empty cell */
};

struct table {
    char name[32], title[120];
    const char *note;   /* below it; NULL: nothing; static text */
    const char *source; /* of reported figures; NULL: "paper"; static text */
    char **column;      /* [columns] */
    enum table_unit *unit;
    char **row;              /* [rows] */
    struct table_cell *cell; /* [rows][columns] */
    size_t columns, rows;
    char picture[FILE_PATH]; /* an SVG file to stand below it; "" */
};

/* *t is the caller's to table_free, empty after an error. NOMEM. */
int table_init(struct table *t, const char *name, const char *title, size_t columns, const char *const *heads,
               const enum table_unit *units, struct err *e);
void table_free(struct table *t);
/* A row without figures; its index, or a negative NOMEM. */
int table_row(struct table *t, const char *label, struct err *e);
struct table_cell *table_at(struct table *t, size_t row, size_t column);

/* ---- what they look like --------------------------------------------------------------------------------
 */

void table_text(FILE *f, const struct table *t);
void table_markdown(FILE *f, const struct table *t);
/* One line a figure: table,row,column,unit,value,standard error,reported,reason. */
void table_csv_head(FILE *f);
void table_csv(FILE *f, const struct table *t);
/* A page that needs nothing else: tables, their pictures inside, narrow enough for a phone. */
int table_html(FILE *f, const char *title, const char *intro, const struct table *tables, size_t n,
               struct err *e);

#endif
