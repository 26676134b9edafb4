#include "train/plot_file.h"
#include "checkpoints/jsonl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POINTS_MAX = 1 << 22, CAPS_MAX = 64 };

/* ---- curves -------------------------------------------------------------------------------------------- */

static int push(struct plot_curve *c, double x, double y, struct err *e)
{
    if (c->n == c->capacity) {
        size_t more = c->capacity ? c->capacity * 2 : 1024;
        if (more > POINTS_MAX) return err_set(e, ERR_TOO_MANY, "more than %d points", POINTS_MAX);
        double *xs = realloc(c->x, more * sizeof *xs);
        if (xs) c->x = xs;
        double *ys = realloc(c->y, more * sizeof *ys);
        if (ys) c->y = ys;
        if (!xs || !ys) return err_set(e, ERR_NOMEM, "no memory for %zu points", more);
        c->capacity = more;
    }
    c->x[c->n] = x, c->y[c->n++] = y;
    return 0;
}

struct curves {
    struct plot_file *p;
    const struct string_list *keys;
};

/* One line: a JSON object with "step" and perhaps some of the keys. */
static int line_take(void *ctx, struct js **row, uint64_t number, const char *what, struct err *e)
{
    const struct curves *c = ctx;
    double y, step;
    int r = 0;
    (void)number, (void)what;
    for (size_t k = 0; !r && k < c->keys->n; k++)
        if (js_number(js_get(*row, c->keys->items[k]), &y) && js_number(js_get(*row, "step"), &step))
            r = push(&c->p->curve[k], step, y, e);
    return r;
}

static int curves_read(struct plot_file *p, const char *path, const struct string_list *keys, struct err *e)
{
    if (!(p->curve = calloc(keys->n, sizeof *p->curve)))
        return err_set(e, ERR_NOMEM, "no memory for %zu curves", keys->n);
    p->curves = keys->n;
    int r = jsonl_each(path, JSONL_GROWING, line_take, &(struct curves){p, keys}, e);
    for (size_t k = 0; !r && k < keys->n; k++)
        if (p->curve[k].n == 0)
            r = err_set(e, ERR_DATA_EMPTY, "%s has no \"%s\"; see its first line for the keys there are",
                        path, keys->items[k]);
    return r;
}

/* ---- figures ------------------------------------------------------------------------------------------- */

static int cap_read(struct plot_cap *c, const struct js *v, const char *path, struct err *e)
{
    int r = js_need_number(v, path, "accuracy", &c->accuracy, e);
    if (!r) r = js_need_number(v, path, "stderr", &c->stderr_, e);
    if (!r) r = js_need_number(v, path, "tokens_mean", &c->tokens, e);
    c->accuracy *= 100, c->stderr_ *= 100;
    return r;
}

static int by_cap(const void *x, const void *y)
{
    const struct plot_cap *a = x, *b = y;
    return a->cap < b->cap ? -1 : a->cap > b->cap;
}

static int caps_read(struct plot_file *p, const struct js *v, const struct js *caps, const char *path,
                     struct err *e)
{
    int64_t cap;
    int r = 0;
    p->kind = PLOT_CAPS, p->caps = js_size(caps) + 1;
    if (p->caps > CAPS_MAX) return err_set(e, ERR_TOO_MANY, "%s has %zu caps", path, p->caps - 1);
    if (!(p->cap = calloc(p->caps, sizeof *p->cap)))
        return err_set(e, ERR_NOMEM, "no memory for %zu caps", p->caps);
    for (struct js_iter it = {0}; !r && js_next(caps, &it);) {
        struct plot_cap *c = &p->cap[it.index];
        r = js_need_int(it.value, path, "cap", 1, UINT32_MAX - 1, &cap, e);
        if (!r) r = cap_read(c, it.value, path, e);
        if (!r) c->cap = (uint32_t)cap;
    }
    if (!r) r = cap_read(&p->cap[p->caps - 1], v, path, e);
    p->cap[p->caps - 1].cap = UINT32_MAX;
    if (!r) qsort(p->cap, p->caps, sizeof *p->cap, by_cap);
    return r;
}

static int compression_read(struct plot_file *p, const struct js *v, const char *path, struct err *e)
{
    const struct js *bins = NULL;
    uint64_t count;
    p->kind = PLOT_COMPRESSION;
    int r = js_need_number(v, path, "mean", &p->mean, e);
    if (!r) r = js_need_number(v, path, "median", &p->median, e);
    if (!r) r = js_need_number(v, path, "longer", &p->longer, e);
    if (!r) r = js_need_number(v, path, "bin_width", &p->bin_width, e);
    if (!r) r = js_need(v, path, "histogram", JS_ARRAY, &bins, e);
    if (r) return r;
    if (!(p->bin_width > 0))
        return err_set(e, ERR_FIELD_RANGE, "%s: bin_width is %g, expected more than 0", path, p->bin_width);
    if (js_size(bins) < 1 || js_size(bins) > PLOT_BINS)
        return err_set(e, ERR_TOO_MANY, "%s: a histogram of %zu bins, expected 1 to %d", path, js_size(bins),
                       PLOT_BINS);
    for (struct js_iter it = {0}; js_next(bins, &it);) {
        if (!js_uint(it.value, &count) || count > UINT32_MAX)
            return err_set(e, ERR_FIELD_TYPE, "%s: bin %zu of the histogram is no count", path, it.index);
        p->bins[p->n_bins++] = (size_t)count;
    }
    return 0;
}

static int figures_read(struct plot_file *p, const char *path, struct err *e)
{
    struct js *v;
    int r = js_load(&v, path, NULL, e);
    if (r) return r;
    const struct js *caps = js_get(v, "caps"), *compression = js_get(v, "compression");
    if (js_type(caps) == JS_ARRAY)
        r = caps_read(p, v, caps, path, e);
    else if (js_type(compression) == JS_OBJECT)
        r = compression_read(p, compression, path, e);
    else
        r = err_set(e, ERR_FIELD_MISSING,
                    "%s has neither \"caps\" (terse eval --caps -o) nor \"compression\" (terse compare -o)",
                    path);
    js_free(v);
    return r;
}

/* ---- either -------------------------------------------------------------------------------------------- */

/* runs/NAME/metrics.jsonl is NAME, another file what it is called. */
static void name_fill(char name[PLOT_NAME], const char *path)
{
    const char *base = strrchr(path, '/'), *from = path;
    size_t n;
    if (base && !strcmp(base, "/metrics.jsonl")) {
        n = (size_t)(base - path);
        for (const char *s = path; s < base; s++)
            if (*s == '/') from = s + 1;
        n -= (size_t)(from - path);
    } else {
        from = base ? base + 1 : path;
        n = strcspn(from, ".");
    }
    snprintf(name, PLOT_NAME, "%.*s", n < PLOT_NAME ? (int)n : PLOT_NAME - 1, from);
}

int plot_file_load(struct plot_file *out, const char *path, const struct string_list *keys, struct err *e)
{
    size_t n = strlen(path);
    memset(out, 0, sizeof *out);
    name_fill(out->name, path);
    bool figures = n > 5 && !strcmp(path + n - 5, ".json");
    int r = figures ? figures_read(out, path, e) : curves_read(out, path, keys, e);
    if (r) plot_file_clear(out);
    return r;
}

void plot_file_clear(struct plot_file *p)
{
    for (size_t k = 0; p->curve && k < p->curves; k++) free(p->curve[k].x), free(p->curve[k].y);
    free(p->curve);
    free(p->cap);
    memset(p, 0, sizeof *p);
}
