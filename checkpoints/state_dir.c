#include "checkpoints/state_dir.h"

#include "checkpoints/file.h"
#include "checkpoints/state.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- names ------------------------------------------------------------------------------------------- */

/* N of a name "step-N" followed by `suffix`, else -1. */
static int64_t parse_step(const char *name, const char *suffix)
{
    int64_t step = 0;
    if (strncmp(name, "step-", 5) != 0) return -1;
    const char *p = name + 5;
    size_t digits = strspn(p, "0123456789");
    if (digits == 0 || digits > 18 || (digits > 1 && p[0] == '0')) return -1;
    for (size_t i = 0; i < digits; i++) step = step * 10 + (p[i] - '0');
    return strcmp(p + digits, suffix) == 0 ? step : -1;
}

int64_t state_step_of(const char *name)
{
    return parse_step(name, "");
}

struct steps {
    int64_t *at; /* n, highest first */
    size_t n, cap;
};

static int steps_add(struct steps *s, int64_t step, struct err *e)
{
    if (s->n == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 16;
        int64_t *at = realloc(s->at, cap * sizeof *at);
        if (!at) return err_set(e, ERR_NOMEM, "no memory to list %zu states", cap);
        s->at = at;
        s->cap = cap;
    }
    s->at[s->n++] = step;
    return 0;
}

static int highest_first(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x < y) - (x > y);
}

/* The N of all "step-N"suffix in `dir`; an absent folder has none. s->at is the caller's to free
 * in any case. */
static int list_steps(const char *dir, const char *suffix, struct steps *s, struct err *e)
{
    *s = (struct steps){0};
    DIR *d = opendir(dir);
    if (!d) return errno == ENOENT ? 0 : err_errno(e, errno, "cannot list %s", dir);
    int rc = 0;
    for (struct dirent *entry; !rc && (entry = readdir(d));) {
        int64_t step = parse_step(entry->d_name, suffix);
        if (step >= 0) rc = steps_add(s, step, e);
    }
    closedir(d);
    if (s->n) qsort(s->at, s->n, sizeof *s->at, highest_first);
    return rc;
}

/* ---- saving ------------------------------------------------------------------------------------------ */

int state_prepare(const char *dir, const struct state_field *fields, size_t n, struct err *e)
{
    char probe[FILE_PATH];
    uint64_t bytes = 1 << 20;
    for (size_t i = 0; i < n; i++) bytes += 2 * fields[i].count * (dtype_bits(fields[i].dtype) / 8);
    int rc = file_make_dirs(dir, e);
    if (!rc) rc = file_path(probe, e, "%s/writable", dir);
    if (!rc) rc = file_save(probe, "", 0, e);
    if (rc) return rc;
    unlink(probe);
    return file_need_space(dir, bytes, e);
}

static int remove_steps(const char *dir, const char *suffix, int64_t below, size_t keep, struct err *e)
{
    struct steps s;
    char path[FILE_PATH];
    int rc = list_steps(dir, suffix, &s, e);
    for (size_t i = 0, kept = 0; !rc && i < s.n; i++) {
        if (s.at[i] > below || kept++ < keep) continue;
        rc = file_path(path, e, "%s/step-%lld%s", dir, (long long)s.at[i], suffix);
        if (!rc) rc = file_remove_tree(path, e);
    }
    free(s.at);
    return rc;
}

int state_prune(const char *dir, int64_t step, unsigned keep, struct err *e)
{
    int rc = remove_steps(dir, ".tmp", INT64_MAX, 0, e);
    if (!rc && keep) rc = remove_steps(dir, "", step, keep, e);
    return rc;
}

/* ---- loading ----------------------------------------------------------------------------------------- */

/* No older state of the same folder can help, or trying it would only hide the failure. */
static int is_final(int code)
{
    return code == ERR_RUN_MISMATCH || code == ERR_BASE_HASH || code == ERR_TOK_HASH ||
           code == ERR_DATA_HASH || code == ERR_MODE || code == ERR_NOMEM;
}

static void tell(state_note *note, void *ctx, const char *path, const struct err *why)
{
    char text[sizeof why->msg + FILE_PATH + 64];
    snprintf(text, sizeof text, "passed over %s: %s (%s)", path, why->msg, err_name(why->code));
    if (note) note(ctx, text);
}

int state_load_latest(const char *dir, const struct state_ident *id, const struct state_field *fields,
                      size_t n, state_note *note, void *ctx, int64_t *step, struct err *e)
{
    struct steps s;
    struct err first = {0};
    char path[FILE_PATH];
    *step = -1;
    int rc = list_steps(dir, "", &s, e);
    for (size_t i = 0; !rc && *step < 0 && i < s.n; i++) {
        struct err why = {0};
        rc = file_path(path, e, "%s/step-%lld", dir, (long long)s.at[i]);
        if (rc || state_load(path, id, fields, n, step, &why) == 0) continue;
        if (is_final(why.code)) rc = err_set(e, why.code, "%s", why.msg);
        if (!first.code) first = why;
        tell(note, ctx, path, &why);
    }
    if (!rc && s.n && *step < 0)
        rc = err_set(e, ERR_CK_NONE, "none of the %zu states in %s is usable; the newest: %s", s.n, dir,
                     first.msg);
    free(s.at);
    return rc;
}
