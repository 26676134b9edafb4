#include "train/metrics.h"

#include "checkpoints/file.h"
#include "train/tfevents.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES_MAX = 1 << 16 };

static double wall_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Opens a log to append to; O_NONBLOCK so that a FIFO is refused instead of waited for. */
static int open_log(const char *path, int *fd, struct err *e)
{
    struct stat st;
    *fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0666);
    if (*fd < 0) return err_errno(e, errno, "cannot open %.400s", path);
    if (fstat(*fd, &st) == 0 && S_ISREG(st.st_mode)) return 0;
    close(*fd);
    *fd = -1;
    return err_set(e, ERR_NOT_REGULAR, "%.400s is not a regular file", path);
}

/* ---- metrics.jsonl: where to cut -------------------------------------------------------------------------
 */

/* What stands in the log up to the step to go on from. */
struct extent {
    uint64_t keep;  /* bytes */
    uint64_t lines; /* whole lines cut behind them */
    uint64_t last;  /* step of the last line kept; 0 none */
    bool torn;      /* half a line at the end is cut */
};

/* {"step": N, ... : the step of a line, or -1. */
static int64_t step_of_line(const char *line, size_t len)
{
    static const char head[] = "{\"step\": ";
    size_t at = sizeof head - 1;
    if (len < at + 2 || memcmp(line, head, at) || line[len - 1] != '}') return -1;
    uint64_t step = 0;
    size_t digits = 0;
    for (; at < len && isdigit((unsigned char)line[at]) && digits < 18; at++, digits++)
        step = step * 10 + (uint64_t)(line[at] - '0');
    return digits && (line[at] == ',' || line[at] == '}') ? (int64_t)step : -1;
}

static int refuse_line(const char *path, uint64_t number, struct err *e)
{
    return err_set(e, ERR_JSON_SYNTAX,
                   "%.300s:%" PRIu64 ": not a line of ours ({\"step\": N, ...}); move the file away", path,
                   number);
}

/* Takes one line into account. `len` leaves the line break out; ended: there was one. */
static int take_line(struct extent *x, const char *line, size_t len, bool ended, uint64_t number,
                     uint64_t step, const char *path, struct err *e)
{
    int64_t at = ended ? step_of_line(line, len) : -1;
    if (!ended) {
        x->torn = true;
        return 0;
    }
    if (at < 0) return refuse_line(path, number, e);
    if (x->lines || (uint64_t)at > step) {
        x->lines++;
        return 0;
    }
    x->keep += len + 1;
    x->last = (uint64_t)at;
    return 0;
}

static int scan_jsonl(int fd, uint64_t step, struct extent *x, const char *path, struct err *e)
{
    int copy = dup(fd);
    FILE *f = copy < 0 ? NULL : fdopen(copy, "r");
    char *line = malloc(LINE_BYTES_MAX);
    int rc = f && line ? 0 : err_set(e, ERR_NOMEM, "%.300s: out of memory", path);
    *x = (struct extent){0};
    for (uint64_t number = 1; !rc && fgets(line, LINE_BYTES_MAX, f); number++) {
        size_t len = strlen(line);
        bool ended = len && line[len - 1] == '\n';
        if (!ended && len == LINE_BYTES_MAX - 1)
            rc = err_set(e, ERR_LINE_LEN, "%.300s:%" PRIu64 ": a line of 64 KiB or more", path, number);
        else if (!ended && !feof(f))
            rc = refuse_line(path, number, e);
        else
            rc = take_line(x, line, len - ended, ended, number, step, path, e);
    }
    if (!rc && ferror(f)) rc = err_errno(e, errno, "cannot read %.400s", path);
    if (f) fclose(f);
    if (!f && copy >= 0) close(copy);
    free(line);
    return rc;
}

static void say(struct metrics *m, const struct extent *x, uint64_t step, const char *path)
{
    size_t n = 0;
    if (x->lines)
        n = (size_t)snprintf(m->said, sizeof m->said,
                             "%.300s: cut %" PRIu64 " line%s behind step %" PRIu64 ", where the run goes on",
                             path, x->lines, x->lines == 1 ? "" : "s", step);
    else if (x->torn)
        n = (size_t)snprintf(m->said, sizeof m->said, "%.300s: cut half a line at the end", path);
    if (x->last < step)
        snprintf(m->said + n, sizeof m->said - n,
                 "%s%.*s the log ends at step %" PRIu64 ", the state is of step %" PRIu64, n ? "; " : "",
                 n ? 0 : 300, n ? "" : path, x->last, step);
}

static int open_jsonl(struct metrics *m, const char *dir, uint64_t step, struct err *e)
{
    char path[FILE_PATH];
    struct extent x;
    int rc = file_path(path, e, "%s/metrics.jsonl", dir);
    if (!rc) rc = open_log(path, &m->jsonl, e);
    if (!rc) rc = scan_jsonl(m->jsonl, step, &x, path, e);
    if (rc) return rc;
    if ((x.lines || x.torn) && ftruncate(m->jsonl, (off_t)x.keep))
        return err_errno(e, errno, "cannot cut %.400s", path);
    say(m, &x, step, path);
    return 0;
}

/* ---- TensorBoard
 * ------------------------------------------------------------------------------------------- */

static bool is_ours(const char *name)
{
    size_t len = strlen(name);
    return !strncmp(name, "events.out.tfevents.", 20) && !strcmp(name + len - 6, ".terse");
}

/* Our newest event file in the folder (names sort by time), or the name of a new one. */
static int find_events(const char *dir, char path[FILE_PATH], struct err *e)
{
    char best[256] = "", host[64] = "host";
    DIR *d = opendir(dir);
    if (!d) return err_errno(e, errno, "cannot read folder %.400s", dir);
    for (struct dirent *entry; (entry = readdir(d));)
        if (is_ours(entry->d_name) && strcmp(entry->d_name, best) > 0)
            snprintf(best, sizeof best, "%s", entry->d_name);
    closedir(d);
    if (*best) return file_path(path, e, "%s/%s", dir, best);
    gethostname(host, sizeof host - 1);
    for (char *p = host; *p; p++)
        if (!isalnum((unsigned char)*p) && *p != '-' && *p != '.') *p = '_';
    return file_path(path, e, "%s/events.out.tfevents.%lld.%s.terse", dir, (long long)time(NULL), host);
}

static int open_events(struct metrics *m, const char *dir, uint64_t step, struct err *e)
{
    char path[FILE_PATH];
    uint64_t keep, last;
    uint8_t record[TFEVENTS_RECORD_MAX];
    int rc = find_events(dir, path, e);
    if (!rc) rc = open_log(path, &m->events, e);
    if (!rc) rc = tfevents_scan(m->events, step, &keep, &last, e);
    if (rc) return rc;
    if (ftruncate(m->events, (off_t)keep)) return err_errno(e, errno, "cannot cut %.400s", path);
    return keep
               ? 0
               : file_write_fd(m->events, "events", record, tfevents_version_record(wall_clock(), record), e);
}

/* loss -> train/loss, eval_loss -> eval/loss, policy/entropy as it is. */
static void tag_of(const char *key, char tag[128])
{
    bool is_eval = !strncmp(key, "eval_", 5);
    const char *prefix = strchr(key, '/') ? "" : is_eval ? "eval/" : "train/";
    snprintf(tag, 128, "%s%.100s", prefix, is_eval ? key + 5 : key);
}

static int write_events(struct metrics *m, uint64_t step, const struct metric *values, size_t n,
                        struct err *e)
{
    struct tfevents_value out[METRICS_MAX];
    char tags[METRICS_MAX][128];
    uint8_t record[TFEVENTS_RECORD_MAX];
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(values[i].value)) continue;
        tag_of(values[i].key, tags[kept]);
        out[kept] = (struct tfevents_value){tags[kept], (float)values[i].value};
        kept++;
    }
    size_t len = tfevents_scalar_record(wall_clock(), step, out, kept, record);
    return file_write_fd(m->events, "the event file", record, len, e);
}

/* ---- the whole
 * --------------------------------------------------------------------------------------------- */

/* The shortest text that reads back as the same double; JSON has no NaN. */
static int put_number(char *p, size_t cap, double x)
{
    if (!isfinite(x)) return snprintf(p, cap, "null");
    char text[40];
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, x);
        if (strtod(text, NULL) == x) break;
    }
    return snprintf(p, cap, "%s", text);
}

static int write_jsonl(struct metrics *m, uint64_t step, const struct metric *values, size_t n, struct err *e)
{
    char line[METRICS_MAX * 160 + 64];
    int at = snprintf(line, sizeof line, "{\"step\": %" PRIu64, step);
    for (size_t i = 0; i < n; i++) {
        at += snprintf(line + at, sizeof line - (size_t)at, ", \"%.100s\": ", values[i].key);
        at += put_number(line + at, sizeof line - (size_t)at, values[i].value);
    }
    at += snprintf(line + at, sizeof line - (size_t)at, "}\n");
    return file_write_fd(m->jsonl, "metrics.jsonl", line, (size_t)at, e);
}

int metrics_open(struct metrics *m, const char *dir, uint64_t step, bool jsonl, bool tensorboard,
                 struct err *e)
{
    *m = (struct metrics){.jsonl = -1, .events = -1};
    int rc = jsonl ? open_jsonl(m, dir, step, e) : 0;
    if (!rc && tensorboard) rc = open_events(m, dir, step, e);
    if (rc) metrics_close(m);
    return rc;
}

int metrics_write(struct metrics *m, uint64_t step, const struct metric *values, size_t n, struct err *e)
{
    if (n > METRICS_MAX)
        return err_set(e, ERR_INTERNAL, "%zu metrics in a step; expected %d", n, METRICS_MAX);
    int rc = m->jsonl >= 0 ? write_jsonl(m, step, values, n, e) : 0;
    return !rc && m->events >= 0 ? write_events(m, step, values, n, e) : rc;
}

int metrics_sync(struct metrics *m, struct err *e)
{
    bool failed = (m->jsonl >= 0 && fsync(m->jsonl)) || (m->events >= 0 && fsync(m->events));
    return failed ? err_errno(e, errno, "cannot flush the metrics to disk") : 0;
}

void metrics_close(struct metrics *m)
{
    if (m->jsonl >= 0) close(m->jsonl);
    if (m->events >= 0) close(m->events);
    m->jsonl = m->events = -1;
}
