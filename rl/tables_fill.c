#include "checkpoints/jsonl.h"
#include "infer/kv.h"
#include "rl/paper.h"
#include "rl/tables_rows.h"
#include "train/gnuplot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- figures ------------------------------------------------------------------------------------------- */

/* A cell of the table from a cell of the book. error_at: where its standard error is, or NULL. */
static void take(struct table *t, size_t row, size_t column, const struct book *b, const char *id,
                 const char *at, const char *error_at)
{
    struct table_cell *c = table_at(t, row, column);
    const char *why;
    c->measured = book_number(b, id, at, &c->value, &why);
    if (!c->measured) snprintf(c->why, sizeof c->why, "%s", why);
    if (c->measured && (!error_at || !book_number(b, id, error_at, &c->error, &why))) c->error = 0;
}

static void report(struct table *t, size_t row, size_t column, const char *table, const char *size,
                   const char *name, const char *head)
{
    struct table_cell *c = table_at(t, row, column);
    c->reported = paper_figure(table, size, name, head, &c->paper);
}

static int add_row(struct table *t, const char *label, size_t *row, struct err *e)
{
    int r = table_row(t, label, e);
    *row = r < 0 ? 0 : (size_t)r;
    return r < 0 ? r : 0;
}

/* ---- Table 1, and the project page's ------------------------------------------------------------------- */

enum { COLUMNS = 24 };

/* Accuracy, or tokens, of a row's runs on a benchmark. */
static void take_runs(struct table *t, size_t row, size_t column, const struct book *b,
                      const struct tables_subject *s, const char *task, bool tokens)
{
    struct table_cell *c = table_at(t, row, column);
    const struct tables_mean m =
        tables_mean(b, s, task, tokens ? "tokens_mean" : "accuracy", tokens ? NULL : "stderr");
    c->measured = m.n > 0, c->value = m.mean, c->error = m.error;
    if (!m.n) snprintf(c->why, sizeof c->why, "%s", m.why);
}

/* Accuracy of every row on every benchmark of `tasks`. */
static int fill_accuracy(struct table *t, const char *name, const char *title, const struct book *b,
                         const struct tables_config *c, struct err *e)
{
    const char *heads[COLUMNS];
    enum table_unit units[COLUMNS];
    struct tables_subject s[TABLES_SUBJECTS];
    size_t n = tables_subjects(s, c), tasks_n = c->tasks->n < COLUMNS - 1 ? c->tasks->n : COLUMNS - 1, row;
    for (size_t k = 0; k < tasks_n; k++)
        heads[k] = task_find(c->tasks->items[k])->title, units[k] = TABLE_PERCENT;
    heads[tasks_n] = "tokens", units[tasks_n] = TABLE_NUMBER;
    int r = table_init(t, name, title, tasks_n + 1, heads, units, e);
    for (size_t i = 0; !r && i < n; i++) {
        char label[140];
        snprintf(label, sizeof label, s[i].n > 1 ? "%s, %zu seeds" : "%s", s[i].label, s[i].n);
        r = add_row(t, label, &row, e);
        for (size_t k = 0; !r && k <= tasks_n; k++)
            take_runs(t, row, k, b, &s[i], c->tasks->items[k < tasks_n ? k : 0], k == tasks_n);
        for (size_t k = 0; !r && k < tasks_n; k++)
            report(t, row, k, name, c->paper, s[i].paper, c->tasks->items[k]);
    }
    t->note =
        "± standard error: over problems, or, of a row with several seeds, over these. Tokens: mean of the "
        "first benchmark's answers.";
    return r;
}

/* ---- Table 8 ------------------------------------------------------------------------------------------- */

/* Accuracy, or tokens, under every cap. */
static int fill_caps(struct table *t, bool tokens, const struct book *b, const struct tables_config *c,
                     struct err *e)
{
    static const char *const rows[][3] = {{"caps-sft", "SFT", "sft"},
                                          {"caps-brief", "budget forced", "brief"}};
    char head[TABLES_CAPS + 1][24];
    const char *heads[TABLES_CAPS + 1], *task = c->tasks->items[0];
    enum table_unit units[TABLES_CAPS + 1];
    size_t row;
    for (size_t k = 0; k <= c->n_caps; k++) {
        snprintf(head[k], sizeof head[k], k < c->n_caps ? "%u" : "none", k < c->n_caps ? c->caps[k] : 0);
        heads[k] = head[k], units[k] = tokens ? TABLE_NUMBER : TABLE_PERCENT;
    }
    int r = table_init(t, tokens ? "table8-tokens" : "table8",
                       tokens ? "Tokens, thinking cut off" : "Thinking cut off at so many tokens (Table 8)",
                       c->n_caps + 1, heads, units, e);
    for (size_t i = 0; !r && i < 2; i++) {
        r = add_row(t, rows[i][1], &row, e);
        for (size_t k = 0; !r && k <= c->n_caps; k++) {
            char at[80], error[80], inside[40] = "";
            if (k < c->n_caps) snprintf(inside, sizeof inside, "caps[%zu].", k);
            snprintf(at, sizeof at, "%.24s.%s%s", task, inside, tokens ? "tokens_mean" : "accuracy");
            snprintf(error, sizeof error, "%.24s.%sstderr", task, inside);
            take(t, row, k, b, rows[i][0], at, tokens ? NULL : error);
            if (!tokens) report(t, row, k, "table8", c->paper, rows[i][2], head[k]);
        }
    }
    t->note = "At the cap the thinking is closed and a final answer asked for.";
    return r;
}

/* ---- Figures 4 and 5 ----------------------------------------------------------------------------------- */

/* Answers' lengths, of a file of samples. */
struct lengths {
    double *x;
    size_t n, capacity;
};

static int length_take(void *ctx, struct js **line, uint64_t number, const char *what, struct err *e)
{
    struct lengths *l = ctx;
    int64_t tokens;
    (void)number;
    if (js_get(*line, "cap")) return 0;
    int r = js_need_int(*line, what, "tokens", 0, UINT32_MAX, &tokens, e);
    if (r) return r;
    if (l->n == l->capacity) {
        size_t more = l->capacity ? 2 * l->capacity : 512;
        double *x = realloc(l->x, more * sizeof *x);
        if (!x) return err_set(e, ERR_NOMEM, "no memory for lengths");
        l->x = x, l->capacity = more;
    }
    l->x[l->n++] = (double)tokens;
    return 0;
}

enum { BINS = 32 };

static double highest(const struct lengths *l, double most)
{
    for (size_t i = 0; i < l->n; i++) most = l->x[i] > most ? l->x[i] : most;
    return most;
}

static void histogram(double *y, const struct lengths *l, double width)
{
    memset(y, 0, BINS * sizeof *y);
    for (size_t i = 0; i < l->n; i++) {
        size_t k = (size_t)(l->x[i] / width);
        y[k < BINS ? k : BINS - 1] += 100 / (double)l->n;
    }
}

/* Lengths before and after, and how many times shorter, as a picture; without gnuplot there is none. */
static int draw_lengths(struct table *t, const struct book *b, const struct lengths *before,
                        const struct lengths *after, struct err *e)
{
    double x[BINS], y[2][BINS], z[BINS], at[BINS], width = highest(after, highest(before, 1)) / BINS + 1e-9,
                                                   bin = 0;
    const struct js *h = book_value(b, "compression", "compression.histogram");
    size_t bins = js_size(h) < BINS ? js_size(h) : BINS;
    js_number(book_value(b, "compression", "compression.bin_width"), &bin);
    for (size_t i = 0; i < BINS; i++) x[i] = ((double)i + 0.5) * width;
    for (size_t i = 0; i < bins; i++) {
        z[i] = 0, at[i] = ((double)i + 0.5) * bin;
        js_number(js_at(h, i), &z[i]);
    }
    histogram(y[0], before, width), histogram(y[1], after, width);
    struct gnuplot_series lengths[] = {{.name = "SFT", .x = x, .y = y[0], .n = BINS},
                                       {.name = "budget forced", .x = x, .y = y[1], .n = BINS}};
    struct gnuplot_series ratio = {.x = at, .y = z, .n = bins};
    struct gnuplot_panel panels[] = {{.title = "Length of answers",
                                      .x_label = "tokens",
                                      .y_label = "answers, %",
                                      .series = lengths,
                                      .n = 2},
                                     {.title = "Times shorter, problem by problem",
                                      .x_label = "tokens before / tokens after",
                                      .y_label = "problems",
                                      .style = GNUPLOT_BOXES,
                                      .box_width = bin,
                                      .series = &ratio,
                                      .n = 1}};
    struct err why = {0};
    int r = file_path(t->picture, e, "%s/lengths.svg", b->folder);
    if (r) return r;
    r = gnuplot_save(t->picture, panels, bins && bin > 0 ? 2 : 1, &why);
    if (r) t->picture[0] = 0;
    return r == ERR_TOOL || !r ? 0 : (*e = why, r);
}

static int load_lengths(struct lengths *l, const struct book *b, const char *id, struct err *e)
{
    char path[FILE_PATH];
    int r = file_path(path, e, "%s/%s.jsonl", b->folder, id);
    return r || !file_exists(path) ? r : jsonl_each(path, JSONL_GROWING, length_take, l, e);
}

static int fill_lengths(struct table *t, const struct book *b, struct err *e)
{
    static const char *const heads[] = {"tokens before", "tokens after", "times fewer",  "mean of ratios",
                                        "median",        "highest",      "became longer"};
    static const enum table_unit units[] = {TABLE_NUMBER, TABLE_NUMBER, TABLE_NUMBER, TABLE_NUMBER,
                                            TABLE_NUMBER, TABLE_NUMBER, TABLE_PERCENT};
    static const char *const at[] = {"before.tokens_mean", "after.tokens_mean",  "tokens_ratio.mean",
                                     "compression.mean",   "compression.median", "compression.max",
                                     "compression.longer"};
    static const double paper[] = {-1, -1, -1, 2.38, 2.13, 9.5, 0.10};
    struct lengths before = {0}, after = {0};
    size_t row;
    int r = table_init(t, "figure5", "Shorter, problem by problem (Figures 4 and 5)", 7, heads, units, e);
    if (!r) r = add_row(t, "SFT to budget forced", &row, e);
    for (size_t k = 0; !r && k < 7; k++) {
        take(t, row, k, b, "compression", at[k], NULL);
        table_at(t, row, k)->reported = paper[k] >= 0, table_at(t, row, k)->paper = paper[k];
    }
    if (!r) r = load_lengths(&before, b, "caps-sft", e);
    if (!r) r = load_lengths(&after, b, "caps-brief", e);
    if (!r && before.n && after.n) r = draw_lengths(t, b, &before, &after, e);
    free(before.x), free(after.x);
    return r;
}

/* ---- the switcher -------------------------------------------------------------------------------------- */

static void take_from(struct table *t, size_t row, size_t column, const struct js *v, const char *key,
                      const char *why)
{
    struct table_cell *c = table_at(t, row, column);
    const struct js *x = js_get(v, key);
    c->measured = js_number(x, &c->value) || js_number(js_get(x, "value"), &c->value);
    if (!c->measured) snprintf(c->why, sizeof c->why, "%s", why);
}

/* The curve of accuracy against the share that thinks, beside random routing. */
static int draw_curve(struct table *t, const struct book *b, const struct js *curve, struct err *e)
{
    double x[COLUMNS], y[COLUMNS], random[COLUMNS];
    size_t n = js_size(curve) < COLUMNS ? js_size(curve) : COLUMNS;
    for (size_t i = 0; i < n; i++) {
        const struct js *p = js_at(curve, i);
        double gain = 0;
        x[i] = y[i] = 0;
        js_number(js_get(p, "routed"), &x[i]), js_number(js_get(p, "accuracy"), &y[i]);
        js_number(js_get(js_get(p, "gain"), "value"), &gain);
        random[i] = 100 * (y[i] - gain), x[i] *= 100, y[i] *= 100;
    }
    struct gnuplot_series s[] = {{.name = "by the switcher", .x = x, .y = y, .n = n},
                                 {.name = "at random", .x = x, .y = random, .n = n}};
    struct gnuplot_panel p = {.title = "Routing",
                              .x_label = "prompts that are thought about, %",
                              .y_label = "right, %",
                              .series = s,
                              .n = 2};
    struct err why = {0};
    int r = file_path(t->picture, e, "%s/routing.svg", b->folder);
    if (!r && (r = gnuplot_save(t->picture, &p, 1, &why))) t->picture[0] = 0;
    return r == ERR_TOOL || !r ? 0 : (*e = why, r);
}

static int fill_switcher(struct table *t, const struct book *b, const struct tables_config *c, struct err *e)
{
    static const char *const heads[] = {"AUC",          "AUC of length", "right", "against thinking",
                                        "tokens saved", "think"};
    static const enum table_unit units[] = {TABLE_NUMBER,  TABLE_NUMBER,  TABLE_PERCENT,
                                            TABLE_PERCENT, TABLE_PERCENT, TABLE_PERCENT};
    const char *why = c->switcher ? "the report does not say" : "no report of terse switcher: --switcher";
    struct js *report_file = NULL;
    size_t row;
    int r = table_init(t, "switcher", "The switcher: thinking where it pays", 6, heads, units, e);
    if (!r && c->switcher) r = js_load(&report_file, c->switcher, NULL, e);
    const struct js *runs = js_get(report_file, "runs");
    for (size_t i = 0; !r && (i < js_size(runs) || i == 0); i++) {
        const struct js *run = js_at(runs, i), *routing = js_get(run, "routing");
        char label[40];
        snprintf(label, sizeof label, "seed %zu", i);
        r = add_row(t, label, &row, e);
        if (r) break;
        take_from(t, row, 0, run, "auc", why), take_from(t, row, 1, run, "auc_of_prompt_length", why);
        take_from(t, row, 2, routing, "accuracy", why), take_from(t, row, 3, routing, "accuracy_change", why);
        take_from(t, row, 4, routing, "saving", why), take_from(t, row, 5, routing, "routed", why);
        if (i == 0 && js_size(js_get(routing, "curve"))) r = draw_curve(t, b, js_get(routing, "curve"), e);
    }
    js_free(report_file);
    t->note = "The paper, MATH500: routing 48 % of the prompts gives 90.2 % (93.0 % with all, 84.4 % at "
              "random) and 3.4k "
              "instead of 5.3k tokens.";
    return r;
}

/* ---- Table 9 ------------------------------------------------------------------------------------------- */

static int fill_votes(struct table *t, const struct book *b, const struct tables_config *c, struct err *e)
{
    static const char *const rows[] = {"majority", "weighted"};
    char head[TABLES_CHAINS][24];
    const char *heads[TABLES_CHAINS + 1];
    enum table_unit units[TABLES_CHAINS + 1];
    const char *task = c->tasks->items[0];
    char id[BOOK_ID], at[80], error[80];
    size_t row;
    heads[0] = "greedy", units[0] = TABLE_PERCENT;
    for (size_t k = 0; k < c->n_chains; k++) {
        snprintf(head[k], sizeof head[k], "N = %u", c->chains[k]);
        heads[k + 1] = head[k], units[k + 1] = TABLE_PERCENT;
    }
    snprintf(at, sizeof at, "%.30s.accuracy", task), snprintf(error, sizeof error, "%.30s.stderr", task);
    int r = table_init(t, "table9", "Chains that vote (Table 9)", c->n_chains + 1, heads, units, e);
    for (size_t i = 0; !r && i < 2; i++) {
        r = add_row(t, rows[i], &row, e);
        if (r) break;
        snprintf(id, sizeof id, "lora1-%.30s", task);
        if (i == 0) take(t, row, 0, b, id, at, error), report(t, row, 0, "table9", c->paper, "greedy", "1");
        for (size_t k = 0; k < c->n_chains; k++) {
            char n[24];
            snprintf(n, sizeof n, "%u", c->chains[k]);
            snprintf(id, sizeof id, "vote-%s-%u", c->chains[k] == 1 ? "one" : rows[i], c->chains[k]);
            take(t, row, k + 1, b, id, at, error);
            report(t, row, k + 1, "table9", c->paper, rows[i], n);
        }
    }
    t->note = "Sampled at temperature 1 (the paper: 0.7); greedy is the adapter's row of Table 1, on as many "
              "problems as "
              "that has.";
    return r;
}

/* ---- Table 11 ------------------------------------------------------------------------------------------ */

static int fill_quantised(struct table *t, const struct book *b, const struct tables_config *c, struct err *e)
{
    static const char *const heads[] = {"perplexity", "accuracy"};
    static const enum table_unit units[] = {TABLE_NUMBER, TABLE_PERCENT};
    static const struct {
        const char *label, *ppl, *row, *paper;
    } rows[] = {{"bf16, adapter in full precision", "ppl-bf16", "lora1", "bf16"},
                {"W4 min-max, the same adapter", "ppl-rtn", "rtn", "rtn"},
                {"W4 L2 range, the same adapter", "ppl-w4", "w4", "l2"},
                {"W4 L2 range, adapter trained on it (QAMR)", "ppl-w4", "qamr", "trained"}};
    size_t row;
    int r = table_init(t, "table11", "Quantised (Table 11)", 2, heads, units, e);
    for (size_t i = 0; !r && i < 4; i++) {
        char id[BOOK_ID], at[80], error[80];
        const char *task = c->tasks->items[0];
        snprintf(id, sizeof id, "%s-%.30s", rows[i].row, task);
        snprintf(at, sizeof at, "%.30s.accuracy", task), snprintf(error, sizeof error, "%.30s.stderr", task);
        r = add_row(t, rows[i].label, &row, e);
        if (r) break;
        take(t, row, 0, b, rows[i].ppl, "perplexity", NULL), take(t, row, 1, b, id, at, error);
        report(t, row, 0, "table11", c->paper, rows[i].paper, "perplexity");
        report(t, row, 1, "table11", c->paper, rows[i].paper, "accuracy");
    }
    t->note = "The paper: WikiText-2, and the mean of five benchmarks; its 7.26 is after end-to-end training "
              "of the "
              "quantiser, which is not built here.";
    return r;
}

/* ---- the device ---------------------------------------------------------------------------------------- */

/* A row of bench infer's JSON by its name, which begins so and has the adapter or not. */
static const struct js *bench_row(const struct book *b, const char *id, const char *test, bool lora)
{
    const struct js *rows = book_value(b, id, "");
    for (size_t i = 0; i < js_size(rows); i++) {
        const struct js *row = js_at(rows, i);
        const char *name = js_string(js_get(row, "test"), NULL);
        double rank = 0;
        js_number(js_get(row, "lora"), &rank);
        if (name && !strcmp(name, test) && (rank > 0) == lora) return row;
    }
    return NULL;
}

static void take_bench(struct table *t, size_t row, size_t column, const struct book *b, const char *id,
                       const char *test, const char *key, double by)
{
    const struct book_cell *cell = book_cell(b, id);
    bool lora = bench_row(b, id, test, true) != NULL;
    take_from(t, row, column, bench_row(b, id, test, lora), key,
              cell && *cell->why ? cell->why : "not measured yet");
    table_at(t, row, column)->value *= by;
}

/* Answers' mean length after the first token's time, at the speed of one stream. */
static void answer_latency(struct table *t, size_t row, size_t column, const struct book *b,
                           const struct tables_config *c)
{
    struct table_cell *to = table_at(t, row, column), *first = table_at(t, row, 1),
                      *speed = table_at(t, row, 3);
    char id[BOOK_ID], at[80];
    const char *why;
    double tokens;
    snprintf(id, sizeof id, "%s-%.30s", c->brief->n ? "brief" : "lora1", c->tasks->items[0]);
    snprintf(at, sizeof at, "%.30s.tokens_mean", c->tasks->items[0]);
    to->measured =
        book_number(b, id, at, &tokens, &why) && first->measured && speed->measured && speed->value > 0;
    if (to->measured)
        to->value = first->value + tokens / speed->value;
    else
        snprintf(to->why, sizeof to->why, "follows from the others");
}

static int fill_device(struct table *t, const struct book *b, const struct tables_config *c, struct err *e)
{
    static const char *const heads[] = {"KV", "first token", "first token, prefix cached", "tok/s",
                                        "a whole answer"};
    static const enum table_unit units[] = {TABLE_MB, TABLE_MS, TABLE_MS, TABLE_NUMBER, TABLE_MS};
    static const char *const rows[][2] = {{"one thread", "device-1"}, {"two threads", "device-2"}};
    char first[32], again[48], title[100];
    size_t row;
    snprintf(title, sizeof title, "On this machine, W4 with the adapter, a prompt of %u tokens", c->prompt);
    snprintf(first, sizeof first, "ttft%u", c->prompt);
    snprintf(again, sizeof again, "%s +%u", first, (c->prompt - 1) / KV_PAGE * KV_PAGE);
    int r = table_init(t, "device", title, 5, heads, units, e);
    for (size_t i = 0; !r && i < 2; i++) {
        r = add_row(t, rows[i][0], &row, e);
        if (r) break;
        take_bench(t, row, 0, b, rows[i][1], "memory", "kv_bytes", 1);
        take_bench(t, row, 1, b, rows[i][1], first, "ns", 1e-9);
        take_bench(t, row, 2, b, rows[i][1], again, "ns", 1e-9);
        take_bench(t, row, 3, b, rows[i][1], "tg64 x1", "tok_s", 1);
        answer_latency(t, row, 4, b, c);
    }
    t->note = "A whole answer: the first token's time and the mean length of an answer at that speed.";
    return r;
}

static int fill_secondary(struct table *t, struct err *e)
{
    static const char *const heads[] = {"accuracy", "tokens", "KV, MiB", "latency, ms", "first token, ms"};
    static const enum table_unit units[] = {TABLE_PERCENT, TABLE_COUNT, TABLE_COUNT, TABLE_COUNT,
                                            TABLE_COUNT};
    size_t row;
    int r = table_init(t, "secondary", "Reported by a secondary source", 5, heads, units, e);
    for (size_t i = 0; !r && i < n_paper_secondary; i++) {
        const struct paper_secondary *p = &paper_secondary[i];
        const double values[] = {p->accuracy, p->tokens, p->kv_mib, p->latency_ms, p->first_token_ms};
        r = add_row(t, p->row, &row, e);
        for (size_t k = 0; !r && k < 5; k++) {
            struct table_cell *c = table_at(t, row, k);
            c->reported = values[k] > 0, c->paper = values[k];
        }
    }
    t->source = "said";
    t->note = "These figures (GSM8K and MathQA, a Snapdragon 8 Gen 2 core) appear nowhere in the paper, and "
              "nothing here "
              "was measured: they are not to be taken as truth.";
    return r;
}

int tables_fill(struct table *out, size_t *n, const struct book *b, const struct tables_config *c,
                struct err *e)
{
    bool page = !strcmp(c->paper, "7b");
    *n = 0;
    int r = fill_accuracy(&out[(*n)++], "table1", "Accuracy (Table 1)", b, c, e);
    if (!r && page) r = fill_accuracy(&out[(*n)++], "page", "Accuracy, beside the project page's", b, c, e);
    if (!r) r = tables_seeds(&out[(*n)++], b, c, e);
    if (!r && !out[*n - 1].rows) table_free(&out[--*n]);
    if (!r) r = fill_caps(&out[(*n)++], false, b, c, e);
    if (!r) r = fill_caps(&out[(*n)++], true, b, c, e);
    if (!r) r = fill_lengths(&out[(*n)++], b, e);
    if (!r) r = fill_switcher(&out[(*n)++], b, c, e);
    if (!r) r = fill_votes(&out[(*n)++], b, c, e);
    if (!r) r = fill_quantised(&out[(*n)++], b, c, e);
    if (!r) r = fill_device(&out[(*n)++], b, c, e);
    return r ? r : fill_secondary(&out[(*n)++], e);
}
