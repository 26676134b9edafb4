#include "checkpoints/jsonl.h"
#include "checkpoints/file.h"
#include "checkpoints/file_in.h"
#include "checkpoints/json_rows.h"

#include <stdio.h>

static int line_take(const char *what, uint64_t number, const char *line, size_t n, jsonl_take *take,
                     void *ctx, struct err *e)
{
    struct js *v;
    int r = js_parse(&v, what, line, n, NULL, e);
    if (r) return r;
    r = take(ctx, &v, number, what, e);
    js_free(v);
    return r;
}

int jsonl_each(const char *path, enum jsonl_kind kind, jsonl_take *take, void *ctx, struct err *e)
{
    struct file_in f;
    char what[FILE_PATH + 32];
    const char *line;
    size_t n;
    int r = file_in_open(&f, path, e), more = 0;
    if (r) return r;
    struct json_rows rows = {.name = path, .source = {file_in_read, &f}, .form = JSON_LINES};
    while (!r && (more = json_rows_next(&rows, &line, &n, e)) == 1) {
        snprintf(what, sizeof what, "%s:%llu", path, (unsigned long long)rows.line);
        if (!rows.ended && kind == JSONL_GROWING) break;
        if (!rows.ended && kind == JSONL_WHOLE)
            r = err_set(e, ERR_JSON_TRUNC, "%s does not end: was its writer interrupted?", what);
        else if (kind != JSONL_BY_HAND || !rows.blank)
            r = line_take(what, rows.line, line, n, take, ctx, e);
    }
    json_rows_clear(&rows);
    file_in_close(&f);
    if (more < 0) return more;
    return r == JSONL_ENOUGH ? 0 : r;
}
