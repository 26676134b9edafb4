/* terse switcher: a head that says of a prompt whether thinking will pay. */
#include "rl/cmd_switcher.h"
#include "checkpoints/file.h"
#include "checkpoints/yaml.h"
#include "infer/cli.h"
#include "infer/option_rows.h"
#include "infer/progress.h"
#include "infer/run_options.h"
#include "rl/cmd_heads.h"
#include "rl/cmd_routes.h"
#include "rl/source.h"
#include "rl/switcher.h"

#include <stdlib.h>

enum label_source { LABELS_AUTO, LABELS_FILES, LABELS_MEASURED };

struct switcher_flags {
    struct model_flags model;
    struct sampling_flags sampling;
    struct head_flags head;
    char *config, *output, *system;
    struct string_list train, test;
    int pooling, labels;
    int64_t difficulty, max_samples, max_new, streams;
    double alike, target_saving, target_accuracy;
};

#define AT(field) .at = offsetof(struct switcher_flags, field)
/* The formatter would take the rows apart. */
/* clang-format off */
static const struct option rows[] = {
    CONFIG_ROW(AT(config), .unset = "none", .group = "Run"),
    OUTPUT_ROW(AT(output), .help = "folder for features, switcher.safetensors and report.json"),
    MODEL_ROWS(switcher_flags),
    {.key = "train", .type = OPT_PATHS, AT(train), .required = true, .group = "Prompts",
     .help = "FILE.jsonl with prompt and label (0, 1, chat, reason) or answer, or FILE.parquet in OpenThoughts3's schema"},
    {.key = "test", .type = OPT_PATHS, AT(test), .unset = "a part of the training prompts", .help = "files that nothing is chosen on"},
    {.key = "max_samples", .type = OPT_INT, AT(max_samples), .preset = "0", .min = 0, .max = 1e9,
     .help = "use the first so many prompts of a file; 0 for all"},
    {.key = "labels", .type = OPT_ENUM, AT(labels), .choices = "auto|files|measured", .preset = "auto",
     .help = "the files', or measured: 1 where the base fails and the adapter succeeds; auto measures with --lora"},
    {.key = "difficulty", .type = OPT_INT, AT(difficulty), .preset = "2", .min = 0, .max = 1e6,
     .help = "from here on a row of a parquet file is labelled as worth thinking about"},
    {.key = "near_duplicates", .type = OPT_FLOAT, AT(alike), .preset = "0.8", .min = 0, .max = 1, .open = OPT_OPEN_MIN,
     .help = "prompts that share so much of their phrases are kept in one part"},
    {.key = "system", .type = OPT_STRING, AT(system), .unset = "the model's own", .help = "system turn"},
    HEAD_SPLIT_ROWS(switcher_flags, "prompts", ", where no file is given"),
    {.key = "max_new", .alias = "max_new_tokens", .type = OPT_INT, AT(max_new), .preset = "512", .min = 1, .max = 1 << 20,
     .unit = "tokens", .short_flag = 'n', .group = "Answers", .help = "longest answer that is measured"},
    {.key = "streams", .type = OPT_INT, AT(streams), .preset = "32", .min = 1, .max = 4096,
     .help = "answers generated at a time; they do not depend on it"},
    SAMPLING_CUT_ROWS(switcher_flags, "0"),
    {.key = "sample_seed", .type = OPT_UINT64, SAMPLING_FLAG(switcher_flags, seed), .preset = "0", .help = "the same seed, the same answers"},
    {.key = "target_saving", .type = OPT_FLOAT, AT(target_saving), .unset = "none", .min = 0, .max = 1, .group = "Routing",
     .help = "pick the most accurate threshold that saves this share of the tokens of always thinking"},
    {.key = "target_accuracy", .type = OPT_FLOAT, AT(target_accuracy), .unset = "none", .min = 0, .max = 1,
     .help = "pick the cheapest threshold that is so accurate; without a target, the most accurate"},
    HEAD_LAYERS_ROW(switcher_flags, "prompts"),
    {.key = "pooling", .type = OPT_ENUM, AT(pooling), .choices = "last|mean|ema", .preset = "ema", .help = "of a prompt's states"},
    HEAD_FIT_ROWS(switcher_flags, "prompts", "8", "0.2", "0.5", "true"),
    {0},
};
/* clang-format on */

/* Whether prompts are answered both ways. */
static bool measures(const struct switcher_flags *f)
{
    return f->model.lora != NULL;
}

static bool labels_measured(const struct switcher_flags *f)
{
    return f->labels == LABELS_MEASURED || (f->labels == LABELS_AUTO && measures(f));
}

/* ---- features ------------------------------------------------------------------------------------------ */

static int on_prompt(void *ctx, size_t done)
{
    progress_update(ctx, done, NULL);
    return cli_interrupted();
}

static int on_answer(void *ctx, size_t done, uint64_t tokens)
{
    (void)tokens;
    return on_prompt(ctx, done);
}

static void bar_end(struct progress *bar, int r, size_t all)
{
    if (r)
        progress_clear(bar);
    else
        progress_finish(bar, all, NULL);
}

/* The files' prompts; near-duplicates are of one group. */
static int load_prompts(struct labelled *p, const struct switcher_flags *f, const struct string_list *files,
                        struct err *e)
{
    struct labelled_rules rules = {.difficulty = f->difficulty,
                                   .max = (uint64_t)f->max_samples,
                                   .label = !labels_measured(f),
                                   .answer = measures(f)};
    size_t joined = 0;
    int r = 0;
    for (size_t i = 0; !r && i < files->n; i++) r = labelled_load(p, files->items[i], &rules, e);
    if (!r) r = labelled_join(p, f->alike, &joined, e);
    if (!r && p->without)
        fprintf(stderr, "%llu rows left out, without a question%s%s\n", (unsigned long long)p->without,
                rules.label ? " or a label" : "", rules.answer ? " or a reference answer" : "");
    if (!r && joined)
        fprintf(stderr, "%zu of %zu prompts are much like others: kept together\n", joined, p->n);
    return r;
}

/* Only thinking solves it: what a measured label says. */
static bool pays(const struct switcher_answers *a)
{
    return !a->right[0] && a->right[1];
}

/* What measured labels come from. */
static void say_measured(const struct labelled *p, const struct switcher_answers *a)
{
    double n = (double)p->n, tokens[2] = {0, 0}, right[2] = {0, 0};
    size_t whole = 0, paying = 0;
    for (size_t i = 0; i < p->n; i++) {
        for (int way = 0; way < 2; way++) tokens[way] += a[i].tokens[way], right[way] += a[i].right[way];
        whole += p->at[i].whole, paying += pays(&a[i]);
    }
    fprintf(stderr,
            "%zu prompts (%zu judged by their whole reply): the base %.1f %% right, %.1f tokens; with the "
            "adapter %.1f %%, %.1f; only thinking solves %.1f %%\n",
            p->n, whole, 100 * right[0] / n, tokens[0] / n, 100 * right[1] / n, tokens[1] / n,
            100 * (double)paying / n);
}

/* Answers of all prompts, both ways, which become their labels unless the files' are wanted. */
static int measure(struct switcher_answers *a, const struct switcher_flags *f, const struct options *o,
                   const struct loaded *l, struct labelled *p, struct err *e)
{
    struct progress bar;
    struct eval_config c = {.session = run_options_session(&f->model, (uint32_t)f->streams, 0),
                            .ask = {.chains = 1, .max_new = (uint32_t)f->max_new},
                            .system = f->system};
    run_options_sampler(&c.ask.sampler, o, &f->sampling, &l->m->c);
    progress_start(&bar, stderr, "answer", "answer", 0, 2 * p->n);
    int r = switcher_measure(a, l, p, &c, on_answer, &bar, e);
    bar_end(&bar, r, 2 * p->n);
    if (r) return r;
    say_measured(p, a);
    for (size_t i = 0; labels_measured(f) && i < p->n; i++) p->at[i].label = pays(&a[i]);
    return 0;
}

/* Prompts of the files, answered if there is an adapter, run through the base into `dir`. */
static int make_features(const struct switcher_flags *f, const struct options *o, const struct loaded *l,
                         const struct switcher_states *c, const struct string_list *files, const char *dir,
                         struct err *e)
{
    struct labelled prompts = {0};
    struct switcher_answers *answers = NULL;
    struct progress bar;
    int r = load_prompts(&prompts, f, files, e);
    if (!r && measures(f)) {
        answers = calloc(prompts.n, sizeof *answers);
        r = answers ? measure(answers, f, o, l, &prompts, e)
                    : err_set(e, ERR_NOMEM, "no memory for %zu answers", prompts.n);
    }
    if (!r) {
        progress_start(&bar, stderr, "read", "prompt", 0, prompts.n);
        r = switcher_features(l, &prompts, answers, c, dir, on_prompt, &bar, e);
        bar_end(&bar, r, prompts.n);
    }
    labelled_clear(&prompts);
    free(answers);
    return r;
}

static const char *const free_keys[] = {
    "config", "output",  "model",        "lora",          "threads",         "train",   "test",
    "layers", "streams", "prefix_cache", "target_saving", "target_accuracy", HEAD_KEYS, NULL};

/* OUTPUT/NAME: as it stands there, or made of the files. */
static int take_features(struct features **out, const struct switcher_flags *f, const struct options *o,
                         const struct loaded *l, const struct string_list *files, const char *name,
                         struct err *e)
{
    char made[SHA256_HEX], dir[FILE_PATH];
    struct switcher_states c = {
        .pooling = (enum pooling)f->pooling, .system = f->system, .made = made, .max_tokens = l->m->context};
    int r = head_options_depths(&c.depths, &f->head, l->m->c.layers, e);
    if (!r) r = cmd_heads_made(made, o, free_keys, l, files, e);
    if (!r) r = file_path(dir, e, "%s/%s", f->output, name);
    struct features_origin would = switcher_origin(l, &c);
    if (!r) r = cmd_heads_reuse(out, dir, &would, e);
    if (r || *out) return r;
    r = make_features(f, o, l, &c, files, dir, e);
    return r ? r : features_open(out, dir, e);
}

/* ---- the run ------------------------------------------------------------------------------------------- */

/* What there is to say of the seeds. */
struct found {
    struct heads h;
    struct route_target target;
    struct route_fit *route; /* [h.n], or NULL: nothing was measured */
};

static struct route_target target_of(const struct switcher_flags *f, const struct options *o)
{
    if (options_given(o, "target_saving")) return (struct route_target){ROUTE_FOR_SAVING, f->target_saving};
    if (options_given(o, "target_accuracy"))
        return (struct route_target){ROUTE_FOR_ACCURACY, f->target_accuracy};
    return (struct route_target){0};
}

static int route(struct found *x, const struct switcher_flags *f, const struct features *set,
                 const struct features *test, struct err *e)
{
    int r = 0;
    x->route = calloc((size_t)x->h.n, sizeof *x->route);
    if (!x->route) return err_set(e, ERR_NOMEM, "no memory for curves");
    for (int64_t k = 0; !r && k < x->h.n; k++) {
        struct head_fit_config c = head_options_fit(&f->head, k);
        r = route_fit(&x->route[k], &x->h.fit[k], set, test, &x->target, &c, e);
        if (!r && cli_interrupted()) r = err_set(e, ERR_INTERRUPTED, "stopped; the features are kept");
    }
    return r;
}

static void put_route(void *ctx, struct js_out *w, int64_t k)
{
    const struct found *x = ctx;
    if (x->route) cmd_routes_put(w, &x->route[k], &x->target);
}

static int show(struct found *x, const struct switcher_flags *f, const struct features *set, struct err *e)
{
    int64_t best = cmd_heads_best(&x->h);
    double threshold = x->route ? x->route[best].valid.threshold : x->h.fit[best].threshold;
    if (x->h.fit[0].shared)
        printf("%u training prompts left out that stand, word for word, among those of the test\n",
               x->h.fit[0].shared);
    cmd_heads_print_layers(&x->h);
    for (int64_t k = 0; k < x->h.n; k++) {
        cmd_heads_print_figures(&x->h, k);
        if (x->route) cmd_routes_print(&x->route[k], &x->target);
    }
    int r = x->route ? cmd_routes_plot(&x->route[best], e) : 0;
    if (!r && x->route) r = cmd_routes_png(x->route, x->h.n, f->output, e);
    if (!r) r = cmd_heads_report(&x->h, set, f->output, put_route, x, e);
    return r ? r : cmd_heads_save(&x->h, best, threshold, set, f->output, e);
}

static int fit(const struct heads_run *h, const struct loaded *l, const struct features *set,
               const struct features *test, struct err *e)
{
    const struct switcher_flags *f = h->flags;
    struct found x = {.target = target_of(f, h->o)};
    int r = cmd_heads_fit(&x.h, &f->head, "prompt", set, test, l->pool, e);
    if (!r && measures(f)) r = route(&x, f, set, test, e);
    if (!r) r = show(&x, f, set, e);
    for (int64_t k = 0; x.route && k < x.h.n; k++) route_fit_free(&x.route[k]);
    free(x.route);
    cmd_heads_free(&x.h);
    return r;
}

static int check(const struct heads_run *h, struct err *e)
{
    const struct switcher_flags *f = h->flags;
    const struct options *o = h->o;
    bool saving = options_given(o, "target_saving"), accuracy = options_given(o, "target_accuracy");
    if (saving && accuracy)
        return err_set(e, ERR_CFG_CONFLICT, "target_saving (%s) and target_accuracy (%s): one of them",
                       options_where(o, "target_saving"), options_where(o, "target_accuracy"));
    if (!measures(f) && (saving || accuracy || f->labels == LABELS_MEASURED))
        return err_set(e, ERR_CFG_CONFLICT,
                       "%s (%s) takes answers of the base and of an adapter: give --lora",
                       saving     ? "target_saving"
                       : accuracy ? "target_accuracy"
                                  : "labels: measured",
                       options_where(o, saving     ? "target_saving"
                                        : accuracy ? "target_accuracy"
                                                   : "labels"));
    return f->test.n ? 0 : head_options_shares(&f->head, e);
}

static int take(struct features **out, const struct heads_run *h, const struct loaded *l, bool test,
                struct err *e)
{
    const struct switcher_flags *f = h->flags;
    return take_features(out, f, h->o, l, test ? &f->test : &f->train, test ? "features-test" : "features",
                         e);
}

static int run(struct switcher_flags *f, struct options *o, struct err *e)
{
    struct heads_run h = {f, o, &f->model, check, take, fit};
    int r = f->config ? yaml_load_options(f->config, o, e) : 0;
    return r ? r : cmd_heads_run(&h, f->output, f->test.n, e);
}

int cmd_switcher(int argc, char **argv)
{
    struct option table[sizeof rows / sizeof *rows];
    struct switcher_flags f;
    struct options o = {0};
    struct err e = {0};
    run_options_table(table, rows, sizeof rows, &source_any);
    if (options_init(&o, table, &f, &e)) return cli_fail(&e);
    o.usage = "terse switcher --config FILE [key=value ...]";
    o.about =
        "Learns to tell from the base's hidden states, as a prompt is read, whether thinking will pay. "
        "Prompts are labelled, or, with an adapter, answered both ways: then it shows what routing by the "
        "head costs and saves. One head is trained for each layer; layer, temperature and threshold are "
        "chosen on validation prompts; figures are of test prompts, beside what the prompt's length "
        "alone would give. The same command goes on where it was stopped, and answers nothing anew when "
        "only the head's options change.";
    int status = cli_parse(&o, argc, argv);
    if (status < 0) status = run(&f, &o, &e) ? cli_fail(&e) : CLI_OK;
    options_free(&o);
    return status;
}
