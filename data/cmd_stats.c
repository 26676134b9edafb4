#include "data/cmd_stats.h"
#include "data/globs.h"
#include "data/prepare/recipe.h"
#include "data/prepare/scan.h"
#include "data/prepare/stats.h"
#include "infer/cli.h"
#include "infer/option_rows.h"
#include "infer/progress.h"
#include "infer/textplot.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct stats_config {
    char *model, *system_prompt;
    int64_t cutoff_len, batch_size, max_samples, threads;
    double num_train_epochs, throughput;
};

#define AT(field) .at = offsetof(struct stats_config, field)

static const struct option options[] = {
    MODEL_ROW(AT(model), .help = "folder or GGUF file of the model whose tokenizer counts"),
    {.key = "max_samples",
     .type = OPT_INT,
     AT(max_samples),
     .preset = "0",
     .min = 0,
     .max = 1 << 30,
     .unit = "rows",
     .help = "look at the first so many of each file; 0 for all"},
    {.key = "system_prompt",
     .type = OPT_STRING,
     AT(system_prompt),
     .unset = "the model's own",
     .help = "system turn of conversations that bring none"},
    THREADS_ROW(AT(threads), .short_flag = 't', .help = "0 for one a processor"),
    {.key = "cutoff_len",
     .type = OPT_INT,
     AT(cutoff_len),
     .preset = "16384",
     .min = 2,
     .max = 1 << 30,
     .unit = "tokens",
     .group = "A run on it",
     .help = "length of a row"},
    {.key = "batch_size",
     .type = OPT_INT,
     AT(batch_size),
     .preset = "64",
     .min = 1,
     .max = 1 << 30,
     .unit = "rows",
     .help = "rows of a step"},
    {.key = "num_train_epochs",
     .type = OPT_FLOAT,
     AT(num_train_epochs),
     .preset = "1",
     .min = 0,
     .max = 10000,
     .help = "how often each conversation is seen"},
    {.key = "throughput",
     .type = OPT_FLOAT,
     AT(throughput),
     .preset = "0",
     .min = 0,
     .max = 1e12,
     .unit = "tokens/s",
     .help = "of training (terse bench train measures it, terse plan estimates it): tells days"},
    {0}};

/* ---- reading ------------------------------------------------------------------------------------------- */

struct screen {
    struct progress bar;
    uint64_t done;
};

static int on_tick(void *ctx, uint64_t done)
{
    struct screen *sc = ctx;
    progress_update(&sc->bar, sc->done += done, NULL);
    return cli_interrupted();
}

static int file_rows(const char *path, uint64_t *rows, struct err *e)
{
    struct conv_file *f;
    int r = conv_open(&f, path, e);
    if (!r) *rows = conv_rows(f);
    conv_close(f);
    return r;
}

static int scan_file(struct facts *f, const char *path, const struct stats_config *c, struct workers *w,
                     const struct tokenizer *t, struct err *e)
{
    struct screen sc = {0};
    struct document_rules rules = {t, c->system_prompt, UINT32_MAX, LEARN_LAST};
    struct scan s = {.path = path, .rules = &rules, .ticker = {on_tick, &sc}};
    uint64_t rows = 0;
    int r = file_rows(path, &rows, e);
    if (r) return r;
    if (c->max_samples && (uint64_t)c->max_samples < rows) rows = s.n_only = (uint64_t)c->max_samples;
    progress_start(&sc.bar, stderr, "scan", "row", 0, rows);
    r = scan_rows(f, &s, w, e);
    progress_clear(&sc.bar);
    return r;
}

static int scan_files(struct facts *f, char *const *paths, size_t n, const struct stats_config *c,
                      struct err *e)
{
    struct tokenizer *t = NULL;
    struct pool *pool = NULL;
    struct workers w = {0};
    int r = recipe_tokenizer(&t, c->model, e);
    if (!r) r = pool_create(&pool, (unsigned)c->threads, e);
    if (!r) r = workers_init(&w, pool, e);
    for (size_t i = 0; !r && i < n; i++) r = scan_file(f, paths[i], c, &w, t, e);
    if (w.pool) workers_release(&w);
    if (pool) pool_free(pool);
    tokenizer_free(t);
    return r;
}

static bool is_set(const char *path)
{
    char manifest[FILE_PATH];
    return !file_path(manifest, NULL, "%s/manifest.json", path) && file_exists(manifest);
}

static int read_all(struct facts *f, const char *const *names, int n, const struct stats_config *c,
                    struct err *e)
{
    const struct string_list list = {(char **)(uintptr_t)names, (size_t)n};
    glob_t g;
    int r = globs_expand(&list, &g, e);
    size_t files = 0;
    for (size_t i = 0; !r && i < g.gl_pathc; i++) {
        if (is_set(g.gl_pathv[i])) {
            r = stats_shards(f, g.gl_pathv[i], e);
        } else {
            char *swap = g.gl_pathv[files];
            g.gl_pathv[files++] = g.gl_pathv[i], g.gl_pathv[i] = swap;
        }
    }
    if (!r && files) r = scan_files(f, g.gl_pathv, files, c, e);
    globfree(&g);
    return r;
}

/* ---- telling ------------------------------------------------------------------------------------------- */

static double percent(uint64_t n, uint64_t of)
{
    return of ? 100.0 * (double)n / (double)of : 0;
}

static void print_names(const char *what, const struct names *t, const struct facts *f, bool domain)
{
    struct {
        uint64_t docs, tokens;
    } *at = calloc(t->n + 1, sizeof *at);
    for (uint64_t i = 0; at && i < f->n; i++) {
        uint32_t k = domain ? f->at[i].domain : f->at[i].source;
        if (f->at[i].flags & FACT_FATE) continue;
        at[k].docs++, at[k].tokens += f->at[i].tokens;
    }
    printf("\n%-40s %14s %16s %8s\n", what, "conversations", "tokens", "mean");
    for (uint32_t i = 0; at && i < t->n; i++)
        if (at[i].docs)
            printf("  %-38.38s %14" PRIu64 " %16" PRIu64 " %8.0f\n", *t->at[i] ? t->at[i] : "(none)",
                   at[i].docs, at[i].tokens, (double)at[i].tokens / (double)at[i].docs);
    free(at);
}

static void print_lengths(const struct stats *s)
{
    char bytes[32];
    size_t n = STATS_BINS;
    while (n > 1 && !s->bins[n - 1]) n--;
    printf("%" PRIu64 " conversations, %" PRIu64 " tokens", s->docs, s->tokens);
    if (s->rows > s->docs) printf("; %" PRIu64 " rows cannot be learned from", s->rows - s->docs);
    if (s->bytes)
        printf("; %s of text, %.2f bytes a token", progress_bytes((double)s->bytes, bytes, sizeof bytes),
               (double)s->bytes / (double)s->tokens);
    printf("\nmean %.0f, median %u, a tenth over %u, longest %u tokens\n\nthousands of tokens\n",
           (double)s->tokens / (double)s->docs, s->median, s->p90, s->longest);
    textplot_bars(s->bins, n, s->step / 1000, cli_width(stdout), cli_utf8(stdout), stdout);
}

static void print_cuts(const struct stats *s)
{
    printf("\n%10s %14s %14s %18s %12s %8s\n", "cutoff_len", "longer", "tokens lost", "answer begins past",
           "packed rows", "filled");
    for (int i = 0; i < STATS_CUTS; i++) {
        const struct stats_cut *c = &s->cuts[i];
        printf("%10u %13.2f%% %13.2f%% %17.2f%% %12" PRIu64 " %7.2f%%\n", c->cutoff_len,
               percent(c->cut, s->docs), percent(c->lost, s->tokens), percent(c->gone, s->docs), c->rows,
               100 * c->filled);
    }
}

static void print_questions(const struct stats *s)
{
    printf("\n%" PRIu64 " questions, %.2f answers each; %" PRIu64 " answers are the same word for word\n",
           s->questions, (double)s->docs / (double)s->questions, s->identical);
    for (int i = 1; i < STATS_ANSWERS; i++)
        if (s->answers[i])
            printf("  %2d%s %14" PRIu64 " questions\n", i, i == STATS_ANSWERS - 1 ? " and more" : " answers ",
                   s->answers[i]);
    if (s->thinks || s->boxed)
        printf("%.2f%% think, %.2f%% come to an end and reply; %.2f%% have a boxed answer\n",
               percent(s->thinks, s->docs), percent(s->finished, s->docs), percent(s->boxed, s->docs));
}

static int print_run(const struct facts *f, const struct stats_config *c, struct err *e)
{
    struct stats_cut cut;
    char time[32] = "";
    int r = stats_cut_make(&cut, f, (uint32_t)c->cutoff_len, e);
    if (r) return r;
    uint64_t batch = (uint64_t)c->batch_size;
    uint64_t steps = ((uint64_t)((double)cut.rows * c->num_train_epochs + 0.5) + batch - 1) / batch;
    double tokens = cut.filled * (double)cut.rows * (double)c->cutoff_len * c->num_train_epochs;
    printf("\ncutoff_len %" PRId64 ", %" PRIu64 " rows a step, %g epochs: %" PRIu64
           " rows an epoch, %.2f%% filled, %" PRIu64 " steps, %.4g tokens\n",
           c->cutoff_len, batch, c->num_train_epochs, cut.rows, 100 * cut.filled, steps, tokens);
    if (c->throughput > 0)
        printf("at %g tokens/s: %s hours, %.2f days\n", c->throughput,
               progress_time(tokens / c->throughput, time, sizeof time), tokens / c->throughput / 86400);
    return 0;
}

static int tell(const struct facts *f, const struct stats_config *c, struct err *e)
{
    struct stats s;
    int r = stats_make(&s, f, e);
    if (r) return r;
    print_lengths(&s);
    print_cuts(&s);
    print_questions(&s);
    print_names("domain", &f->domains, f, true);
    print_names("source", &f->sources, f, false);
    r = print_run(f, c, e);
    return r ? r : fflush(stdout) ? err_errno(e, errno, "cannot write to standard output") : 0;
}

int cmd_stats(int argc, char **argv)
{
    struct stats_config c;
    struct options o;
    struct err e = {0};
    struct facts f = {0};
    if (options_init(&o, options, &c, &e)) return cli_fail(&e);
    o.usage = "terse data stats FILE|FOLDER... [-m MODEL] [--cutoff-len N] [--batch-size N]";
    o.about =
        "Counts what files of conversations, or folders of token shards, hold: lengths in tokens, what each "
        "cutoff_len cuts, how full packed rows are, domains, sources, answers a question, duplicates, and "
        "the steps of a run.";
    o.max_positional = OPTIONS_POSITIONAL_MAX;
    int status = cli_parse(&o, argc, argv);
    if (status < 0 && !o.n_positional) {
        err_set(&e, ERR_USAGE, "no file or folder given: terse data stats FILE|FOLDER...");
        status = cli_usage(&e);
    }
    if (status < 0) {
        cli_catch_signals();
        int r = read_all(&f, o.positional, o.n_positional, &c, &e);
        if (!r) r = tell(&f, &c, &e);
        status = r ? cli_fail(&e) : CLI_OK;
        cli_release_signals();
    }
    facts_clear(&f);
    options_free(&o);
    return status;
}
