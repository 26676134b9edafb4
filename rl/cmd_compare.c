/* terse compare: two evaluations of the same problems, side by side. */
#include "rl/cmd_compare.h"
#include "checkpoints/json.h"
#include "infer/cli.h"
#include "infer/reply.h"
#include "infer/textplot.h"
#include "rl/compare.h"

#include <string.h>

struct compare_flags {
    char *output;
    int64_t resamples, show;
    uint64_t seed;
};

#define AT(field) .at = offsetof(struct compare_flags, field)
static const struct option table[] = {
    {.key = "output",
     .type = OPT_PATH,
     AT(output),
     .unset = "none",
     .short_flag = 'o',
     .help = "JSON file for the figures; terse plot draws it"},
    {.key = "show",
     .type = OPT_INT,
     AT(show),
     .preset = "0",
     .min = 0,
     .max = 1 << 20,
     .unit = "problems",
     .help = "print so many problems with both answers, of those that are right both times"},
    {.key = "resamples",
     .type = OPT_INT,
     AT(resamples),
     .preset = "10000",
     .min = 100,
     .max = 1000000,
     .help = "bootstrap samples behind the intervals"},
    {.key = "seed", .type = OPT_UINT64, AT(seed), .preset = "0", .help = "of the bootstrap"},
    {0},
};

/* ---- JSON ---------------------------------------------------------------------------------------------- */

static void side_put(struct js_out *w, const char *key, const struct compare_side *s)
{
    js_object(w, key);
    js_put_real(w, "accuracy", s->accuracy);
    js_put_real(w, "stderr", s->stderr_);
    js_put_real(w, "tokens_mean", s->tokens_mean);
    js_put_real(w, "tokens_median", s->tokens_median);
    js_close(w);
}

static void interval_put(struct js_out *w, const char *key, const struct interval *i)
{
    js_object(w, key);
    js_put_real(w, "mean", i->mean);
    js_put_real(w, "low", i->low);
    js_put_real(w, "high", i->high);
    js_close(w);
}

static int save(const struct comparison *c, const char *path, struct err *e)
{
    struct js_out w;
    js_out_init(&w, 2);
    js_object(&w, NULL);
    js_put_uint(&w, "n", c->n);
    side_put(&w, "before", &c->before);
    side_put(&w, "after", &c->after);
    interval_put(&w, "accuracy_gained", &c->accuracy);
    interval_put(&w, "tokens_ratio", &c->shorter);
    js_put_uint(&w, "lost", c->lost);
    js_put_uint(&w, "gained", c->gained);
    js_object(&w, "compression");
    js_put_real(&w, "mean", c->ratio_mean);
    js_put_real(&w, "median", c->ratio_median);
    js_put_real(&w, "min", c->ratio_min);
    js_put_real(&w, "max", c->ratio_max);
    js_put_real(&w, "longer", c->longer);
    js_put_real(&w, "bin_width", c->width);
    js_array(&w, "histogram");
    for (size_t i = 0; i < c->n_bins; i++) js_put_uint(&w, NULL, c->bins[i]);
    js_close(&w);
    js_close(&w);
    js_close(&w);
    return js_out_save(&w, path, e);
}

/* ---- the screen ---------------------------------------------------------------------------------------- */

static void figures_print(const struct comparison *c)
{
    const struct compare_side *b = &c->before, *a = &c->after;
    printf("%-18s %14s %14s\n", "", "before", "after");
    printf("%-18s %6.1f +- %-4.1f %7.1f +- %-4.1f  %+.1f (95 %%: %+.1f to %+.1f)\n", "accuracy, %",
           100 * b->accuracy, 100 * b->stderr_, 100 * a->accuracy, 100 * a->stderr_, 100 * c->accuracy.mean,
           100 * c->accuracy.low, 100 * c->accuracy.high);
    printf("%-18s %14.1f %14.1f  %.2f times fewer (95 %%: %.2f to %.2f)\n", "tokens, mean", b->tokens_mean,
           a->tokens_mean, c->shorter.mean, c->shorter.low, c->shorter.high);
    printf("%-18s %14.1f %14.1f\n", "tokens, median", b->tokens_median, a->tokens_median);
    printf("%-18s %14zu %14zu\n\n", "right only here", c->lost, c->gained);
}

static void histogram_print(const struct comparison *c)
{
    printf("tokens before / tokens after, problem by problem: mean %.2f, median %.2f, %.2f to %.2f; "
           "%.1f %% of the answers became longer\n",
           c->ratio_mean, c->ratio_median, c->ratio_min, c->ratio_max, 100 * c->longer);
    textplot_bars(c->bins, c->n_bins, c->width, cli_width(stdout), cli_utf8(stdout), stdout);
}

static void text_print(enum cli_style style, const char *text, size_t n)
{
    fputs(cli_style(stdout, style), stdout);
    cli_text(stdout, text, n);
    fputs(cli_style(stdout, CLI_PLAIN), stdout);
}

static void answer_print(const char *name, const struct compare_answer *a)
{
    size_t n = strlen(a->text), reply = text_reply(a->text, n);
    printf("%s%s, %u tokens%s\n", cli_style(stdout, a->correct ? CLI_GREEN : CLI_RED), name, a->tokens,
           cli_style(stdout, CLI_PLAIN));
    text_print(CLI_DIM, a->text, reply);
    text_print(CLI_PLAIN, a->text + reply, n - reply);
    putchar('\n');
}

/* `show` problems answered right both times, evenly spread over the file. */
static void answers_print(const struct compare_answers *b, const struct compare_answers *a, size_t show)
{
    size_t both = 0, seen = 0, shown = 0;
    for (size_t i = 0; i < b->n; i++) both += b->at[i].correct && a->at[i].correct;
    if (show > both) show = both;
    for (size_t i = 0; i < b->n && shown < show; i++) {
        if (!b->at[i].correct || !a->at[i].correct) continue;
        if (seen++ != shown * both / show) continue;
        putchar('\n');
        text_print(CLI_BOLD, b->at[i].problem, strlen(b->at[i].problem));
        putchar('\n');
        answer_print("before", &b->at[i]);
        answer_print("after", &a->at[i]);
        shown++;
    }
}

static int run(const struct options *o, const struct compare_flags *f, struct err *e)
{
    struct compare_answers before = {0}, after = {0};
    struct comparison c;
    int r = compare_answers_load(&before, o->positional[0], e);
    if (!r) r = compare_answers_load(&after, o->positional[1], e);
    if (!r) r = compare(&c, &before, &after, (uint32_t)f->resamples, f->seed, e);
    if (!r) {
        figures_print(&c);
        histogram_print(&c);
        answers_print(&before, &after, (size_t)f->show);
        if (f->output) r = save(&c, f->output, e);
    }
    compare_answers_clear(&before);
    compare_answers_clear(&after);
    return r;
}

int cmd_compare(int argc, char **argv)
{
    struct compare_flags f;
    struct options o = {0};
    struct err e = {0};
    if (options_init(&o, table, &f, &e)) return cli_fail(&e);
    o.usage = "terse compare BEFORE.jsonl AFTER.jsonl [-o FILE.json] [--show 3]";
    o.about = "Compares two evaluations of the same problems (terse eval --samples): how many times shorter "
              "each answer became, and the accuracy of both, with intervals of problems drawn in pairs.";
    o.max_positional = 2;
    int status = cli_parse(&o, argc, argv);
    if (status < 0 && o.n_positional != 2) {
        err_set(&e, ERR_USAGE, "terse compare takes two files: answers before, answers after");
        status = cli_usage(&e);
    }
    if (status < 0) status = run(&o, &f, &e) ? cli_fail(&e) : CLI_OK;
    options_free(&o);
    return status;
}
