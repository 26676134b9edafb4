/* terse switcher: a head that says of a prompt whether thinking will pay. */
#include "rl/cmd_switcher.h"
#include "checkpoints/file.h"
#include "checkpoints/head_file.h"
#include "checkpoints/json.h"
#include "checkpoints/load.h"
#include "checkpoints/yaml.h"
#include "infer/cli.h"
#include "infer/option_rows.h"
#include "infer/progress.h"
#include "rl/switcher.h"
#include "train/head_fit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SEEDS_MAX = 100 };

struct switcher_flags {
    char *config, *model, *output, *system;
    struct string_list train, test, layers;
    int dtype, pooling;
    int64_t threads, context, difficulty, hidden, batch, epochs, patience, seeds, resamples, bins;
    double dropout, noise, rate, decay, train_share, valid_share;
    bool balance;
    uint64_t seed, split_seed;
};

#define AT(field) .at = offsetof(struct switcher_flags, field)
/* The formatter would take the rows apart. */
/* clang-format off */
static const struct option table[] = {
    {.key = "config", .type = OPT_PATH, AT(config), .args_only = true, .unset = "none", .group = "Run",
     .help = "YAML file with any of these"},
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
    {.key = "train_share", .type = OPT_FLOAT, AT(train_share), .preset = "0.7", .min = 0, .max = 1, .open = OPT_OPEN_MIN | OPT_OPEN_MAX,
     .help = "of the prompts; what it and valid_share leave is the test, where no file is given"},
    {.key = "valid_share", .type = OPT_FLOAT, AT(valid_share), .preset = "0.15", .min = 0, .max = 1, .open = OPT_OPEN_MIN | OPT_OPEN_MAX,
     .help = "for the choice of layer, epoch, temperature and threshold"},
    {.key = "split_seed", .type = OPT_UINT64, AT(split_seed), .preset = "0", .help = "which prompts go where"},
    {.key = "layers", .type = OPT_STRINGS, AT(layers), .unset = "each fourth of the model, and final", .group = "Head",
     .help = "1,2,final: where states are taken, after so many layers; one is chosen on validation prompts"},
    {.key = "pooling", .type = OPT_ENUM, AT(pooling), .choices = "last|mean|ema", .preset = "ema", .help = "of a prompt's states"},
    {.key = "hidden", .type = OPT_INT, AT(hidden), .preset = "8", .min = 0, .max = HEAD_MAX_HIDDEN, .unit = "units", .help = "0 for a linear head"},
    {.key = "dropout", .type = OPT_FLOAT, AT(dropout), .preset = "0.2", .min = 0, .max = 1, .open = OPT_OPEN_MAX, .help = "of hidden units"},
    {.key = "noise", .type = OPT_FLOAT, AT(noise), .preset = "0.5", .min = 0, .max = 100, .help = "sigma of what is added to standardised states"},
    {.key = "balance", .type = OPT_BOOL, AT(balance), .preset = "true", .help = "let either label count half"},
    {.key = "learning_rate", .type = OPT_FLOAT, AT(rate), .preset = "3e-3", .min = 0, .max = 10, .open = OPT_OPEN_MIN, .group = "Training", .help = "of AdamW"},
    {.key = "weight_decay", .type = OPT_FLOAT, AT(decay), .preset = "0.01", .min = 0, .max = 10, .help = "of weights, not of biases"},
    {.key = "batch", .type = OPT_INT, AT(batch), .preset = "64", .min = 1, .max = 1 << 20, .unit = "prompts", .help = "a step"},
    {.key = "epochs", .type = OPT_INT, AT(epochs), .preset = "60", .min = 1, .max = 100000, .help = "at most"},
    {.key = "patience", .type = OPT_INT, AT(patience), .preset = "10", .min = 0, .max = 100000, .unit = "epochs",
     .help = "stop after so many without a better validation loss; 0 for never"},
    {.key = "seeds", .type = OPT_INT, AT(seeds), .preset = "3", .min = 1, .max = SEEDS_MAX, .help = "heads to train, each with a seed of its own"},
    {.key = "seed", .type = OPT_UINT64, AT(seed), .preset = "0", .help = "the first of them"},
    {.key = "resamples", .type = OPT_INT, AT(resamples), .preset = "2000", .min = 100, .max = 1000000, .group = "Report",
     .help = "bootstrap samples behind the intervals"},
    {.key = "bins", .type = OPT_INT, AT(bins), .preset = "10", .min = 1, .max = SCORE_BINS_MAX, .help = "of the calibration error"},
    {0},
};
/* clang-format on */

/* ---- options ------------------------------------------------------------------------------------------- */

/* "final", or a number of layers. */
static int read_layer(const char *text, uint32_t *out, struct err *e)
{
    char *end;
    long n = strtol(text, &end, 10);
    *out = STATES_FINAL;
    if (strcmp(text, "final") == 0) return 0;
    *out = (uint32_t)n;
    if (*text >= '0' && *text <= '9' && !*end && n >= 0 && n < UINT16_MAX) return 0;
    return err_set(e, ERR_USAGE, "layers: \"%.40s\", expected a number of layers, or final", text);
}

static int read_layers(const struct switcher_flags *f, uint32_t layers, struct states_config *out,
                       struct err *e)
{
    *out = (struct states_config){0};
    if (f->layers.n > STATES_MAX_DEPTHS)
        return err_set(e, ERR_USAGE, "%zu layers, at most %d", f->layers.n, STATES_MAX_DEPTHS);
    for (size_t i = 0; i < f->layers.n; i++) {
        int r = read_layer(f->layers.items[i], &out->depth[out->n++], e);
        if (r) return r;
    }
    for (uint32_t i = 1; !f->layers.n && i <= 4; i++) {
        uint32_t depth = (layers * i + 2) / 4;
        if (depth && (!out->n || depth != out->depth[out->n - 1])) out->depth[out->n++] = depth;
    }
    if (!f->layers.n) out->depth[out->n++] = STATES_FINAL;
    return states_config_check(out, layers, e);
}

static const char *layer_name(uint32_t depth, char room[16])
{
    snprintf(room, 16, "%u", depth);
    return depth == STATES_FINAL ? "final" : room;
}

static struct head_fit_config fit_config(const struct switcher_flags *f, int64_t k)
{
    struct head_recipe r = {.hidden = (uint32_t)f->hidden,
                            .dropout = f->dropout,
                            .noise = f->noise,
                            .weight = {1, 1},
                            .learning_rate = f->rate,
                            .weight_decay = f->decay,
                            .batch = (uint32_t)f->batch,
                            .epochs = (uint32_t)f->epochs,
                            .patience = (uint32_t)f->patience,
                            .seed = f->seed + (uint64_t)k};
    return (struct head_fit_config){.recipe = r,
                                    .balance = f->balance,
                                    .train = f->train_share,
                                    .valid = f->valid_share,
                                    .split_seed = f->split_seed,
                                    .resamples = (uint32_t)f->resamples,
                                    .bins = (uint32_t)f->bins};
}

/* ---- features ------------------------------------------------------------------------------------------ */

static int on_prompt(void *ctx, size_t done)
{
    progress_update(ctx, done, NULL);
    return cli_interrupted();
}

/* Prompts of the files, run through the base into OUTPUT/NAME, and that opened. */
static int make_features(struct features **out, const struct switcher_flags *f, const struct loaded *l,
                         const struct string_list *files, const char *name, struct err *e)
{
    struct switcher_states c = {
        .pooling = (enum pooling)f->pooling, .system = f->system, .max_tokens = l->m->context};
    struct labelled prompts = {0};
    struct progress bar;
    char dir[FILE_PATH];
    *out = NULL;
    int r = read_layers(f, l->m->c.layers, &c.depths, e);
    for (size_t i = 0; !r && i < files->n; i++)
        r = labelled_load(&prompts, files->items[i], f->difficulty, e);
    if (!r) r = file_path(dir, e, "%s/%s", f->output, name);
    if (!r && prompts.without)
        fprintf(stderr, "%llu rows without a question or a label left out\n",
                (unsigned long long)prompts.without);
    if (!r) {
        progress_start(&bar, stderr, name, "prompt", 0, prompts.n);
        r = switcher_features(l, &prompts, &c, dir, on_prompt, &bar, e);
        if (r)
            progress_clear(&bar);
        else
            progress_finish(&bar, prompts.n, NULL);
    }
    labelled_clear(&prompts);
    return r ? r : features_open(out, dir, e);
}

/* ---- what came of it ----------------------------------------------------------------------------------- */

static void spread_put(struct js_out *w, const char *key, const struct spread *s)
{
    const double v[] = {s->value, s->low, s->high};
    static const char *const keys[] = {"value", "low", "high"};
    js_object(w, key);
    for (int i = 0; i < 3; i++) {
        if (isfinite(v[i]))
            js_put_real(w, keys[i], v[i]);
        else
            js_put_null(w, keys[i]);
    }
    js_close(w);
}

static void tries_put(struct js_out *w, const struct head_fit *h)
{
    char room[16];
    js_array(w, "layers");
    for (uint32_t k = 0; k < h->n_tried; k++) {
        js_object(w, NULL);
        js_put_string(w, "layer", layer_name(h->tried[k].depth, room));
        js_put_real(w, "valid_auc", h->tried[k].auc);
        js_put_real(w, "valid_loss", h->tried[k].loss);
        js_put_uint(w, "epochs", h->tried[k].outcome.epochs);
        js_put_uint(w, "best_epoch", h->tried[k].outcome.best_epoch);
        js_close(w);
    }
    js_close(w);
}

static void fit_put(struct js_out *w, const struct head_fit *h, uint32_t bins)
{
    char room[16];
    js_object(w, NULL);
    js_put_uint(w, "seed", h->trainer.c.seed);
    js_put_string(w, "layer", layer_name(h->tried[h->best].depth, room));
    js_put_real(w, "temperature", h->temperature);
    js_put_real(w, "threshold", h->threshold);
    spread_put(w, "auc", &h->auc);
    spread_put(w, "accuracy", &h->accuracy);
    spread_put(w, "ece", &h->ece);
    spread_put(w, "ece_before_temperature", &h->ece_before);
    spread_put(w, "auc_of_prompt_length", &h->length_auc);
    tries_put(w, h);
    js_array(w, "reliability");
    for (uint32_t b = 0; b < bins; b++) {
        js_object(w, NULL);
        js_put_uint(w, "n", h->bin[b].n);
        js_put_real(w, "probability", h->bin[b].p);
        js_put_real(w, "share", h->bin[b].share);
        js_close(w);
    }
    js_close(w);
    js_close(w);
}

static int save_report(const struct switcher_flags *f, const struct head_fit *h, struct err *e)
{
    struct js_out w;
    char path[FILE_PATH];
    int r = file_path(path, e, "%s/report.json", f->output);
    if (r) return r;
    js_out_init(&w, 2);
    js_object(&w, NULL);
    js_put_string(&w, "task", "switcher");
    js_put_uint(&w, "train_rows", h[0].rows[FEATURES_TRAIN]);
    js_put_uint(&w, "valid_rows", h[0].rows[FEATURES_VALID]);
    js_put_uint(&w, "test_rows", h[0].rows[FEATURES_TEST]);
    js_put_uint(&w, "bins", (uint64_t)f->bins);
    js_array(&w, "runs");
    for (int64_t k = 0; k < f->seeds; k++) fit_put(&w, &h[k], (uint32_t)f->bins);
    js_close(&w);
    js_close(&w);
    return js_out_save(&w, path, e);
}

static void tries_print(const struct head_fit *h, int64_t seeds)
{
    char room[16];
    printf("%-8s", "layer");
    for (int64_t k = 0; k < seeds; k++)
        printf("  seed %-5llu AUC, loss", (unsigned long long)h[k].trainer.c.seed);
    printf("   (validation; * chosen)\n");
    for (uint32_t i = 0; i < h->n_tried; i++) {
        printf("%-8s", layer_name(h->tried[i].depth, room));
        for (int64_t k = 0; k < seeds; k++)
            printf("%14.4f %7.4f%s", h[k].tried[i].auc, h[k].tried[i].loss, h[k].best == i ? " *" : "  ");
        printf("\n");
    }
}

static void spread_print(const char *name, const struct spread *s)
{
    printf("  %-26s %.4f  (95 %%: %.4f to %.4f)\n", name, s->value, s->low, s->high);
}

static void figures_print(const struct head_fit *h)
{
    printf("\n%sseed %llu%s, on %u test prompts (trained on %u, chosen on %u); threshold %.4f, temperature "
           "%.3f\n",
           cli_style(stdout, CLI_BOLD), (unsigned long long)h->trainer.c.seed, cli_style(stdout, CLI_PLAIN),
           h->rows[FEATURES_TEST], h->rows[FEATURES_TRAIN], h->rows[FEATURES_VALID], h->threshold,
           h->temperature);
    spread_print("AUC", &h->auc);
    spread_print("AUC of prompt length alone", &h->length_auc);
    spread_print("accuracy", &h->accuracy);
    spread_print("calibration error (ECE)", &h->ece);
    spread_print("  before temperature", &h->ece_before);
}

/* The seed whose chosen layer does best on validation prompts. */
static int64_t best_seed(const struct head_fit *h, int64_t seeds)
{
    int64_t best = 0;
    for (int64_t k = 1; k < seeds; k++) {
        const struct head_try *a = &h[k].tried[h[k].best], *b = &h[best].tried[h[best].best];
        if (a->auc > b->auc || (a->auc == b->auc && a->loss < b->loss)) best = k;
    }
    return best;
}

static int save_head(const struct switcher_flags *f, const struct head_fit *h, const struct features *set,
                     struct err *e)
{
    char path[FILE_PATH];
    struct head *head = NULL;
    int r = file_path(path, e, "%s/switcher.safetensors", f->output);
    if (!r) r = head_fit_head(&head, h, features_origin(set), h->threshold, e);
    if (!r) r = head_file_save(path, head, e);
    if (!r) printf("\n%s\n", path);
    head_free(head);
    return r;
}

/* ---- the run ------------------------------------------------------------------------------------------- */

static int fit_all(const struct switcher_flags *f, const struct loaded *l, const struct features *set,
                   const struct features *test, struct err *e)
{
    struct head_fit *h = calloc((size_t)f->seeds, sizeof *h);
    int r = h ? 0 : err_set(e, ERR_NOMEM, "no memory for %lld heads", (long long)f->seeds);
    for (int64_t k = 0; !r && k < f->seeds; k++) {
        struct head_fit_config c = fit_config(f, k);
        r = head_fit(&h[k], set, test, &c, l->pool, NULL, NULL, e);
        if (!r && cli_interrupted()) r = err_set(e, ERR_INTERRUPTED, "stopped; nothing was saved");
    }
    if (!r) {
        tries_print(h, f->seeds);
        for (int64_t k = 0; k < f->seeds; k++) figures_print(&h[k]);
        r = save_report(f, h, e);
    }
    if (!r) r = save_head(f, &h[best_seed(h, f->seeds)], set, e);
    for (int64_t k = 0; h && k < f->seeds; k++) head_fit_free(&h[k]);
    free(h);
    return r;
}

static int load(struct loaded *l, const struct switcher_flags *f, struct err *e)
{
    struct load_options o = {.model = f->model,
                             .dtype = (enum load_dtype)f->dtype,
                             .threads = (unsigned)f->threads,
                             .context = (uint32_t)f->context};
    memset(l, 0, sizeof *l);
    int r = load_folder(l, &o, e);
    if (!r) r = load_digests(l, e);
    if (!r) r = load_model(l, &o, e);
    return r;
}

static int run(struct switcher_flags *f, struct options *o, struct err *e)
{
    struct loaded l = {0};
    struct features *set = NULL, *test = NULL;
    int r = f->config ? yaml_load_options(f->config, o, e) : 0;
    if (!r) r = options_check_required(o, e);
    if (!r && !f->test.n && f->train_share + f->valid_share > 0.999)
        r = err_set(e, ERR_CFG_CONFLICT, "train_share and valid_share leave nothing for the test");
    if (r) return r;
    cli_catch_signals();
    r = load(&l, f, e);
    if (!r) r = file_make_dirs(f->output, e);
    if (!r) r = make_features(&set, f, &l, &f->train, "features", e);
    if (!r && f->test.n) r = make_features(&test, f, &l, &f->test, "features-test", e);
    if (!r) r = fit_all(f, &l, set, test, e);
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
