#include "checkpoints/file.h"
#include "checkpoints/json.h"
#include "checkpoints/state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_MAX_ = 1 << 20 };

/* The "step" of one line with its newline: *step keeps its value in a line without one. 0 when the line is
 * not a whole JSON object. */
static int line_step(const char *line, size_t n, int64_t *step)
{
    struct js *o = NULL;
    if (line[n - 1] != '\n' || js_parse(&o, "log", line, n, NULL, NULL) != 0) return 0;
    int ok = js_type(o) == JS_OBJECT;
    js_int(js_get(o, "step"), step);
    js_free(o);
    return ok;
}

/* *keep = bytes of the lines up to `step`. */
static int find_cut(FILE *in, const char *path, int64_t step, struct state_log_cut *out, uint64_t *keep,
                    struct err *e)
{
    char *line = malloc(LINE_MAX_);
    int rc = line ? 0 : err_set(e, ERR_NOMEM, "no memory for a line of %s", path);
    out->last_step = -1;
    *keep = 0;
    while (!rc && fgets(line, LINE_MAX_, in)) {
        size_t n = strlen(line);
        int64_t at = out->last_step;
        if (n == LINE_MAX_ - 1 && line[n - 1] != '\n')
            rc = err_set(e, ERR_LINE_LEN, "%s has a line over %d bytes at offset %llu", path, LINE_MAX_ - 2,
                         (unsigned long long)*keep);
        if (rc || n == 0 || !line_step(line, n, &at) || at > step) break;
        out->last_step = at;
        *keep += n;
    }
    if (!rc && ferror(in)) rc = err_errno(e, errno, "reading %s", path);
    free(line);
    return rc;
}

int state_cut_log(const char *path, int64_t step, struct state_log_cut *out, struct err *e)
{
    uint64_t size = 0, keep = 0;
    int fd;
    *out = (struct state_log_cut){.last_step = -1};
    if (!file_exists(path)) return 0;
    int rc = file_open(path, &fd, &size, e);
    if (rc) return rc;
    FILE *in = fdopen(fd, "r");
    if (!in) {
        close(fd);
        return err_set(e, ERR_NOMEM, "no memory to read %s", path);
    }
    rc = find_cut(in, path, step, out, &keep, e);
    fclose(in);
    if (rc || keep == size) return rc;
    out->cut = size - keep;
    if (truncate(path, (off_t)keep) != 0) return err_errno(e, errno, "cutting %s", path);
    return file_sync(path, e);
}
