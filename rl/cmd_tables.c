/* terse tables: measures what is missing, and shows it beside what the paper reports. */
#include "rl/cmd_tables.h"
#include "checkpoints/yaml.h"
#include "infer/cli.h"
#include "infer/option_rows.h"
#include "rl/code_options.h"
#include "rl/tables.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct tables_flags {
    char *config, *output, *model, *heads, *switcher, *text, *data;
    struct string_list lora, dense, brief, qamr, tasks, caps, chains;
    int style, paper;
    bool run;
    struct code_flags code;
    int64_t max_samples, vote_samples, repeats, max_new, streams, threads, prompt;
};

#define AT(field) .at = offsetof(struct tables_flags, field)
/* The formatter would take the rows apart. */
/* clang-format off */
static const struct option rows[] = {
    CONFIG_ROW(AT(config), .unset = "none", .group = "Run"),
    {.key = "output", .type = OPT_PATH, AT(output), .preset = "runs/tables", .short_flag = 'o',
     .help = "folder for every measurement and for report.html, tables.md, tables.csv"},
    {.key = "run", .type = OPT_BOOL, AT(run), .preset = "true", .help = "measure what is missing; without: only show what is there"},
    {.key = "model", .type = OPT_PATH, AT(model), .preset = "checkpoints/nano", .short_flag = 'm', .group = "Models",
     .help = "the base: a Hugging Face folder"},
    {.key = "dense", .type = OPT_PATHS, AT(dense), .unset = "none", .help = "the same with all weights trained: DIR, or one for each seed: DIR,DIR"},
    {.key = "lora", .type = OPT_PATHS, AT(lora), .unset = "none",
     .help = "adapters that learned to reason: of several ranks, and with several seeds; the first stands for them in later tables"},
    {.key = "brief", .type = OPT_PATHS, AT(brief), .unset = "none", .help = "the first rank's, their budget forced, one for each seed"},
    {.key = "qamr", .type = OPT_PATHS, AT(qamr), .unset = "none", .help = "adapters trained on the W4 base, one for each seed"},
    {.key = "heads", .type = OPT_STRING, AT(heads), .unset = "none", .help = "FILE of the verifier, for weighted votes"},
    {.key = "switcher", .type = OPT_PATH, AT(switcher), .unset = "none", .help = "report.json of terse switcher"},
    {.key = "tasks", .type = OPT_STRINGS, AT(tasks), .preset = "nano", .group = "Benchmarks",
     .help = "aime24, aime25, amc23, math500, gpqa, gsm8k, nano; with --allow-code also humaneval, mbpp, livecodebench; the first is that of caps and votes"},
    {.key = "style", .type = OPT_ENUM, AT(style), .choices = TASK_STYLES, .preset = "paper", .help = "wording, repeats and sampling"},
    {.key = "data", .type = OPT_PATH, AT(data), .preset = "downloads/datasets", .help = "folder of data sets, where `terse data fetch` puts them"},
    {.key = "max_samples", .type = OPT_INT, AT(max_samples), .unset = "all of a benchmark, 300 of nano", .min = 1, .max = 1e9,
     .help = "use the first so many problems"},
    {.key = "vote_samples", .type = OPT_INT, AT(vote_samples), .unset = "as max_samples", .min = 1, .max = 1e9, .help = "for votes"},
    {.key = "repeats", .type = OPT_INT, AT(repeats), .unset = "the style's", .min = 1, .max = 1024, .help = "answers to each problem"},
    {.key = "max_new", .alias = "max_new_tokens", .type = OPT_INT, AT(max_new), .unset = "the style's", .min = 1, .max = 1 << 20,
     .unit = "tokens", .short_flag = 'n', .help = "longest answer"},
    {.key = "caps", .type = OPT_STRINGS, AT(caps), .preset = "32,64,96,128", .unit = "tokens", .help = "columns of Table 8"},
    {.key = "chains", .type = OPT_STRINGS, AT(chains), .preset = "1,2,4,8", .help = "columns of Table 9"},
    {.key = "text", .type = OPT_PATH, AT(text), .unset = "none", .help = "file whose perplexity Table 11 shows"},
    {.key = "paper", .type = OPT_ENUM, AT(paper), .choices = "none|3b|7b", .preset = "none",
     .help = "whose reported figures stand beside"},
    CODE_ROWS(tables_flags),
    {.key = "streams", .type = OPT_INT, AT(streams), .unset = "eval's", .min = 1, .max = 4096, .group = "Machine",
     .help = "answers generated at a time"},
    {.key = "prompt", .type = OPT_INT, AT(prompt), .preset = "512", .min = 1, .max = 1 << 20, .unit = "tokens",
     .help = "of the device table's question"},
    {.key = "threads", .type = OPT_INT, AT(threads), .preset = "0", .min = 0, .max = 1024, .short_flag = 't',
     .help = "0 for one a processor"},
    {0},
};
/* clang-format on */

/* ---- the options --------------------------------------------------------------------------------------- */

static int numbers(uint32_t *out, size_t *n, size_t most, const char *key, const struct string_list *list,
                   struct err *e)
{
    if (list->n > most) return err_set(e, ERR_USAGE, "%s: %zu numbers, at most %zu", key, list->n, most);
    for (*n = 0; *n < list->n; ++*n) {
        char *end;
        long x = strtol(list->items[*n], &end, 10);
        if (*end || end == list->items[*n] || x < 1 || x > 1 << 20)
            return err_set(e, ERR_USAGE, "%s: \"%.40s\", expected a number from 1 to %d", key,
                           list->items[*n], 1 << 20);
        out[*n] = (uint32_t)x;
    }
    return 0;
}

static int check_tasks(const struct tables_flags *f, struct err *e)
{
    if (!f->tasks.n || f->tasks.n > 16)
        return err_set(e, ERR_USAGE, "%zu tasks, expected 1 to 16", f->tasks.n);
    for (size_t i = 0; i < f->tasks.n; i++) {
        int r = task_check(f->tasks.items[i], e);
        if (r) return r;
    }
    if (task_find(f->tasks.items[0])->kind == TASK_CODE)
        return err_set(e, ERR_USAGE,
                       "%s: the first task is that of caps and votes, which programs have not; "
                       "put another one first",
                       f->tasks.items[0]);
    return code_options_check(&f->code, &f->tasks, e);
}

/* One sentence for what is not there, before any cell fails of it. */
static int check_paths(const struct tables_flags *f, struct err *e)
{
    const struct {
        const char *key, *path;
    } given[] = {{"model", f->model}, {"switcher", f->switcher}, {"text", f->text}};
    const struct {
        const char *key;
        const struct string_list *paths;
    } lists[] = {{"lora", &f->lora}, {"dense", &f->dense}, {"brief", &f->brief}, {"qamr", &f->qamr}};
    for (size_t i = 0; i < sizeof given / sizeof *given; i++)
        if (given[i].path && access(given[i].path, F_OK))
            return err_errno(e, errno, "%s: cannot find %s", given[i].key, given[i].path);
    for (size_t k = 0; k < sizeof lists / sizeof *lists; k++) {
        const struct string_list *l = lists[k].paths;
        if (l->n > TABLES_SEEDS)
            return err_set(e, ERR_USAGE, "%s: %zu of them, at most %d", lists[k].key, l->n, TABLES_SEEDS);
        for (size_t i = 0; i < l->n; i++)
            if (access(l->items[i], F_OK))
                return err_errno(e, errno, "%s: cannot find %s", lists[k].key, l->items[i]);
    }
    return 0;
}

static long long given(const struct options *o, const char *key, int64_t value)
{
    return options_given(o, key) ? value : -1;
}

static int configure(struct tables_config *c, const struct tables_flags *f, const struct options *o,
                     struct err *e)
{
    static const char *const papers[] = {"none", "3b", "7b"};
    *c = (struct tables_config){.model = f->model,
                                .dense = &f->dense,
                                .brief = &f->brief,
                                .qamr = &f->qamr,
                                .heads = f->heads,
                                .switcher = f->switcher,
                                .text = f->text,
                                .lora = &f->lora,
                                .tasks = &f->tasks,
                                .data = f->data,
                                .style = task_style_name((enum task_style)f->style),
                                .paper = papers[f->paper],
                                .max_samples = given(o, "max_samples", f->max_samples),
                                .repeats = given(o, "repeats", f->repeats),
                                .max_new = given(o, "max_new", f->max_new),
                                .streams = given(o, "streams", f->streams),
                                .threads = f->threads,
                                .code_seconds = given(o, "code_seconds", f->code.seconds),
                                .code_memory = given(o, "code_memory", f->code.memory),
                                .prompt = (uint32_t)f->prompt};
    c->vote_samples = options_given(o, "vote_samples") ? f->vote_samples : c->max_samples;
    int r = check_tasks(f, e);
    if (!r) r = check_paths(f, e);
    if (!r) r = numbers(c->caps, &c->n_caps, TABLES_CAPS, "caps", &f->caps, e);
    return r ? r : numbers(c->chains, &c->n_chains, TABLES_CHAINS, "chains", &f->chains, e);
}

/* ---- what is shown ------------------------------------------------------------------------------------- */

enum format { TEXT, MARKDOWN, CSV, HTML };

static int print(FILE *f, enum format how, const struct table *t, size_t n, const struct tables_config *c,
                 struct err *e)
{
    char title[200], intro[400];
    snprintf(title, sizeof title, "Efficient reasoning: %.120s", c->model);
    snprintf(intro, sizeof intro,
             "Measured by terse, on %.100s. Every figure is read from a result file; a dash says why there "
             "is none.%s",
             c->model, strcmp(c->paper, "none") ? " \"paper\" is what the paper reports." : "");
    if (how == HTML) return table_html(f, title, intro, t, n, e);
    if (how == MARKDOWN) fprintf(f, "# %s\n\n%s\n", title, intro);
    if (how == CSV) table_csv_head(f);
    for (size_t i = 0; i < n; i++)
        (how == TEXT ? table_text : how == CSV ? table_csv : table_markdown)(f, &t[i]);
    return 0;
}

static int save(const char *folder, const char *name, enum format how, const struct table *t, size_t n,
                const struct tables_config *c, struct err *e)
{
    char path[FILE_PATH], *text = NULL;
    size_t size = 0;
    int r = file_path(path, e, "%s/%s", folder, name);
    FILE *f = r ? NULL : open_memstream(&text, &size);
    if (!r && !f) r = err_set(e, ERR_NOMEM, "no memory for the tables");
    if (!r) r = print(f, how, t, n, c, e);
    if (f && fclose(f) && !r) r = err_set(e, ERR_NOMEM, "no memory for the tables");
    if (!r) r = file_save(path, text, size, e);
    free(text);
    return r;
}

static int show(const struct book *b, const struct tables_config *c, struct err *e)
{
    struct table t[TABLES];
    size_t n = 0;
    memset(t, 0, sizeof t);
    int r = tables_fill(t, &n, b, c, e);
    if (!r) r = print(stdout, TEXT, t, n, c, e);
    if (!r) r = save(b->folder, "report.html", HTML, t, n, c, e);
    if (!r) r = save(b->folder, "tables.md", MARKDOWN, t, n, c, e);
    if (!r) r = save(b->folder, "tables.csv", CSV, t, n, c, e);
    for (size_t i = 0; i < TABLES; i++) table_free(&t[i]);
    if (!r) printf("\nwritten: %s/report.html, tables.md, tables.csv\n", b->folder);
    return !r && fflush(stdout) ? err_errno(e, errno, "cannot write to standard output") : r;
}

/* How many there are, and which have failed; whether any has. */
static bool tell(const struct book *b)
{
    size_t done = 0, new = 0, failed = 0;
    for (size_t i = 0; i < b->n; i++) {
        done += b->at[i].done, new += b->at[i].changed;
        if (!b->at[i].arg || b->at[i].done || !*b->at[i].why) continue;
        fprintf(stderr, "%s: %s\n", b->at[i].id, b->at[i].why);
        failed++;
    }
    fprintf(stderr, "%zu of %zu measurements are there, %zu of them new\n", done, b->n, new);
    return failed;
}

static int run(struct tables_flags *f, struct options *o, bool *failed, struct err *e)
{
    struct tables_config c;
    struct book b;
    char program[FILE_PATH];
    int r = f->config ? yaml_load_options(f->config, o, e) : 0;
    if (!r) r = configure(&c, f, o, e);
    if (r) return r;
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    if (n < 0) return err_errno(e, errno, "cannot find this program");
    program[n] = 0;
    cli_catch_signals();
    r = book_open(&b, f->output, program, e);
    if (!r) r = tables_cells(&b, &c, e);
    if (!r) r = book_run(&b, f->run, e);
    if (!r) *failed = tell(&b) && f->run;
    if (!r) r = show(&b, &c, e);
    book_close(&b);
    return r;
}

int cmd_tables(int argc, char **argv)
{
    struct tables_flags f;
    struct options o = {0};
    struct err e = {0};
    bool failed = false;
    if (options_init(&o, rows, &f, &e)) return cli_fail(&e);
    o.usage = "terse tables [--config FILE] [--model DIR --lora DIR --brief DIR ...] [-o DIR]";
    o.about =
        "Measures what the paper's tables are made of, as far as there are models for it, and prints them, "
        "measured beside reported. Each measurement is a command of terse whose result is kept; the same "
        "command goes on where it was stopped, and measures again only what has changed.";
    int status = cli_parse(&o, argc, argv);
    if (status < 0) status = run(&f, &o, &failed, &e) ? cli_fail(&e) : failed ? CLI_FAILED : CLI_OK;
    options_free(&o);
    return status;
}
