#include "checkpoints/json_rows.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST = 256 << 10 }; /* bytes held at first */

static bool is_white(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* ---- what is held ------------------------------------------------------------------------------------- */

/* Makes room behind what is held: drops what lies before r->from, then grows. */
static int make_room(struct json_rows *r, struct err *e)
{
    if (r->from) {
        memmove(r->buf, r->buf + r->from, r->n - r->from);
        r->base += r->from;
        r->at -= r->from;
        r->n -= r->from;
        r->from = 0;
    }
    if (r->n < r->cap) return 0;
    size_t cap = r->cap ? 2 * r->cap : FIRST;
    if (cap > (size_t)JSON_ROW_MAX + 2) cap = (size_t)JSON_ROW_MAX + 2; /* one byte and a newline too many */
    char *grown = realloc(r->buf, cap);
    if (!grown) return err_set(e, ERR_NOMEM, "%s: no memory for a row of %zu bytes", r->name, cap);
    r->buf = grown;
    r->cap = cap;
    return 0;
}

/* Reads more behind what is held. 1, or 0 at the end, or an error. */
static int fill(struct json_rows *r, struct err *e)
{
    size_t got = 0;
    int rc = make_room(r, e);
    if (!rc) rc = r->source.read(r->source.ctx, r->buf + r->n, r->cap - r->n, &got, e);
    r->n += got;
    return rc ? rc : got > 0;
}

static int check_length(const struct json_rows *r, struct err *e)
{
    if (json_rows_position(r) - r->offset <= JSON_ROW_MAX) return 0;
    return err_set(e, ERR_LINE_LEN, "%s:%llu: the row that begins here is longer than %d bytes", r->name,
                   (unsigned long long)r->line, JSON_ROW_MAX);
}

static void begin_row(struct json_rows *r)
{
    r->from = r->at;
    r->offset = json_rows_position(r);
    r->line = r->lines + 1;
}

/* Moves over white space. 1 when something else follows, 0 at the end, or an error. */
static int skip_white(struct json_rows *r, struct err *e)
{
    for (;;) {
        for (; r->at < r->n && is_white(r->buf[r->at]); r->at++) r->lines += r->buf[r->at] == '\n';
        if (r->at < r->n) return 1;
        r->from = r->at;
        int more = fill(r, e);
        if (more != 1) return more;
    }
}

/* ---- lines --------------------------------------------------------------------------------------------- */

static bool all_white(const char *s, size_t n)
{
    size_t at = 0;
    while (at < n && is_white(s[at])) at++;
    return at == n;
}

/* Moves r->at to the end of the line that begins at r->from. 1, 0 when there is none, or an error. */
static int find_newline(struct json_rows *r, bool keep, struct err *e)
{
    int more = 1;
    for (r->blank = true, r->ended = false;;) {
        const char *s = r->buf + r->at, *stop = memchr(s, '\n', r->n - r->at);
        size_t n = stop ? (size_t)(stop - s) : r->n - r->at;
        r->blank = r->blank && all_white(s, n);
        r->at += n;
        r->ended = stop != NULL;
        if (check_length(r, e)) return ERR_LINE_LEN;
        if (r->ended) return 1;
        if (!keep) r->from = r->at;
        more = fill(r, e);
        if (more < 0) return more;
        if (!more) return json_rows_position(r) > r->offset;
    }
}

static int next_line(struct json_rows *r, bool keep, size_t *n, struct err *e)
{
    begin_row(r);
    int more = find_newline(r, keep, e);
    if (more != 1) return more;
    *n = r->at - r->from;
    r->at += r->ended;
    r->lines += r->ended;
    return 1;
}

/* ---- elements of an array ------------------------------------------------------------------------------ */

/* Goes on through a string, behind its closing quote or to the end of what is held. */
static void scan_string(struct json_rows *r)
{
    const char *s = r->buf + r->at, *end = r->buf + r->n, *quote = memchr(s, '"', (size_t)(end - s));
    const char *stop = quote ? quote : end, *run = stop;
    while (run > s && run[-1] == '\\') run--;
    bool odd = ((size_t)(stop - run) & 1) != (run == s && r->escaped);
    r->at = (size_t)(stop - r->buf) + (quote != NULL);
    r->in_string = !quote || odd;
    r->escaped = !quote && odd;
}

/* Goes on through an element; true at the ',' or ']' behind it. */
static bool scan_element(struct json_rows *r)
{
    while (r->at < r->n) {
        if (r->in_string) {
            scan_string(r);
            continue;
        }
        char c = r->buf[r->at];
        if (!r->depth && (c == ',' || c == ']')) return true;
        r->in_string = c == '"';
        r->depth += c == '{' || c == '[';
        r->depth -= (c == '}' || c == ']') && r->depth;
        r->lines += c == '\n';
        r->at++;
    }
    return false;
}

static int fail_at(const struct json_rows *r, int code, const char *what, struct err *e)
{
    return err_set(e, code, "%s:%llu: %s: %s at offset %llu", r->name, (unsigned long long)r->lines + 1,
                   err_text(code), what, (unsigned long long)json_rows_position(r));
}

static int next_element(struct json_rows *r, bool keep, size_t *n, struct err *e)
{
    int more = skip_white(r, e);
    if (more < 0) return more;
    if (more && r->state == ROWS_FIRST && r->buf[r->at] == ']') r->at++, r->state = ROWS_END;
    if (r->state == ROWS_END) {
        more = skip_white(r, e);
        return more == 1 ? fail_at(r, ERR_JSON_TRAILING, "text after the array", e) : more;
    }
    begin_row(r);
    while (!scan_element(r)) {
        if (check_length(r, e)) return ERR_LINE_LEN;
        if (!keep) r->from = r->at;
        more = fill(r, e);
        if (more < 0) return more;
        if (!more) return fail_at(r, ERR_JSON_TRUNC, "the array does not end", e);
    }
    if (json_rows_position(r) == r->offset) return fail_at(r, ERR_JSON_SYNTAX, "expected a value", e);
    if (check_length(r, e)) return ERR_LINE_LEN;
    *n = r->at - r->from;
    r->state = r->buf[r->at++] == ']' ? ROWS_END : ROWS_MORE;
    return 1;
}

/* ---- both ---------------------------------------------------------------------------------------------- */

static int check_bom(const struct json_rows *r, struct err *e)
{
    const char *s = r->buf;
    bool utf16 = r->n >= 2 && (!memcmp(s, "\xff\xfe", 2) || !memcmp(s, "\xfe\xff", 2));
    if (utf16 || (r->n >= 3 && !memcmp(s, "\xef\xbb\xbf", 3)))
        return err_set(e, ERR_JSON_BOM, "%s: begins with a byte order mark: save it as UTF-8 without one%s",
                       r->name, utf16 ? " (it is UTF-16)" : "");
    return 0;
}

/* Looks at the beginning of the stream: what is it? */
static int begin(struct json_rows *r, struct err *e)
{
    int more = 1;
    while (more == 1 && r->n < 4) more = fill(r, e);
    if (more >= 0) more = check_bom(r, e);
    if (more < 0) return more;
    if (r->form != JSON_LINES) more = skip_white(r, e);
    if (more < 0) return more;
    bool bracket = more && r->buf[r->at] == '[';
    if (r->form == JSON_EITHER) r->form = bracket ? JSON_ARRAY : JSON_LINES;
    if (r->form == JSON_ARRAY && !bracket) return fail_at(r, ERR_JSON_SYNTAX, "expected '['", e);
    r->at += r->form == JSON_ARRAY;
    r->state = ROWS_FIRST;
    return 0;
}

static int next_row(struct json_rows *r, bool keep, size_t *n, struct err *e)
{
    int rc = r->state == ROWS_BEGIN ? begin(r, e) : 0;
    if (rc) return rc;
    return r->form == JSON_ARRAY ? next_element(r, keep, n, e) : next_line(r, keep, n, e);
}

int json_rows_next(struct json_rows *r, const char **text, size_t *n, struct err *e)
{
    int rc = next_row(r, true, n, e);
    *text = r->buf + r->from;
    return rc;
}

int json_rows_skip(struct json_rows *r, struct err *e)
{
    size_t n;
    return next_row(r, false, &n, e);
}

void json_rows_restart(struct json_rows *r, uint64_t offset, uint64_t line)
{
    r->from = r->at = r->n = 0;
    r->base = offset;
    r->lines = line - 1;
    r->state = offset ? ROWS_MORE : ROWS_BEGIN;
    r->depth = 0;
    r->in_string = r->escaped = false;
}

void json_rows_clear(struct json_rows *r)
{
    free(r->buf);
    r->buf = NULL;
    r->cap = r->from = r->at = r->n = 0;
}
