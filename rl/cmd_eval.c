/* terse eval: how many problems of a file a model solves. */
#include "rl/cmd_eval.h"
#include "checkpoints/file.h"
#include "checkpoints/json.h"
#include "infer/cli.h"
#include "infer/run_options.h"
#include "rl/code_options.h"
#include "rl/eval_screen.h"
#include "rl/lm_results.h"
#include "rl/source.h"
#include "rl/task.h"

#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

enum { CAPS_MAX = 16 };

struct eval_flags {
    struct model_flags model;
    struct sampling_flags sampling;
    struct budget_flags forcing;
    struct ask_flags ask;
    struct string_list caps, tasks;
    char *dataset, *data, *output, *samples, *lm_eval, *system;
    int style;
    int64_t max_samples, repeats, streams, max_new, show;
    struct code_flags code;
    uint32_t cap[CAPS_MAX]; /* [caps.n], read */
};

#define AT(field) .at = offsetof(struct eval_flags, field)
static const struct option rows[] = {
    MODEL_ROWS(eval_flags),
    HEADS_ROW(eval_flags),
    BUNDLE_ROW(eval_flags),
    {.key = "dataset",
     .type = OPT_PATH,
     AT(dataset),
     .unset = "none",
     .group = "Problems",
     .help = "FILE.parquet in OpenThoughts3's schema, or FILE.jsonl or .json (also .gz, .zst) with problem "
             "(or question) and answer"},
    {.key = "tasks",
     .type = OPT_STRINGS,
     AT(tasks),
     .unset = "none",
     .help = "benchmarks instead: aime24, aime25, amc23, math500, gpqa, gsm8k, nano; with --allow-code also "
             "humaneval, mbpp, livecodebench"},
    {.key = "data",
     .type = OPT_PATH,
     AT(data),
     .preset = "downloads/datasets",
     .help = "folder of data sets, where `terse data fetch` puts them"},
    {.key = "style",
     .type = OPT_ENUM,
     AT(style),
     .choices = TASK_STYLES,
     .preset = "paper",
     .help = "of benchmarks: wording, repeats, temperature, top_p and max_new, where they are not given"},
    {.key = "repeats",
     .type = OPT_INT,
     AT(repeats),
     .unset = "the style's, or 1",
     .min = 1,
     .max = 1024,
     .help = "answers to each problem, each with its own luck"},
    {.key = "max_samples",
     .type = OPT_INT,
     AT(max_samples),
     .preset = "300",
     .min = 0,
     .max = 1e9,
     .help = "use the first so many; 0 for all"},
    {.key = "system", .type = OPT_STRING, AT(system), .unset = "the model's own", .help = "system turn"},
    CODE_ROWS(eval_flags),
    ASK_ROWS(eval_flags),
    {.key = "streams",
     .type = OPT_INT,
     AT(streams),
     .preset = "32",
     .min = 1,
     .max = 4096,
     .group = "Generation",
     .help = "answers generated at a time; they do not depend on it"},
    {.key = "max_new",
     .alias = "max_new_tokens",
     .type = OPT_INT,
     AT(max_new),
     .preset = "512",
     .min = 1,
     .max = 1 << 20,
     .unit = "tokens",
     .short_flag = 'n',
     .help = "longest answer"},
    BUDGET_ROWS(eval_flags, "64", NULL, "\\n</think>\\n\\nSo \\boxed{"),
    {.key = "caps",
     .type = OPT_STRINGS,
     AT(caps),
     .unset = "none",
     .unit = "tokens",
     .help = "32,64,128: accuracy without a budget, and beside it under each of these"},
    SAMPLING_ROWS(eval_flags, "0"),
    {.key = "output",
     .type = OPT_PATH,
     AT(output),
     .unset = "none",
     .short_flag = 'o',
     .group = "Files",
     .help = "JSON file for the figures"},
    {.key = "show",
     .type = OPT_INT,
     AT(show),
     .preset = "0",
     .min = 0,
     .max = 1 << 20,
     .unit = "problems",
     .help = "print so many problems with their answers, as they finish"},
    {.key = "samples",
     .type = OPT_PATH,
     AT(samples),
     .unset = "none",
     .help = "JSON lines file for the answers, written as they finish; the same command goes on from it"},
    {.key = "lm_eval",
     .type = OPT_PATH,
     AT(lm_eval),
     .unset = "none",
     .help = "folder for results as lm-evaluation-harness lays them out"},
    {0},
};

/* ---- what is asked ------------------------------------------------------------------------------------- */

/* A benchmark, or the file of problems. */
struct item {
    const struct task *task; /* NULL: the file */
    enum task_style style;
    char path[FILE_PATH];
    uint32_t repeats;
    struct problems p;
    struct eval_record *records; /* [p.n] */
    struct eval_identity id;
    struct eval_result result[1 + CAPS_MAX];
};

/* What changes no answer. */
static const char *const free_keys[] = {
    "dataset", "tasks", "data",    "max_samples",  "repeats",    "streams",      "threads",     "output",
    "samples", "show",  "lm_eval", "prefix_cache", "allow_code", "code_seconds", "code_memory", NULL};

static const char *name_of(const struct item *i)
{
    return i->task ? i->task->name : "problems";
}

static const char *wording_of(const struct item *i)
{
    return i->task ? task_template(i->task, i->style) : "{problem}";
}

static bool is_code(const struct item *i)
{
    return i->task && i->task->kind == TASK_CODE;
}

static int item_load(struct item *i, const struct eval_flags *f, const struct options *o, struct err *e)
{
    uint64_t max = (uint64_t)f->max_samples;
    bool hub = i->task && i->task->repo;
    i->style = hub ? (enum task_style)f->style : STYLE_PLAIN;
    i->repeats = options_given(o, "repeats") ? (uint32_t)f->repeats : hub ? i->task->repeat[i->style] : 1;
    static const struct task file = {.name = "problems", .kind = TASK_MATHS};
    int r = i->task ? task_path(i->path, sizeof i->path, i->task, f->data, e)
                    : file_path(i->path, e, "%s", f->dataset);
    if (!r && hub && !options_given(o, "max_samples")) max = 0;
    if (!r)
        r = task_load(&i->p, i->task ? i->task : &file, i->style, i->path, max, i->repeats, f->sampling.seed,
                      e);
    if (!r && !(i->records = calloc(i->p.n, sizeof *i->records)))
        r = err_set(e, ERR_NOMEM, "no memory for %zu answers", i->p.n);
    if (!r && i->p.without)
        fprintf(stderr, "%s: %llu rows without a question or a reference answer left out\n", i->path,
                (unsigned long long)i->p.without);
    return r;
}

static void items_free(struct item *items, size_t n)
{
    for (size_t i = 0; items && i < n; i++) {
        eval_records_free(items[i].records, items[i].p.n);
        problems_clear(&items[i].p);
    }
    free(items);
}

/* All problems, before a model is opened. */
static int items_load(struct item **out, size_t *n, const struct eval_flags *f, const struct options *o,
                      struct err *e)
{
    int r = 0;
    *n = f->tasks.n ? f->tasks.n : 1;
    struct item *items = *out = calloc(*n, sizeof *items);
    if (!items) return err_set(e, ERR_NOMEM, "no memory for %zu benchmarks", *n);
    for (size_t i = 0; !r && i < *n; i++) {
        items[i].task = f->tasks.n ? task_find(f->tasks.items[i]) : NULL;
        r = item_load(&items[i], f, o, e);
    }
    return r;
}

/* ---- one of them --------------------------------------------------------------------------------------- */

/* Sampling as the style has it, where the user says nothing; it then counts as given. */
static void style_take(struct eval_flags *f, struct sampler_config *s, const struct item *i,
                       const struct options *o)
{
    struct task_sampling how = task_sampling(i->style);
    if (!i->task || !i->task->repo) return;
    if (!options_given(o, "temperature")) s->temperature = f->sampling.temperature = how.temperature;
    if (!options_given(o, "top_p")) s->top_p = f->sampling.top_p = how.top_p;
    if (!options_given(o, "top_k")) s->top_k = 0;
    if (!options_given(o, "max_new")) f->max_new = how.max_new;
}

/* Answers that the file has; none count where caps go on from all of them. */
static int known_take(struct item *i, const struct eval_flags *f, size_t *known, struct err *e)
{
    *known = 0;
    if (!f->samples) return 0;
    int r = eval_file_read(i->records, known, &i->p, i->repeats, f->samples, i->id.run, name_of(i), e);
    for (size_t k = 0; f->caps.n && k < i->p.n; k++) {
        free(i->records[k].answer);
        i->records[k] = (struct eval_record){0};
    }
    if (f->caps.n) *known = 0;
    if (*known) fprintf(stderr, "%s: %zu of %zu answers are there already\n", f->samples, *known, i->p.n);
    return r;
}

/* Under a live line. */
static int item_run(struct item *i, const struct eval_flags *f, const struct loaded *l, struct eval_config *c,
                    struct err *e)
{
    struct eval_screen sc = {.show = (size_t)f->show};
    struct eval_events ev = {eval_screen_sample, eval_screen_tick, &sc};
    size_t known;
    int r = known_take(i, f, &known, e);
    if (!r) r = eval_file_open(&sc.file, f->samples, i->id.run, name_of(i), f->caps.n, e);
    if (r) return r;
    eval_screen_start(&sc, i->task ? i->task->name : "eval", known, i->p.n * (1 + c->n_caps));
    r = eval_run(i->result, l, &i->p, c, &ev, e);
    eval_screen_end(&sc, r);
    struct err closing = {0};
    int closed = eval_file_close(&sc.file, &closing);
    if (!r && closed) *e = closing, r = closed;
    return r;
}

static int item_answer(struct item *i, struct eval_flags *f, const struct options *o, const struct loaded *l,
                       struct eval_config *c, struct err *e)
{
    run_options_sampler(&c->ask.sampler, o, &f->sampling, &l->m->c);
    style_take(f, &c->ask.sampler, i, o);
    c->ask.max_new = (uint32_t)f->max_new, c->repeats = i->repeats, c->records = i->records;
    char judge[sizeof i->id.judge] = "";
    const struct sandbox *s = c->sandbox;
    if (is_code(i))
        snprintf(judge, sizeof judge, "Python %s, %u s, %u MiB, rules %d", s->python, s->seconds, s->memory,
                 CODE_RULES);
    int r = eval_identity(&i->id, l, &f->model, o, free_keys, i->path, wording_of(i), judge, e);
    if (!r) r = item_run(i, f, l, c, e);
    if (!r && i->task) printf("%s%s: ", i->task->title, i->task->repo ? "" : " (terse's own)");
    if (!r) eval_result_print(i->result, c, judge);
    return r;
}

/* With the style's sampling, which is the flags' while it lasts: what an answer depends on is read from them.
 */
static int item_evaluate(struct item *i, struct eval_flags *f, const struct options *o,
                         const struct loaded *l, struct eval_config *c, struct err *e)
{
    struct sampling_flags sampling = f->sampling;
    int64_t max_new = f->max_new;
    int r = item_answer(i, f, o, l, c, e);
    f->sampling = sampling, f->max_new = max_new;
    return r;
}

/* ---- what is left -------------------------------------------------------------------------------------- */

/* Benchmarks by name; of a file its figures alone. */
static int results_save(const struct item *items, size_t n, const struct eval_config *c, const char *path,
                        struct err *e)
{
    struct js_out w;
    js_out_init(&w, 2);
    js_object(&w, NULL);
    for (size_t i = 0; i < n; i++) {
        if (items[i].task) js_object(&w, items[i].task->name);
        eval_result_put(&w, items[i].result, c, items[i].records, &items[i].id);
        if (items[i].task) js_close(&w);
    }
    js_close(&w);
    return js_out_save(&w, path, e);
}

static double now(void)
{
    struct timeval t;
    gettimeofday(&t, NULL);
    return (double)t.tv_sec + 1e-6 * (double)t.tv_usec;
}

static int lm_eval_save(const struct item *items, size_t n, const struct eval_config *c,
                        const struct eval_flags *f, double started, struct err *e)
{
    static const char *const modes[] = {"auto", "chat", "reason"};
    char path[FILE_PATH];
    struct lm_task *t = calloc(n, sizeof *t);
    if (!t) return err_set(e, ERR_NOMEM, "no memory for results");
    for (size_t i = 0; i < n; i++) {
        const struct item *x = &items[i];
        t[i] = (struct lm_task){name_of(x),    x->task ? x->task->title : "problems",
                                wording_of(x), x->result[0],
                                x->records,    x->id};
    }
    struct lm_run run = {.model = f->model.bundle ? f->model.bundle : f->model.model,
                         .adapter = f->model.lora,
                         .mode = modes[c->ask.mode],
                         .system = f->system,
                         .sampler = &c->ask.sampler,
                         .max_new = c->ask.max_new,
                         .streams = (uint32_t)f->streams,
                         .started = started,
                         .ended = now(),
                         .task = t,
                         .n = n};
    int r = lm_results_save(path, sizeof path, f->lm_eval, &run, e);
    if (!r) printf("%s\n", path);
    free(t);
    return r;
}

/* All of them, and what they leave. */
static int items_evaluate(struct item *items, size_t n, struct eval_flags *f, const struct options *o,
                          const struct loaded *l, struct eval_config *c, struct err *e)
{
    double started = now();
    int r = 0;
    for (size_t i = 0; !r && i < n; i++) r = item_evaluate(&items[i], f, o, l, c, e);
    if (!r && f->output) r = results_save(items, n, c, f->output, e);
    return !r && f->lm_eval ? lm_eval_save(items, n, c, f, started, e) : r;
}

static int evaluate(struct item *items, size_t n, struct eval_flags *f, const struct options *o,
                    const struct loaded *l, const struct sandbox *sandbox, struct err *e)
{
    struct budget forcing;
    struct eval_config c = {
        .session = run_options_session(&f->model, (uint32_t)f->streams, 0),
        .system = f->system,
        .sandbox = sandbox,
        .forcing = &forcing,
        .caps = f->cap,
        .n_caps = (uint32_t)f->caps.n,
    };
    int r = run_options_ask(&c.ask, o, &f->ask, &source_any, l, e);
    if (!r) r = run_options_one_answer(&c.ask, e);
    if (!r)
        r = budget_init(&forcing, l->tokenizer, (uint32_t)f->forcing.budget,
                        (uint32_t)f->forcing.answer_tokens,
                        f->forcing.closing ? f->forcing.closing : BUDGET_ASKING, e);
    if (r) return r;
    r = items_evaluate(items, n, f, o, l, &c, e);
    budget_clear(&forcing);
    return r;
}

static int run(struct eval_flags *f, const struct options *o, struct err *e)
{
    struct item *items = NULL;
    size_t n = 0;
    struct loaded l;
    struct sandbox sandbox;
    int r = code_options_asked(&f->tasks)
                ? sandbox_open(&sandbox, (uint32_t)f->code.seconds, (uint32_t)f->code.memory, e)
                : 0;
    if (!r) r = items_load(&items, &n, f, o, e);
    cli_catch_signals();
    f->model.digests = true;
    if (!r && !(r = run_options_load(&l, &source_any, &f->model, e))) {
        r = evaluate(items, n, f, o, &l, &sandbox, e);
        load_clear(&l);
    }
    items_free(items, n);
    return r;
}

/* ---- the command --------------------------------------------------------------------------------------- */

static int check_tasks(const struct eval_flags *f, struct err *e)
{
    if (!f->tasks.n == !f->dataset)
        return err_set(e, ERR_USAGE,
                       f->dataset ? "--tasks and --dataset: one of them"
                                  : "nothing to answer: give --tasks or --dataset FILE");
    for (size_t i = 0; i < f->tasks.n; i++) {
        int r = task_check(f->tasks.items[i], e);
        if (r) return r;
    }
    return 0;
}

/* What programs allow: they are run, and have neither votes nor boxes. */
static int check_code(const struct eval_flags *f, const struct options *o, struct err *e)
{
    int r = code_options_check(&f->code, &f->tasks, e);
    if (r || !code_options_asked(&f->tasks)) return r;
    if (f->ask.answers > 1)
        return err_set(e, ERR_USAGE, "programs cannot vote; leave out -N (--repeats gives several answers)");
    if ((f->forcing.budget || f->caps.n) && !options_given(o, "closing"))
        return err_set(e, ERR_USAGE,
                       "--budget and --caps end with a box for the answer, which a program has not: give "
                       "--closing too, such as '\n</think>\n\n```python\n'");
    return 0;
}

static int check(struct eval_flags *f, const struct options *o, struct err *e)
{
    bool forced = f->forcing.budget || f->caps.n;
    long long most = f->max_new - f->forcing.answer_tokens;
    if (f->ask.answers > 1 && f->caps.n)
        return err_set(e, ERR_USAGE, "--caps cut single chains; leave out -N");
    if (f->forcing.budget && f->caps.n)
        return err_set(e, ERR_USAGE, "--budget and --caps: one of them, caps are budgets too");
    if (!forced && (options_given(o, "answer_tokens") || options_given(o, "closing")))
        return err_set(e, ERR_USAGE,
                       "--answer-tokens and --closing say what follows a budget; give --budget or --caps");
    if (f->caps.n > CAPS_MAX) return err_set(e, ERR_USAGE, "%zu caps, at most %d", f->caps.n, CAPS_MAX);
    if (f->caps.n && most < 1)
        return err_set(e, ERR_USAGE, "--caps: -n %lld leaves nothing to think beside --answer-tokens %lld",
                       (long long)f->max_new, (long long)f->forcing.answer_tokens);
    for (size_t i = 0; i < f->caps.n; i++) {
        char *end;
        const char *text = f->caps.items[i];
        long cap = strtol(text, &end, 10);
        if (*end || end == text || cap < 1 || cap > most)
            return err_set(e, ERR_USAGE, "caps: \"%.40s\", expected 1 to %lld: -n less --answer-tokens", text,
                           most);
        f->cap[i] = (uint32_t)cap;
    }
    int r = check_tasks(f, e);
    if (!r) r = check_code(f, o, e);
    if (!r) r = run_options_check(o, e);
    return r ? r : options_check_required(o, e);
}

int cmd_eval(int argc, char **argv)
{
    struct option table[sizeof rows / sizeof *rows];
    struct eval_flags f;
    struct options o = {0};
    struct err e = {0};
    run_options_table(table, rows, sizeof rows, &source_any);
    if (options_init(&o, table, &f, &e)) return cli_fail(&e);
    o.usage = "terse eval -m DIR [--lora ADAPTER] --tasks math500|--dataset FILE [-o results.json] "
              "[--samples samples.jsonl]";
    o.about = "Lets a model answer problems and counts the right answers: the last \\boxed{} of an answer, "
              "else what it says the answer is, else its last formula or number, is compared with the "
              "reference by what it means (docs/grading.md), and by the string rule of published tables.";
    int status = cli_parse(&o, argc, argv);
    if (status < 0 && check(&f, &o, &e)) status = cli_usage(&e);
    if (status < 0) status = run(&f, &o, &e) ? cli_fail(&e) : CLI_OK;
    options_free(&o);
    return status;
}
