#include "rl/table.h"
#include "infer/cli.h"
#include "infer/utf8.h"

#include <stdlib.h>
#include <string.h>

/* ---- making one ---------------------------------------------------------------------------------------- */

int table_init(struct table *t, const char *name, const char *title, size_t columns, const char *const *heads,
               const enum table_unit *units, struct err *e)
{
    *t = (struct table){.note = NULL};
    snprintf(t->name, sizeof t->name, "%s", name);
    snprintf(t->title, sizeof t->title, "%s", title);
    t->column = calloc(columns, sizeof *t->column);
    t->unit = malloc(columns * sizeof *t->unit);
    bool ok = t->column && t->unit;
    for (; ok && t->columns < columns; t->columns++) {
        t->unit[t->columns] = units[t->columns];
        if (!(t->column[t->columns] = strdup(heads[t->columns]))) break;
    }
    if (ok && t->columns == columns) return 0;
    table_free(t);
    return err_set(e, ERR_NOMEM, "no memory for a table");
}

void table_free(struct table *t)
{
    for (size_t i = 0; i < t->columns; i++) free(t->column[i]);
    for (size_t i = 0; i < t->rows; i++) free(t->row[i]);
    free(t->column), free(t->unit), free(t->row), free(t->cell);
    *t = (struct table){.note = NULL};
}

int table_row(struct table *t, const char *label, struct err *e)
{
    size_t n = t->rows;
    char **row = realloc(t->row, (n + 1) * sizeof *row);
    if (row) t->row = row;
    struct table_cell *cell = realloc(t->cell, (n + 1) * t->columns * sizeof *cell);
    if (cell) t->cell = cell;
    char *copy = strdup(label);
    if (!row || !cell || !copy) {
        free(copy);
        return err_set(e, ERR_NOMEM, "no memory for a table");
    }
    memset(cell + n * t->columns, 0, t->columns * sizeof *cell);
    t->row[t->rows++] = copy;
    return (int)n;
}

struct table_cell *table_at(struct table *t, size_t row, size_t column)
{
    return &t->cell[row * t->columns + column];
}

/* ---- figures ------------------------------------------------------------------------------------------- */

static double scaled(enum table_unit u, double x)
{
    return u == TABLE_PERCENT ? 100 * x : u == TABLE_MB ? x / 1e6 : u == TABLE_MS ? 1e3 * x : x;
}

static int digits(enum table_unit u, double x)
{
    if (u == TABLE_COUNT) return 0;
    if (u == TABLE_NUMBER) return x < 100 ? 2 : 1;
    return u == TABLE_MS && x >= 100 ? 0 : 1;
}

static int put_number(char *text, size_t size, enum table_unit u, double x)
{
    double y = scaled(u, x);
    return snprintf(text, size, "%.*f", digits(u, y), y);
}

static const char *source_of(const struct table *t)
{
    return t->source ? t->source : "paper";
}

enum { CELL_TEXT = 256 };

/* "85.0 +- 1.4 (paper 56.0)"; reasons are numbered where `reasons` counts them. */
static void cell_text(char text[CELL_TEXT], const struct table_cell *c, enum table_unit u, const char *source,
                      const char *plus, const char *mark)
{
    size_t n = 0;
    text[0] = 0;
    if (c->measured) n += (size_t)put_number(text, CELL_TEXT, u, c->value);
    if (c->measured && c->error > 0) {
        n += (size_t)snprintf(text + n, CELL_TEXT - n, " %s ", plus);
        n += (size_t)put_number(text + n, CELL_TEXT - n, u, c->error);
    }
    if (!c->measured && *c->why) n += (size_t)snprintf(text + n, CELL_TEXT - n, "- %s", mark);
    if (c->reported) {
        n += (size_t)snprintf(text + n, CELL_TEXT - n, "%s(%s ", n ? " " : "", source);
        n += (size_t)put_number(text + n, CELL_TEXT - n, u, c->paper);
        snprintf(text + n, CELL_TEXT - n, ")");
    }
}

/* Reasons of a table, each once: its number, from 1; 0 for none. */
static size_t reason(const struct table *t, const struct table_cell *c, const char **list, size_t *n,
                     size_t most)
{
    (void)t;
    if (c->measured || !*c->why) return 0;
    for (size_t i = 0; i < *n; i++)
        if (!strcmp(list[i], c->why)) return i + 1;
    if (*n < most) list[(*n)++] = c->why;
    return *n;
}

enum { REASONS = 64 };

static void cells_of(char *text, const struct table *t, size_t row, size_t column, const char *plus,
                     const char **list, size_t *n)
{
    const struct table_cell *c = &t->cell[row * t->columns + column];
    char mark[32] = "";
    size_t k = reason(t, c, list, n, REASONS);
    if (k) snprintf(mark, sizeof mark, "[%zu]", k);
    cell_text(text, c, t->unit[column], source_of(t), plus, mark);
}

static const char *unit_text(enum table_unit u)
{
    static const char *const names[] = {", %", "", "", ", MB", ", ms"};
    return names[u];
}

/* ---- text ---------------------------------------------------------------------------------------------- */

static size_t width_of(const struct table *t, size_t column)
{
    const char *list[REASONS];
    size_t n = 0, most = utf8_count(t->column[column], strlen(t->column[column])) +
                         strlen(unit_text(t->unit[column]));
    char text[CELL_TEXT];
    for (size_t r = 0; r < t->rows; r++)
        for (size_t k = 0; k < t->columns; k++) {
            cells_of(text, t, r, k, "+-", list, &n);
            if (k == column && strlen(text) > most) most = strlen(text);
        }
    return most;
}

static void put_reasons(FILE *f, const char *const *list, size_t n, const char *before, const char *after)
{
    for (size_t i = 0; i < n; i++) fprintf(f, "%s[%zu] %s%s", before, i + 1, list[i], after);
}

void table_text(FILE *f, const struct table *t)
{
    const char *list[REASONS];
    char text[CELL_TEXT], head[200];
    size_t n = 0, label = 0, *width = calloc(t->columns, sizeof *width);
    if (!width) return;
    for (size_t r = 0; r < t->rows; r++) {
        size_t w = utf8_count(t->row[r], strlen(t->row[r]));
        label = w > label ? w : label;
    }
    for (size_t k = 0; k < t->columns; k++) width[k] = width_of(t, k);
    fprintf(f, "\n%s%s%s\n%*s", cli_style(f, CLI_BOLD), t->title, cli_style(f, CLI_PLAIN), (int)label, "");
    for (size_t k = 0; k < t->columns; k++) {
        snprintf(head, sizeof head, "%s%s", t->column[k], unit_text(t->unit[k]));
        fprintf(f, "  %*s", (int)width[k], head);
    }
    for (size_t r = 0; r < t->rows; r++) {
        fprintf(f, "\n%s%*s", t->row[r], (int)(label - utf8_count(t->row[r], strlen(t->row[r]))), "");
        for (size_t k = 0; k < t->columns; k++) {
            cells_of(text, t, r, k, "+-", list, &n);
            fprintf(f, "  %*s", (int)width[k], text);
        }
    }
    fputc('\n', f);
    put_reasons(f, list, n, "  ", "\n");
    if (t->note) fprintf(f, "  %s\n", t->note);
    free(width);
}

/* ---- Markdown ------------------------------------------------------------------------------------------ */

/* A bar in a text would end its cell. */
static void put_markdown(FILE *f, const char *s)
{
    for (; *s; s++) {
        if (*s == '|') fputc('\\', f);
        fputc(*s, f);
    }
}

void table_markdown(FILE *f, const struct table *t)
{
    const char *list[REASONS];
    char text[CELL_TEXT];
    size_t n = 0;
    fprintf(f, "\n## %s\n\n|", t->title);
    for (size_t k = 0; k < t->columns; k++)
        fputs(" | ", f), put_markdown(f, t->column[k]), fputs(unit_text(t->unit[k]), f);
    fputs(" |\n|---|", f);
    for (size_t k = 0; k < t->columns; k++) fputs("---:|", f);
    for (size_t r = 0; r < t->rows; r++) {
        fputs("\n| ", f), put_markdown(f, t->row[r]);
        for (size_t k = 0; k < t->columns; k++) {
            cells_of(text, t, r, k, "±", list, &n);
            fprintf(f, " | %s", text);
        }
        fputs(" |", f);
    }
    fputc('\n', f);
    put_reasons(f, list, n, "\n", "\n");
    if (t->note) fprintf(f, "\n%s\n", t->note);
}

/* ---- CSV ----------------------------------------------------------------------------------------------- */

static void put_csv(FILE *f, const char *s)
{
    fputc('"', f);
    for (; *s; s++) {
        if (*s == '"') fputc('"', f);
        fputc(*s, f);
    }
    fputc('"', f);
}

void table_csv_head(FILE *f)
{
    fputs("table,row,column,unit,value,standard_error,reported,reason\n", f);
}

void table_csv(FILE *f, const struct table *t)
{
    static const char *const units[] = {"fraction", "", "", "bytes", "seconds"};
    for (size_t r = 0; r < t->rows; r++)
        for (size_t k = 0; k < t->columns; k++) {
            const struct table_cell *c = &t->cell[r * t->columns + k];
            put_csv(f, t->name), fputc(',', f);
            put_csv(f, t->row[r]), fputc(',', f);
            put_csv(f, t->column[k]);
            fprintf(f, ",%s,", units[t->unit[k]]);
            if (c->measured) fprintf(f, "%.10g", c->value);
            fputc(',', f);
            if (c->measured && c->error > 0) fprintf(f, "%.10g", c->error);
            fputc(',', f);
            if (c->reported) fprintf(f, "%.10g", c->paper);
            fputc(',', f);
            put_csv(f, c->measured ? "" : c->why);
            fputc('\n', f);
        }
}

/* ---- HTML ---------------------------------------------------------------------------------------------- */

static void put_html(FILE *f, const char *s)
{
    for (; *s; s++) switch (*s) {
        case '<':
            fputs("&lt;", f);
            break;
        case '>':
            fputs("&gt;", f);
            break;
        case '&':
            fputs("&amp;", f);
            break;
        case '"':
            fputs("&quot;", f);
            break;
        default:
            fputc(*s, f);
        }
}

static const char style[] =
    "body{font:16px/1.5 system-ui,sans-serif;margin:0 "
    "auto;padding:1rem;max-width:60rem;color:#222;background:#fff}"
    "h1{font-size:1.5rem}h2{font-size:1.15rem;margin:2.2rem 0 .5rem}"
    ".wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}"
    "th,td{padding:.35rem .6rem;text-align:right;border-bottom:1px solid #ddd;white-space:nowrap}"
    "th:first-child,td:first-child{text-align:left;white-space:normal;min-width:9rem;position:sticky;left:0;"
    "background:#fff}thead th{border-bottom:2px solid "
    "#888;vertical-align:bottom;white-space:normal;max-width:7rem}"
    "small,.note{color:#666;font-size:.85rem}td "
    "small{display:block}svg{width:100%;max-width:40rem;height:auto;margin-top:.6rem}"
    "@media(prefers-color-scheme:dark){body,th:first-child,td:first-child{background:#16181b;color:#ddd}"
    "th,td{border-color:#333}small,.note{color:#999}svg{background:#fff;border-radius:6px}}";

static void html_cell(FILE *f, const struct table_cell *c, enum table_unit u, const char *source, size_t mark)
{
    char text[64];
    fputs("<td>", f);
    if (c->measured) {
        put_number(text, sizeof text, u, c->value);
        fputs(text, f);
        if (c->error > 0)
            put_number(text, sizeof text, u, c->error), fprintf(f, " <small>± %s</small>", text);
    } else if (mark) {
        fprintf(f, "– <sup>%zu</sup>", mark);
    }
    if (c->reported)
        put_number(text, sizeof text, u, c->paper), fprintf(f, "<small>%s %s</small>", source, text);
    fputs("</td>", f);
}

/* What a picture file has from its <svg> on. */
static int html_picture(FILE *f, const struct table *t, struct err *e)
{
    char *svg;
    size_t n;
    if (!*t->picture || !file_exists(t->picture)) return 0;
    int r = file_load(t->picture, 8 << 20, &svg, &n, e);
    if (r) return r;
    const char *from = strstr(svg, "<svg");
    if (from) fputs("<div class=wide>", f), fputs(from, f), fputs("</div>\n", f);
    free(svg);
    return 0;
}

static int html_table(FILE *f, const struct table *t, struct err *e)
{
    const char *list[REASONS];
    size_t n = 0;
    fprintf(f, "<h2 id=\"%s\">", t->name), put_html(f, t->title);
    fputs("</h2>\n<div class=wide><table><thead><tr><th></th>", f);
    for (size_t k = 0; k < t->columns; k++) {
        fputs("<th>", f), put_html(f, t->column[k]);
        fprintf(f, "<small>%s</small></th>", unit_text(t->unit[k]));
    }
    fputs("</tr></thead><tbody>\n", f);
    for (size_t r = 0; r < t->rows; r++) {
        fputs("<tr><td>", f), put_html(f, t->row[r]), fputs("</td>", f);
        for (size_t k = 0; k < t->columns; k++) {
            const struct table_cell *c = &t->cell[r * t->columns + k];
            html_cell(f, c, t->unit[k], source_of(t), reason(t, c, list, &n, REASONS));
        }
        fputs("</tr>\n", f);
    }
    fputs("</tbody></table></div>\n", f);
    for (size_t i = 0; i < n; i++) {
        fprintf(f, "<p class=note><sup>%zu</sup> ", i + 1), put_html(f, list[i]);
        fputs("</p>\n", f);
    }
    if (t->note) fputs("<p class=note>", f), put_html(f, t->note), fputs("</p>\n", f);
    return html_picture(f, t, e);
}

int table_html(FILE *f, const char *title, const char *intro, const struct table *tables, size_t n,
               struct err *e)
{
    int r = 0;
    fputs("<!doctype html>\n<html lang=en><meta charset=utf-8>"
          "<meta name=viewport content=\"width=device-width,initial-scale=1\">\n<title>",
          f);
    put_html(f, title);
    fprintf(f, "</title><style>%s</style>\n<h1>", style);
    put_html(f, title);
    fputs("</h1>\n<p>", f), put_html(f, intro), fputs("</p>\n", f);
    for (size_t i = 0; !r && i < n; i++) r = html_table(f, &tables[i], e);
    fputs("</html>\n", f);
    return r ? r : ferror(f) ? err_set(e, ERR_IO, "cannot write the page") : 0;
}
