/* terse plot: draws what a run logged. */
#include "train/cmd_plot.h"
#include "checkpoints/file.h"
#include "checkpoints/json.h"
#include "infer/cli.h"
#include "infer/textplot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LOG_MAX = 1 << 30, POINTS_MAX = 1 << 22 };

struct plot_config {
    char *key;
    int64_t height;
};

static const struct option table[] = {
    {.key = "key",
     .type = OPT_STRING,
     .at = offsetof(struct plot_config, key),
     .preset = "loss",
     .short_flag = 'k',
     .help = "what to draw: loss, eval_loss, grad_norm, learning_rate, throughput ..."},
    {.key = "height",
     .type = OPT_INT,
     .at = offsetof(struct plot_config, height),
     .preset = "12",
     .min = 5,
     .max = 100,
     .unit = "lines",
     .help = "height of the plot"},
    {0},
};

struct curve {
    double *y;
    size_t n, capacity;
    double first, last; /* steps */
};

static int push(struct curve *c, double step, double y, struct err *e)
{
    if (c->n == c->capacity) {
        size_t more = c->capacity ? c->capacity * 2 : 1024;
        double *bigger = more > POINTS_MAX ? NULL : realloc(c->y, more * sizeof *bigger);
        if (!bigger) return err_set(e, ERR_NOMEM, "no memory for %zu points", more);
        c->y = bigger, c->capacity = more;
    }
    if (c->n == 0) c->first = step;
    c->y[c->n++] = y, c->last = step;
    return 0;
}

/* One line: a JSON object with "step" and perhaps the key. */
static int line_read(struct curve *c, const char *what, const char *key, const char *line, size_t n,
                     struct err *e)
{
    struct js *row;
    double y, step;
    int r = js_parse(&row, what, line, n, NULL, e);
    if (r) return r;
    if (js_number(js_get(row, key), &y) && js_number(js_get(row, "step"), &step)) r = push(c, step, y, e);
    js_free(row);
    return r;
}

static int curve_read(struct curve *c, const char *path, const char *key, struct err *e)
{
    char *text;
    size_t n;
    int r = file_load(path, LOG_MAX, &text, &n, e);
    if (r) return r;
    for (char *line = text, *end; !r && line < text + n; line = end + 1) {
        end = memchr(line, '\n', (size_t)(text + n - line));
        if (!end) break; /* a line still being written */
        r = line_read(c, path, key, line, (size_t)(end - line), e);
    }
    free(text);
    if (!r && c->n == 0)
        r = err_set(e, ERR_DATA_EMPTY, "%s has no \"%s\"; see its first line for the keys there are", path,
                    key);
    return r;
}

static int run(const struct options *o, const struct plot_config *p, struct err *e)
{
    struct curve c = {0};
    if (o->n_positional != 1) return err_set(e, ERR_USAGE, "terse plot takes one metrics.jsonl");
    int r = curve_read(&c, o->positional[0], p->key, e);
    struct textplot plot = {
        .y = c.y,
        .n = c.n,
        .x_first = c.first,
        .x_last = c.last,
        .title = p->key,
        .x_label = "step",
        .width = cli_width(stdout),
        .height = (int)p->height,
        .unicode = cli_utf8(stdout),
    };
    if (!r) r = textplot_draw(&plot, stdout, e);
    free(c.y);
    return r;
}

int cmd_plot(int argc, char **argv)
{
    struct plot_config p;
    struct options o;
    struct err e = {0};
    int status = options_init(&o, table, &p, &e) ? cli_fail(&e) : -1;
    o.usage = "terse plot METRICS.JSONL [--key loss]";
    o.about = "Draws a curve of a run's metrics.jsonl in the terminal.";
    o.max_positional = 1;
    if (status < 0) status = cli_parse(&o, argc, argv);
    if (status < 0) status = run(&o, &p, &e) ? cli_fail(&e) : CLI_OK;
    options_free(&o);
    return status;
}
