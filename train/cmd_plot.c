/* terse plot: draws what a run logged, and what evaluations found. */
#include "train/cmd_plot.h"
#include "infer/cli.h"
#include "infer/textplot.h"
#include "train/gnuplot.h"
#include "train/plot_file.h"

#include <stdlib.h>
#include <string.h>

enum { FILES_MAX = OPTIONS_POSITIONAL_MAX, KEYS_MAX = 12, TICKS_MAX = 64 };

struct plot_config {
    struct string_list keys, names;
    char *png;
    int64_t height;
};

static const struct option table[] = {
    {.key = "key",
     .type = OPT_STRINGS,
     .at = offsetof(struct plot_config, keys),
     .preset = "loss",
     .short_flag = 'k',
     .help = "what to draw of metrics.jsonl: loss, eval_loss, grad_norm, learning_rate, throughput, "
             "objective/accuracy, completions/mean_length ...; several with commas between"},
    {.key = "png",
     .type = OPT_PATH,
     .at = offsetof(struct plot_config, png),
     .unset = "text on the screen",
     .help = "picture file to write instead; takes gnuplot"},
    {.key = "names",
     .type = OPT_STRINGS,
     .at = offsetof(struct plot_config, names),
     .unset = "the runs' folders, the files'",
     .help = "what to call the files, with commas between"},
    {.key = "height",
     .type = OPT_INT,
     .at = offsetof(struct plot_config, height),
     .preset = "12",
     .min = 5,
     .max = 100,
     .unit = "lines",
     .help = "height of a plot on the screen"},
    {0},
};

struct plot {
    const struct plot_config *c;
    struct plot_file file[FILES_MAX]; /* [n] all of one kind */
    size_t n;
    struct plot_cap tick[TICKS_MAX]; /* CAPS: every cap that there is, ascending */
    size_t ticks;
};

/* ---- text ---------------------------------------------------------------------------------------------- */

static int curves_text(const struct plot *p, struct err *e)
{
    int r = 0;
    for (size_t k = 0; !r && k < p->c->keys.n; k++)
        for (size_t i = 0; !r && i < p->n; i++) {
            const struct plot_curve *c = &p->file[i].curve[k];
            char title[160];
            snprintf(title, sizeof title, p->n > 1 ? "%.80s (%s)" : "%.80s", p->c->keys.items[k],
                     p->file[i].name);
            struct textplot plot = {
                .y = c->y,
                .n = c->n,
                .x_first = c->x[0],
                .x_last = c->x[c->n - 1],
                .title = title,
                .x_label = "step",
                .width = cli_width(stdout),
                .height = (int)p->c->height,
                .unicode = cli_utf8(stdout),
            };
            r = textplot_draw(&plot, stdout, e);
        }
    return r;
}

static const struct plot_cap *cap_of(const struct plot_file *f, uint32_t cap)
{
    for (size_t i = 0; i < f->caps; i++)
        if (f->cap[i].cap == cap) return &f->cap[i];
    return NULL;
}

static void tick_name(char text[16], uint32_t cap)
{
    if (cap == UINT32_MAX)
        snprintf(text, 16, "none");
    else
        snprintf(text, 16, "%u", cap);
}

static void caps_text(const struct plot *p)
{
    printf("%8s", "cap");
    for (size_t i = 0; i < p->n; i++) printf("  %24.24s", p->file[i].name);
    putchar('\n');
    for (size_t t = 0; t < p->ticks; t++) {
        char name[16];
        tick_name(name, p->tick[t].cap);
        printf("%8s", name);
        for (size_t i = 0; i < p->n; i++) {
            const struct plot_cap *c = cap_of(&p->file[i], p->tick[t].cap);
            if (c)
                printf("  %5.1f %% +- %-3.1f %7.1f tok", c->accuracy, c->stderr_, c->tokens);
            else
                printf("  %24s", "-");
        }
        putchar('\n');
    }
}

static void compression_title(char *text, size_t size, const struct plot_file *f)
{
    snprintf(text, size, "%s: tokens before / tokens after, mean %.2f, median %.2f, %.1f %% longer", f->name,
             f->mean, f->median, 100 * f->longer);
}

static void compression_text(const struct plot *p)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct plot_file *f = &p->file[i];
        char title[200];
        compression_title(title, sizeof title, f);
        puts(title);
        textplot_bars(f->bins, f->n_bins, f->bin_width, cli_width(stdout), cli_utf8(stdout), stdout);
    }
}

/* ---- pictures ------------------------------------------------------------------------------------------ */

/* A panel for each key, in it a line for each run. */
static int curves_png(const struct plot *p, struct err *e)
{
    struct gnuplot_series series[KEYS_MAX][FILES_MAX];
    struct gnuplot_panel panel[KEYS_MAX];
    size_t keys = p->c->keys.n;
    for (size_t k = 0; k < keys; k++) {
        for (size_t i = 0; i < p->n; i++) {
            const struct plot_curve *c = &p->file[i].curve[k];
            series[k][i] = (struct gnuplot_series){p->n > 1 ? p->file[i].name : "", c->x, c->y, NULL, c->n};
        }
        panel[k] = (struct gnuplot_panel){.title = p->c->keys.items[k],
                                          .x_label = k + 1 == keys ? "step" : "",
                                          .y_label = "",
                                          .style = GNUPLOT_LINES,
                                          .series = series[k],
                                          .n = p->n};
    }
    return gnuplot_save(p->c->png, panel, keys, e);
}

/* What caps_png draws of the files. */
struct cap_points {
    double x[FILES_MAX][TICKS_MAX], accuracy[FILES_MAX][TICKS_MAX], error[FILES_MAX][TICKS_MAX],
        tokens[FILES_MAX][TICKS_MAX];
    size_t n[FILES_MAX];
};

static void points_fill(struct cap_points *s, const struct plot *p)
{
    for (size_t i = 0; i < p->n; i++)
        for (size_t t = 0; t < p->ticks; t++) {
            const struct plot_cap *c = cap_of(&p->file[i], p->tick[t].cap);
            if (!c) continue;
            size_t k = s->n[i]++;
            s->x[i][k] = (double)t;
            s->accuracy[i][k] = c->accuracy, s->error[i][k] = c->stderr_, s->tokens[i][k] = c->tokens;
        }
}

static int caps_png(const struct plot *p, struct err *e)
{
    struct gnuplot_series series[2][FILES_MAX];
    char name[TICKS_MAX][16];
    const char *ticks[TICKS_MAX];
    struct cap_points *s = calloc(1, sizeof *s);
    if (!s) return err_set(e, ERR_NOMEM, "no memory for a picture");
    points_fill(s, p);
    for (size_t t = 0; t < p->ticks; t++) tick_name(name[t], p->tick[t].cap), ticks[t] = name[t];
    for (size_t i = 0; i < p->n; i++) {
        series[0][i] =
            (struct gnuplot_series){p->file[i].name, s->x[i], s->accuracy[i], s->error[i], s->n[i]};
        series[1][i] = (struct gnuplot_series){p->file[i].name, s->x[i], s->tokens[i], NULL, s->n[i]};
    }
    struct gnuplot_panel panel[2] = {
        {"accuracy under a hard cap of tokens", "", "%", GNUPLOT_LINES, 0, series[0], p->n, ticks, p->ticks},
        {"mean tokens of an answer", "cap", "", GNUPLOT_LINES, 0, series[1], p->n, ticks, p->ticks},
    };
    int r = gnuplot_save(p->c->png, panel, 2, e);
    free(s);
    return r;
}

/* A panel for each file. */
static int compression_png(const struct plot *p, struct err *e)
{
    double x[FILES_MAX][PLOT_BINS], y[FILES_MAX][PLOT_BINS];
    struct gnuplot_series series[FILES_MAX];
    struct gnuplot_panel panel[FILES_MAX];
    char title[FILES_MAX][200];
    for (size_t i = 0; i < p->n; i++) {
        const struct plot_file *f = &p->file[i];
        size_t first = 0, n = 0;
        while (first + 1 < f->n_bins && !f->bins[first]) first++;
        for (size_t b = first; b < f->n_bins; b++, n++)
            x[i][n] = ((double)b + 0.5) * f->bin_width, y[i][n] = (double)f->bins[b];
        compression_title(title[i], sizeof title[i], f);
        series[i] = (struct gnuplot_series){"", x[i], y[i], NULL, n};
        panel[i] = (struct gnuplot_panel){.title = title[i],
                                          .x_label = "times shorter",
                                          .y_label = "problems",
                                          .style = GNUPLOT_BOXES,
                                          .box_width = f->bin_width,
                                          .series = &series[i],
                                          .n = 1};
    }
    return gnuplot_save(p->c->png, panel, p->n, e);
}

/* ---- all of it ----------------------------------------------------------------------------------------- */

static int ticks_add(struct plot *p, const struct plot_file *f, struct err *e)
{
    for (size_t i = 0; i < f->caps; i++) {
        size_t t = 0;
        while (t < p->ticks && p->tick[t].cap < f->cap[i].cap) t++;
        if (t < p->ticks && p->tick[t].cap == f->cap[i].cap) continue;
        if (p->ticks == TICKS_MAX) return err_set(e, ERR_TOO_MANY, "more than %d different caps", TICKS_MAX);
        memmove(&p->tick[t + 1], &p->tick[t], (p->ticks++ - t) * sizeof *p->tick);
        p->tick[t] = f->cap[i];
    }
    return 0;
}

static int files_load(struct plot *p, const struct options *o, struct err *e)
{
    for (int i = 0; i < o->n_positional; i++) {
        struct plot_file *f = &p->file[p->n];
        int r = plot_file_load(f, o->positional[i], &p->c->keys, e);
        if (r) return r;
        p->n++;
        if (p->c->names.n) snprintf(f->name, sizeof f->name, "%s", p->c->names.items[i]);
        if (f->kind != p->file[0].kind)
            return err_set(e, ERR_USAGE, "%s and %s are of two kinds: one kind at a time", o->positional[0],
                           o->positional[i]);
        if ((r = ticks_add(p, f, e))) return r;
    }
    return 0;
}

static int draw(const struct plot *p, struct err *e)
{
    enum plot_kind kind = p->file[0].kind;
    if (p->c->png)
        return kind == PLOT_CURVES ? curves_png(p, e)
               : kind == PLOT_CAPS ? caps_png(p, e)
                                   : compression_png(p, e);
    if (kind == PLOT_CURVES) return curves_text(p, e);
    if (kind == PLOT_CAPS)
        caps_text(p);
    else
        compression_text(p);
    return 0;
}

static int run(const struct options *o, const struct plot_config *c, struct err *e)
{
    struct plot *p = calloc(1, sizeof *p);
    if (!p) return err_set(e, ERR_NOMEM, "no memory for plots");
    p->c = c;
    int r = files_load(p, o, e);
    if (!r) r = draw(p, e);
    if (!r && c->png) printf("%s\n", c->png);
    for (size_t i = 0; i < p->n; i++) plot_file_clear(&p->file[i]);
    free(p);
    return r;
}

static int check(const struct options *o, const struct plot_config *c, struct err *e)
{
    if (!o->n_positional) return err_set(e, ERR_USAGE, "terse plot takes a metrics.jsonl, or several files");
    if (c->names.n && c->names.n != (size_t)o->n_positional)
        return err_set(e, ERR_USAGE, "%zu names for %d files", c->names.n, o->n_positional);
    if (c->keys.n > KEYS_MAX) return err_set(e, ERR_USAGE, "%zu keys, at most %d", c->keys.n, KEYS_MAX);
    return 0;
}

int cmd_plot(int argc, char **argv)
{
    struct plot_config c;
    struct options o;
    struct err e = {0};
    int status = options_init(&o, table, &c, &e) ? cli_fail(&e) : -1;
    o.usage = "terse plot FILE... [--key loss,grad_norm] [--png FILE.png]";
    o.about =
        "Draws curves of metrics.jsonl, runs side by side; accuracy under caps (terse eval --caps -o "
        "FILE.json); how many times shorter answers became (terse compare -o FILE.json). On the screen, or "
        "as a picture.";
    o.max_positional = FILES_MAX;
    if (status < 0) status = cli_parse(&o, argc, argv);
    if (status < 0 && check(&o, &c, &e)) status = cli_usage(&e);
    if (status < 0) status = run(&o, &c, &e) ? cli_fail(&e) : CLI_OK;
    options_free(&o);
    return status;
}
