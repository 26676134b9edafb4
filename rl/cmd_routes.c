#include "rl/cmd_routes.h"

#include "checkpoints/file.h"
#include "infer/cli.h"
#include "infer/textplot.h"
#include "rl/cmd_heads.h"
#include "train/gnuplot.h"

#include <stdlib.h>
#include <unistd.h>

/* ---- on the screen ------------------------------------------------------------------------------------- */

static void print_end(const char *name, const struct route_point *p)
{
    printf("  %-26s %5.1f %% right  %6.1f tokens\n", name, 100 * p->accuracy, p->tokens);
}

static void print_percent(const char *name, const struct spread *s, const char *of)
{
    printf("  %-26s %5.1f %%  (95 %%: %.1f to %.1f) %s\n", name, 100 * s->value, 100 * s->low, 100 * s->high,
           of);
}

static void print_target(const struct route_fit *r, const struct route_target *t)
{
    printf("\n  routing at threshold %.4f, picked on validation prompts ", r->valid.threshold);
    if (t->goal == ROUTE_ACCURATE)
        printf("as the most accurate\n");
    else
        printf("for %s of %.1f %%\n", t->goal == ROUTE_FOR_SAVING ? "a saving" : "an accuracy",
               100 * t->value);
    if (!r->met) printf("  which none of them reaches: this is the nearest\n");
}

void cmd_routes_print(const struct route_fit *r, const struct route_target *target)
{
    cmd_heads_print_spread("AUC for where it paid", &r->auc);
    print_target(r, target);
    print_end("always chat", &r->chat);
    print_end("always think", &r->think);
    printf("  %-26s %5.1f %% right  %6.1f tokens\n", "routed", 100 * r->accuracy.value, r->tokens.value);
    print_percent("  accuracy", &r->accuracy, "");
    print_percent("  against always thinking", &r->change, "of accuracy");
    print_percent("  saves", &r->saving, "of its tokens");
    print_percent("  thinks about", &r->routed, "of all prompts");
    print_percent("", &r->caught, "of those that only thinking solves");
    print_percent("", &r->wasted, "of all others");
    printf("\n  %7s  %9s  %7s  %8s  %s\n", "think %", "accuracy", "tokens", "random", "gain (95 %)");
    for (int k = 0; k < ROUTE_STEPS; k++) {
        const struct route_step *s = &r->step[k];
        printf("  %7.0f  %9.1f  %7.1f  %8.1f  %+.1f (%+.1f to %+.1f)\n", 100 * s->routed, 100 * s->accuracy,
               s->tokens, 100 * (s->accuracy - s->gain.value), 100 * s->gain.value, 100 * s->gain.low,
               100 * s->gain.high);
    }
    printf("  the least gain at any threshold: %+.2f points%s\n", 100 * r->worst,
           r->worst > 0 ? ", so above random routing everywhere" : "");
}

int cmd_routes_plot(const struct route_fit *r, struct err *e)
{
    enum { POINTS = 120 };
    double y[POINTS], from = r->chat.tokens, to = r->think.tokens;
    for (int i = 0; i < POINTS; i++)
        y[i] = 100 * route_accuracy(r->curve, r->n, from + i * (to - from) / (POINTS - 1), true);
    struct textplot plot = {.y = y,
                            .n = POINTS,
                            .x_first = from,
                            .x_last = to,
                            .title = "accuracy %",
                            .x_label = "tokens of an answer",
                            .width = cli_width(stdout),
                            .height = 10,
                            .unicode = cli_utf8(stdout)};
    printf("\n");
    return textplot_draw(&plot, stdout, e);
}

/* ---- in files ------------------------------------------------------------------------------------------ */

static void put_point(struct js_out *w, const char *key, const struct route_point *p)
{
    js_object(w, key);
    js_put_real(w, "routed", p->routed);
    js_put_real(w, "accuracy", p->accuracy);
    js_put_real(w, "tokens", p->tokens);
    js_close(w);
}

void cmd_routes_put(struct js_out *w, const struct route_fit *r, const struct route_target *target)
{
    static const char *const goals[] = {"accurate", "saving", "accuracy"};
    js_object(w, "routing");
    js_put_string(w, "target", goals[target->goal]);
    if (target->goal != ROUTE_ACCURATE) js_put_real(w, "target_value", target->value);
    js_put_bool(w, "target_met", r->met);
    js_put_real(w, "threshold", r->valid.threshold);
    cmd_heads_put_spread(w, "auc_measured", &r->auc);
    put_point(w, "valid", &r->valid);
    put_point(w, "always_chat", &r->chat);
    put_point(w, "always_think", &r->think);
    cmd_heads_put_spread(w, "accuracy", &r->accuracy);
    cmd_heads_put_spread(w, "accuracy_change", &r->change);
    cmd_heads_put_spread(w, "tokens", &r->tokens);
    cmd_heads_put_spread(w, "saving", &r->saving);
    cmd_heads_put_spread(w, "routed", &r->routed);
    cmd_heads_put_spread(w, "caught", &r->caught);
    cmd_heads_put_spread(w, "wasted", &r->wasted);
    js_put_real(w, "least_gain", r->worst);
    js_array(w, "curve");
    for (int k = 0; k < ROUTE_STEPS; k++) {
        const struct route_step *s = &r->step[k];
        js_object(w, NULL);
        js_put_real(w, "routed", s->routed);
        js_put_real(w, "accuracy", s->accuracy);
        js_put_real(w, "tokens", s->tokens);
        cmd_heads_put_spread(w, "gain", &s->gain);
        js_close(w);
    }
    js_close(w);
    js_close(w);
}

/* x and y of the curves, one after the other, and of random routing: [2 * points]. */
static int draw(const struct route_fit *r, int64_t n, double *room, struct gnuplot_series *series,
                const char *path, struct err *e)
{
    double *at = room;
    for (int64_t k = 0; k < n; k++) {
        double *x = at, *y = at + r[k].n;
        for (uint32_t i = 0; i < r[k].n; i++)
            x[i] = r[k].curve[i].tokens, y[i] = 100 * r[k].curve[i].accuracy;
        series[k] = (struct gnuplot_series){.name = k ? "" : "switcher", .x = x, .y = y, .n = r[k].n};
        at = y + r[k].n;
    }
    at[0] = r[0].chat.tokens, at[1] = r[0].think.tokens;
    at[2] = 100 * r[0].chat.accuracy, at[3] = 100 * r[0].think.accuracy;
    series[n] = (struct gnuplot_series){.name = "random", .x = at, .y = at + 2, .n = 2};
    struct gnuplot_panel panel = {.title = "Routing",
                                  .x_label = "tokens of an answer",
                                  .y_label = "accuracy %",
                                  .style = GNUPLOT_LINES,
                                  .series = series,
                                  .n = (size_t)n + 1};
    return gnuplot_save(path, &panel, 1, e);
}

int cmd_routes_png(const struct route_fit *r, int64_t n, const char *folder, struct err *e)
{
    char path[FILE_PATH];
    size_t points = 2;
    for (int64_t k = 0; k < n; k++) points += r[k].n;
    double *room = malloc(2 * points * sizeof *room);
    struct gnuplot_series *series = calloc((size_t)n + 1, sizeof *series);
    int rc = room && series ? 0 : err_set(e, ERR_NOMEM, "no memory for a picture");
    if (!rc) rc = file_path(path, e, "%s/routing.png", folder);
    if (!rc) unlink(path); /* an older one's */
    if (!rc) rc = draw(r, n, room, series, path, e);
    if (!rc) printf("\n%s\n", path);
    free(room), free(series);
    return rc == ERR_TOOL ? 0 : rc;
}
