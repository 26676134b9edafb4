/* terse switcher: a head that says of a prompt whether thinking will pay. */
#include "rl/cmd_switcher.h"
#include "checkpoints/file.h"
#include "checkpoints/yaml.h"
#include "infer/cli.h"
#include "infer/option_rows.h"
#include "infer/progress.h"
#include "rl/cmd_heads.h"
#include "rl/switcher.h"

struct switcher_flags {
    struct head_flags head;
    char *config, *model, *output, *system;
    struct string_list train, test;
    int dtype, pooling;
    int64_t threads, context, difficulty;
};

#define AT(field) .at = offsetof(struct switcher_flags, field)
/* The formatter would take the rows apart. */
/* clang-format off */
static const struct option table[] = {
    CONFIG_ROW(AT(config), .unset = "none", .group = "Run"),
    OUTPUT_ROW(AT(output), .help = "folder for features, switcher.safetensors and report.json"),
    MODEL_ROW(AT(model), .group = "Model", .help = "folder or GGUF file of the base"),
    {.key = "dtype", .type = OPT_ENUM, AT(dtype), .choices = LOAD_DTYPES, .preset = "auto", .help = "of weights and products"},
    THREADS_ROW(AT(threads), .short_flag = 't', .help = "0 for one a processor; results do not depend on it"),
    {.key = "ctx_size", .type = OPT_INT, AT(context), .preset = "4096", .min = 1, .max = 1 << 24, .unit = "tokens",
     .short_flag = 'c', .help = "longest prompt"},
    {.key = "train", .type = OPT_PATHS, AT(train), .required = true, .group = "Prompts",
     .help = "FILE.jsonl with prompt and label (0, 1, chat, reason), or FILE.parquet in OpenThoughts3's schema"},
    {.key = "test", .type = OPT_PATHS, AT(test), .unset = "a part of the training prompts", .help = "files that nothing is chosen on"},
    {.key = "difficulty", .type = OPT_INT, AT(difficulty), .preset = "2", .min = 0, .max = 1e6,
     .help = "from here on a row of a parquet file is worth thinking about"},
    {.key = "system", .type = OPT_STRING, AT(system), .unset = "the model's own", .help = "system turn"},
    HEAD_SPLIT_ROWS(switcher_flags, "prompts", ", where no file is given"),
    HEAD_LAYERS_ROW(switcher_flags, "prompts"),
    {.key = "pooling", .type = OPT_ENUM, AT(pooling), .choices = "last|mean|ema", .preset = "ema", .help = "of a prompt's states"},
    HEAD_FIT_ROWS(switcher_flags, "prompts", "8", "0.2", "0.5", "true"),
    {0},
};
/* clang-format on */

/* ---- features ------------------------------------------------------------------------------------------ */

static int on_prompt(void *ctx, size_t done)
{
    progress_update(ctx, done, NULL);
    return cli_interrupted();
}

/* Prompts of the files, run through the base into `dir`. */
static int make_features(const struct switcher_flags *f, const struct loaded *l,
                         const struct switcher_states *c, const struct string_list *files, const char *dir,
                         struct err *e)
{
    struct labelled_rules rules = {.difficulty = f->difficulty, .label = true};
    struct labelled prompts = {0};
    struct progress bar;
    int r = 0;
    for (size_t i = 0; !r && i < files->n; i++) r = labelled_load(&prompts, files->items[i], &rules, e);
    if (!r && prompts.without)
        fprintf(stderr, "%llu rows without a question or a label left out\n",
                (unsigned long long)prompts.without);
    if (!r) {
        progress_start(&bar, stderr, "read", "prompt", 0, prompts.n);
        r = switcher_features(l, &prompts, NULL, c, dir, on_prompt, &bar, e);
        if (r)
            progress_clear(&bar);
        else
            progress_finish(&bar, prompts.n, NULL);
    }
    labelled_clear(&prompts);
    return r;
}

static const char *const free_keys[] = {"config", "output", "model",   "threads", "train",
                                        "test",   "layers", HEAD_KEYS, NULL};

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
    r = make_features(f, l, &c, files, dir, e);
    return r ? r : features_open(out, dir, e);
}

/* ---- the run ------------------------------------------------------------------------------------------- */

static int fit(const struct switcher_flags *f, const struct loaded *l, const struct features *set,
               const struct features *test, struct err *e)
{
    struct heads h;
    int r = cmd_heads_fit(&h, &f->head, "prompt", set, test, l->pool, e);
    if (!r) {
        int64_t best = cmd_heads_best(&h);
        cmd_heads_print_layers(&h);
        for (int64_t k = 0; k < h.n; k++) cmd_heads_print_figures(&h, k);
        r = cmd_heads_report(&h, set, f->output, NULL, NULL, e);
        if (!r) r = cmd_heads_save(&h, best, h.fit[best].threshold, set, f->output, e);
    }
    cmd_heads_free(&h);
    return r;
}

static int run(struct switcher_flags *f, struct options *o, struct err *e)
{
    struct loaded l;
    struct features *set = NULL, *test = NULL;
    int r = f->config ? yaml_load_options(f->config, o, e) : 0;
    if (!r) r = options_check_required(o, e);
    if (!r && !f->test.n) r = head_options_shares(&f->head, e);
    if (r) return r;
    cli_catch_signals();
    struct load_options lo = {.model = f->model,
                              .dtype = (enum load_dtype)f->dtype,
                              .threads = (unsigned)f->threads,
                              .context = (uint32_t)f->context};
    r = cmd_heads_load(&l, &lo, e);
    if (!r) r = file_make_dirs(f->output, e);
    if (!r) r = take_features(&set, f, o, &l, &f->train, "features", e);
    if (!r && f->test.n) r = take_features(&test, f, o, &l, &f->test, "features-test", e);
    if (!r) r = fit(f, &l, set, test, e);
    features_close(set), features_close(test);
    load_clear(&l);
    return r;
}

int cmd_switcher(int argc, char **argv)
{
    struct switcher_flags f;
    struct options o = {0};
    struct err e = {0};
    if (options_init(&o, table, &f, &e)) return cli_fail(&e);
    o.usage = "terse switcher --config FILE [key=value ...]";
    o.about = "Learns to tell from the base's hidden states, as a prompt is read, whether thinking will pay. "
              "One head is trained for each layer; layer, temperature and threshold are chosen on validation "
              "prompts; figures are of test prompts, beside what the prompt's length alone would give.";
    int status = cli_parse(&o, argc, argv);
    if (status < 0) status = run(&f, &o, &e) ? cli_fail(&e) : CLI_OK;
    options_free(&o);
    return status;
}
