#include "checkpoints/jsonl.h"
#include "checkpoints/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { JSONL_MAX = 1 << 30 /* bytes */ };

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
    char *data, what[FILE_PATH + 32];
    size_t n;
    uint64_t number = 1;
    int r = file_load(path, JSONL_MAX, &data, &n, e);
    if (r) return r;
    for (const char *line = data, *end = data + n, *next; !r && line < end; line = next, number++) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        size_t len = (size_t)((stop ? stop : end) - line);
        next = stop ? stop + 1 : end;
        snprintf(what, sizeof what, "%s:%llu", path, (unsigned long long)number);
        if (!stop && kind == JSONL_GROWING) break;
        if (!stop && kind == JSONL_WHOLE)
            r = err_set(e, ERR_JSON_TRUNC, "%s does not end: was its writer interrupted?", what);
        else if (kind != JSONL_BY_HAND || strspn(line, " \t\r") < len)
            r = line_take(what, number, line, len, take, ctx, e);
    }
    free(data);
    return r == JSONL_ENOUGH ? 0 : r;
}
