#include "data/json_file.h"
#include "checkpoints/json_rows.h"
#include "data/text_file.h"
#include "infer/ascii.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STRIDE = 256 }; /* rows from one known place to the next */

struct place {
    uint64_t offset, line;
};

struct json_file {
    struct text_file *text;
    struct json_rows rows;
    uint64_t n, row; /* rows there are, and the next one */
    uint64_t end;    /* bytes of the text that they are in */
    struct place *places;
    size_t places_cap;
    char *path, *where;
    size_t where_size;
};

/* ---- what it is --------------------------------------------------------------------------------------- */

/* Does the name end in `end`, or in it and what compression adds? */
static bool named(const char *path, const char *end)
{
    static const char *const packed[] = {"", ".gz", ".zst"};
    char whole[16];
    for (size_t i = 0; i < sizeof packed / sizeof *packed; i++) {
        snprintf(whole, sizeof whole, "%s%s", end, packed[i]);
        if (ends_with(path, whole)) return true;
    }
    return false;
}

bool json_file_named(const char *path)
{
    return named(path, ".jsonl") || named(path, ".json");
}

/* A name that says nothing is believed if the text begins as JSON does. */
static int check_content(struct json_file *f, struct err *e)
{
    char head[64];
    size_t got = 0, at = 0;
    if (json_file_named(f->path)) return 0;
    int rc = text_file_read(f->text, head, sizeof head, &got, e);
    while (at < got && is_space(head[at])) at++;
    if (!rc && (at == got || (head[at] != '{' && head[at] != '[')))
        rc = err_set(
            e, ERR_MAGIC,
            "%s is neither Parquet nor JSON; expected a file named .parquet, .jsonl, .json, or one of the "
            "latter two with .gz or .zst behind it",
            f->path);
    return rc ? rc : text_file_seek(f->text, 0, e);
}

/* ---- counting ----------------------------------------------------------------------------------------- */

static int note_place(struct json_file *f, struct err *e)
{
    size_t i = (size_t)(f->n / STRIDE);
    if (i == f->places_cap) {
        size_t cap = i ? 2 * i : 64;
        struct place *grown = realloc(f->places, cap * sizeof *grown);
        if (!grown) return err_set(e, ERR_NOMEM, "no memory to count the rows of %s", f->path);
        f->places = grown;
        f->places_cap = cap;
    }
    f->places[i] = (struct place){f->rows.offset, f->rows.line};
    return 0;
}

static int count(struct json_file *f, struct err *e)
{
    int rc;
    while ((rc = json_rows_skip(&f->rows, e)) == 1) {
        if (f->rows.form == JSON_LINES && f->rows.blank) continue;
        if (f->n % STRIDE == 0 && (rc = note_place(f, e))) break;
        f->n++;
    }
    f->end = json_rows_position(&f->rows);
    if (!rc && !f->n) rc = err_set(e, ERR_DATA_EMPTY, "%s has no rows", f->path);
    return rc;
}

/* ---- open, close ----------------------------------------------------------------------------------------
 */

static int restart(struct json_file *f, struct place at, uint64_t row, struct err *e)
{
    int rc = text_file_seek(f->text, at.offset, e);
    if (rc) return rc;
    json_rows_restart(&f->rows, at.offset, at.line);
    f->row = row;
    return 0;
}

static const struct place beginning = {0, 1};

int json_file_open(struct json_file **out, const char *path, struct err *e)
{
    *out = NULL;
    struct json_file *f = calloc(1, sizeof *f);
    if (f) {
        f->where_size = strlen(path) + 32;
        f->path = strdup(path);
        f->where = malloc(f->where_size);
    }
    int rc = f && f->path && f->where ? 0 : err_set(e, ERR_NOMEM, "no memory to read %s", path);
    if (!rc) rc = text_file_open(&f->text, path, e);
    if (!rc) rc = check_content(f, e);
    if (!rc) {
        f->rows = (struct json_rows){.name = f->path,
                                     .source = {text_file_read, f->text},
                                     .form = named(path, ".jsonl") ? JSON_LINES : JSON_EITHER};
        rc = count(f, e);
    }
    if (!rc) rc = restart(f, beginning, 0, e);
    if (rc)
        json_file_close(f);
    else
        *out = f;
    return rc;
}

void json_file_close(struct json_file *f)
{
    if (!f) return;
    text_file_close(f->text);
    json_rows_clear(&f->rows);
    free(f->places);
    free(f->path);
    free(f->where);
    free(f);
}

uint64_t json_file_rows(const struct json_file *f)
{
    return f->n;
}

struct file_part json_file_part(const struct json_file *f, uint64_t row)
{
    const uint64_t first = row / STRIDE * STRIDE, rows = f->n - first < STRIDE ? f->n - first : STRIDE;
    const uint64_t end = first + rows < f->n ? f->places[row / STRIDE + 1].offset : f->end;
    return (struct file_part){first, rows, end - f->places[row / STRIDE].offset};
}

uint64_t json_file_bytes(const struct json_file *f)
{
    return f->end - f->places[0].offset;
}

/* ---- rows -----------------------------------------------------------------------------------------------
 */

static int changed(const struct json_file *f, struct err *e)
{
    return err_set(e, ERR_CHANGED, "%s no longer has the %llu rows that were counted", f->path,
                   (unsigned long long)f->n);
}

int json_file_next(struct json_file *f, const char **text, size_t *n, struct err *e)
{
    int rc;
    do rc = json_rows_next(&f->rows, text, n, e);
    while (rc == 1 && f->rows.form == JSON_LINES && f->rows.blank);
    if (rc < 0) return rc;
    if (rc != (f->row < f->n)) return changed(f, e);
    f->row += (uint64_t)rc;
    return rc;
}

const char *json_file_where(struct json_file *f)
{
    if (f->rows.form == JSON_ARRAY)
        snprintf(f->where, f->where_size, "%s: row %llu", f->path, (unsigned long long)f->row - 1);
    else
        snprintf(f->where, f->where_size, "%s:%llu", f->path, (unsigned long long)f->rows.line);
    return f->where;
}

/* The known place that is nearest before `row`, and its row. */
static struct place place_before(const struct json_file *f, uint64_t row, uint64_t *at)
{
    if (!text_file_plain(f->text) || row < STRIDE) {
        *at = 0;
        return beginning;
    }
    *at = (row < f->n ? row : f->n - 1) / STRIDE * STRIDE;
    return f->places[*at / STRIDE];
}

int json_file_seek(struct json_file *f, uint64_t row, struct err *e)
{
    uint64_t at;
    if (row > f->n)
        return err_set(e, ERR_FIELD_RANGE, "%s: row %llu, there are %llu", f->path, (unsigned long long)row,
                       (unsigned long long)f->n);
    struct place p = place_before(f, row, &at);
    int rc = row < f->row || at > f->row ? restart(f, p, at, e) : 0;
    while (!rc && f->row < row) {
        rc = json_rows_skip(&f->rows, e);
        if (rc == 0) return changed(f, e);
        if (rc == 1) f->row += f->rows.form == JSON_ARRAY || !f->rows.blank;
        rc = rc < 0 ? rc : 0;
    }
    return rc;
}

int json_file_each(const char *path, jsonl_take *take, void *ctx, struct err *e)
{
    struct json_file *f;
    const char *text;
    size_t n;
    int r = json_file_open(&f, path, e), more = 0;
    if (r) return r;
    while (!r && (more = json_file_next(f, &text, &n, e)) == 1) {
        const uint64_t number = f->rows.form == JSON_ARRAY ? f->row : f->rows.line;
        struct js *v;
        r = js_parse(&v, json_file_where(f), text, n, NULL, e);
        if (r) break;
        r = take(ctx, &v, number, json_file_where(f), e);
        js_free(v);
    }
    json_file_close(f);
    if (more < 0) return more;
    return r == JSONL_ENOUGH ? 0 : r;
}
