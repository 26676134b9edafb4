#include "data/text_rows.h"
#include "checkpoints/file.h"
#include "data/json_file.h"
#include "data/parquet/parquet.h"
#include "infer/ascii.h"
#include "infer/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_TEXT = 32, CSV_MAX = 1 << 28 /* bytes */, CSV_COLUMNS = 1024, CSV_LISTED = 12 };

/* What is wanted, and of whom. */
struct reading {
    const char *path;
    const char *const *keys;
    uint32_t n;
    text_rows_take *take;
    void *ctx;
    char number[TEXT_ROWS_KEYS][NUMBER_TEXT];
};

static int hand_over(struct reading *r, uint64_t row, const struct text_cell *cells, struct err *e)
{
    char what[FILE_PATH + 32];
    snprintf(what, sizeof what, "%s, row %llu", r->path, (unsigned long long)row);
    return r->take(r->ctx, row, cells, what, e);
}

static struct text_cell number_cell(struct reading *r, uint32_t key, double value)
{
    int n = snprintf(r->number[key], NUMBER_TEXT, "%.17g", value);
    return (struct text_cell){r->number[key], (size_t)n};
}

/* ---- Parquet ------------------------------------------------------------------------------------------- */

/* Strings lie side by side in the reader: a copy of each gets its NUL. */
struct copies {
    char *text;
    size_t n, cap;
};

/* Of a text, or of a list of texts with a newline behind each; 0: something else. */
static size_t bytes_of(const struct pq_datum *d)
{
    size_t n = 1;
    if (d->kind == PQ_DATUM_STRING) return memchr(d->s, 0, d->n) ? 0 : (size_t)d->n + 1;
    if (d->kind != PQ_DATUM_LIST) return 0;
    for (uint32_t i = 0; i < d->n; i++) {
        const struct pq_datum *x = &d->items[i];
        if (x->kind != PQ_DATUM_STRING || memchr(x->s, 0, x->n)) return 0;
        n += (size_t)x->n + 1;
    }
    return n;
}

static int copies_reserve(struct copies *c, const struct pq_datum *row, uint32_t n, struct err *e)
{
    size_t need = 0;
    for (uint32_t k = 0; k < n; k++) need += bytes_of(&row->items[k]);
    c->n = 0;
    if (need <= c->cap) return 0;
    char *text = realloc(c->text, need);
    if (!text) return err_set(e, ERR_NOMEM, "no memory for a row of %zu bytes", need);
    c->text = text, c->cap = need;
    return 0;
}

static struct text_cell datum_cell(struct reading *r, struct copies *c, uint32_t key,
                                   const struct pq_datum *d)
{
    struct text_cell cell = {0};
    if (d->kind == PQ_DATUM_INT || d->kind == PQ_DATUM_UINT) {
        int n = snprintf(r->number[key], NUMBER_TEXT, "%lld", (long long)d->i);
        return (struct text_cell){r->number[key], (size_t)n};
    }
    if (d->kind == PQ_DATUM_FLOAT || d->kind == PQ_DATUM_DOUBLE) return number_cell(r, key, d->f);
    size_t n = bytes_of(d);
    char *to = c->text + c->n;
    if (!n) return cell;
    cell = (struct text_cell){to, n - 1};
    c->n += n;
    for (uint32_t i = 0; i < (d->kind == PQ_DATUM_LIST ? d->n : 1); i++) {
        const struct pq_datum *x = d->kind == PQ_DATUM_LIST ? &d->items[i] : d;
        memcpy(to, x->s, x->n);
        to += x->n;
        if (d->kind == PQ_DATUM_LIST) *to++ = '\n';
    }
    *to = 0;
    return cell;
}

static int parquet_each(struct reading *r, struct err *e)
{
    struct pq *p;
    const struct pq_datum *row;
    struct copies copies = {0};
    struct text_cell cells[TEXT_ROWS_KEYS];
    int code = pq_open(&p, r->path, e);
    if (code) return code;
    code = pq_select(p, r->keys, r->n, e);
    for (uint64_t i = 0; !code && (code = pq_next(p, &row, e)) == 1; i++) {
        code = copies_reserve(&copies, row, r->n, e);
        for (uint32_t k = 0; !code && k < r->n; k++) cells[k] = datum_cell(r, &copies, k, &row->items[k]);
        if (!code) code = hand_over(r, i, cells, e);
    }
    pq_close(p);
    free(copies.text);
    return code;
}

/* ---- JSON lines ---------------------------------------------------------------------------------------- */

static int line_take(void *ctx, struct js **line, uint64_t number, const char *what, struct err *e)
{
    struct reading *r = ctx;
    struct text_cell cells[TEXT_ROWS_KEYS] = {{0}};
    const struct js *v = *line;
    if (js_type(v) != JS_OBJECT)
        return err_set(e, ERR_ROW_TYPE, "%s: expected an object, not %s", what, js_type_name(js_type(v)));
    for (uint32_t k = 0; k < r->n; k++) {
        const struct js *x = js_get(v, r->keys[k]);
        double value;
        cells[k].s = js_string(x, &cells[k].n);
        if (!cells[k].s && js_number(x, &value)) cells[k] = number_cell(r, k, value);
    }
    int code = r->take(r->ctx, number - 1, cells, what, e);
    return code == TEXT_ROWS_ENOUGH ? JSONL_ENOUGH : code;
}

/* ---- CSV ----------------------------------------------------------------------------------------------- */

/* A file and where it is read; fields are unquoted in place, each with a NUL after it. */
struct csv {
    const char *path;
    char *at, *end;
    uint64_t line;
    struct text_cell *field; /* [CSV_COLUMNS] of the row */
    uint32_t n;
};

static int csv_fail(const struct csv *c, int kind, const char *why, struct err *e)
{
    return err_set(e, kind, "%s:%llu: %s", c->path, (unsigned long long)c->line, why);
}

/* What follows the opening quote; c->at ends up behind the closing one. */
static int quoted(struct csv *c, struct text_cell *f, struct err *e)
{
    uint64_t from = c->line;
    char *to = c->at;
    f->s = to;
    for (; c->at < c->end; c->at++) {
        if (*c->at == '"' && c->at + 1 < c->end && c->at[1] == '"')
            c->at++;
        else if (*c->at == '"')
            break;
        c->line += *c->at == '\n';
        *to++ = *c->at;
    }
    if (c->at == c->end) {
        c->line = from;
        return csv_fail(c, ERR_FIELD_RANGE, "a quote is opened and never closed", e);
    }
    f->n = (size_t)(to - f->s);
    c->at++;
    if (c->at < c->end && !strchr(",\r\n", *c->at))
        return csv_fail(c, ERR_TRAILING, "text after a closing quote, before the comma", e);
    return 0;
}

static void bare(struct csv *c, struct text_cell *f)
{
    f->s = c->at;
    while (c->at < c->end && *c->at != ',' && *c->at != '\n') c->at++;
    f->n = (size_t)(c->at - f->s);
    if (f->n && f->s[f->n - 1] == '\r' && (c->at == c->end || *c->at == '\n')) f->n--;
}

/* The next row's fields. 1, 0 at the end, or an error. */
static int csv_row(struct csv *c, struct err *e)
{
    int code = 0;
    c->n = 0;
    if (c->at == c->end) return 0;
    for (;;) {
        if (c->n == CSV_COLUMNS) return csv_fail(c, ERR_TOO_MANY, "over 1024 columns", e);
        struct text_cell *f = &c->field[c->n++];
        if (*c->at == '"')
            c->at++, code = quoted(c, f, e);
        else
            bare(c, f);
        if (code) return code;
        if (c->at < c->end && *c->at == '\r') c->at++;
        char mark = c->at < c->end ? *c->at : '\n';
        *(char *)(uintptr_t)(f->s + f->n) = 0;
        if (c->at < c->end) c->at++;
        if (mark != ',') break;
        if (c->at == c->end) break;
    }
    c->line++;
    return 1;
}

/* Where the keys are among the header's fields. */
static int csv_columns(struct csv *c, const struct reading *r, uint32_t *column, struct err *e)
{
    char names[256] = "";
    for (uint32_t k = 0; k < r->n; k++) {
        uint32_t i = 0;
        while (i < c->n && strcmp(c->field[i].s, r->keys[k]) != 0) i++;
        column[k] = i;
        if (i < c->n) continue;
        for (uint32_t j = 0, at = 0; j < c->n && j < CSV_LISTED && at < sizeof names; j++)
            at +=
                (uint32_t)snprintf(names + at, sizeof names - at, "%s'%.40s'", j ? ", " : "", c->field[j].s);
        return err_set(e, ERR_COL_MISSING, "%s: there is no column '%s'; there are %s", r->path, r->keys[k],
                       names);
    }
    return 0;
}

static int csv_rows(struct csv *c, struct reading *r, struct err *e)
{
    uint32_t column[TEXT_ROWS_KEYS], all;
    struct text_cell cells[TEXT_ROWS_KEYS];
    int code = csv_row(c, e);
    if (code < 0) return code;
    if (!code) return csv_fail(c, ERR_DATA_EMPTY, "not even a header", e);
    all = c->n;
    code = csv_columns(c, r, column, e);
    for (uint64_t row = 0; !code && (code = csv_row(c, e)) == 1;) {
        code = 0;
        if (c->n == 1 && !c->field[0].n) continue; /* an empty line */
        if (c->n != all)
            return csv_fail(c, ERR_FIELD_MISSING, "the row above has not as many fields as the header", e);
        for (uint32_t k = 0; k < r->n; k++) cells[k] = c->field[column[k]];
        code = hand_over(r, row++, cells, e);
    }
    return code;
}

static int csv_each(struct reading *r, struct err *e)
{
    static const char mark[] = "\xef\xbb\xbf";
    struct csv c = {.path = r->path, .line = 1};
    char *data;
    size_t n;
    int code = file_load(r->path, CSV_MAX, &data, &n, e);
    if (code) return code;
    c.at = data, c.end = data + n;
    if (n >= 3 && !memcmp(data, mark, 3)) c.at += 3;
    size_t good = utf8_prefix(data, n);
    if (good < n)
        code = err_set(e, ERR_UTF8, "%s: byte %zu is not UTF-8", r->path, good);
    else if (memchr(data, 0, n))
        code = err_set(e, ERR_FIELD_RANGE, "%s: a NUL byte in a table of texts", r->path);
    c.field = code ? NULL : malloc(CSV_COLUMNS * sizeof *c.field);
    if (!code) code = c.field ? csv_rows(&c, r, e) : err_set(e, ERR_NOMEM, "no memory for a row");
    free(c.field);
    free(data);
    return code;
}

int text_rows_each(const char *path, const char *const *keys, uint32_t n, text_rows_take *take, void *ctx,
                   struct err *e)
{
    struct reading r = {.path = path, .keys = keys, .n = n, .take = take, .ctx = ctx};
    int code;
    if (ends_with(path, ".parquet"))
        code = parquet_each(&r, e);
    else if (json_file_named(path))
        code = json_file_each(path, line_take, &r, e);
    else if (ends_with(path, ".csv"))
        code = csv_each(&r, e);
    else
        return err_set(
            e, ERR_USAGE,
            "%s: expected a file named .parquet, .csv, .jsonl, .json, or these two with .gz or .zst", path);
    return code == TEXT_ROWS_ENOUGH ? 0 : code;
}
