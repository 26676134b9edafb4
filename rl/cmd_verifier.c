/* terse verifier: a head that says of a finished chain whether it is right. */
#include "rl/cmd_verifier.h"
#include "checkpoints/file.h"
#include "checkpoints/yaml.h"
#include "infer/cli.h"
#include "infer/option_rows.h"
#include "infer/progress.h"
#include "infer/run_options.h"
#include "rl/cmd_heads.h"
#include "rl/source.h"
#include "rl/verifier.h"
#include "train/vote_score.h"

#include <stdlib.h>
#include <string.h>

enum { CHAINS_MAX = 1024, VOTES_MAX = 11 /* N = 1, 2, 4 .. CHAINS_MAX */ };

struct verifier_flags {
    struct model_flags model;
    struct sampling_flags sampling;
    struct head_flags head;
    char *config, *output, *dataset, *test, *system, *verify_prompt;
    int64_t max_samples, chains, max_new, streams;
    int pooling;
    bool think;
};

#define AT(field) .at = offsetof(struct verifier_flags, field)
/* The formatter would take the rows apart. */
/* clang-format off */
static const struct option rows[] = {
    CONFIG_ROW(AT(config), .unset = "none", .group = "Run"),
    OUTPUT_ROW(AT(output), .help = "folder for features, verifier.safetensors and report.json"),
    MODEL_ROWS(verifier_flags),
    {.key = "dataset", .type = OPT_PATH, AT(dataset), .required = true, .group = "Problems",
     .help = "FILE.parquet in OpenThoughts3's schema, or FILE.jsonl with problem (or question) and answer"},
    {.key = "test", .type = OPT_PATH, AT(test), .unset = "a part of the dataset's problems",
     .help = "file that nothing is chosen on"},
    {.key = "max_samples", .type = OPT_INT, AT(max_samples), .preset = "0", .min = 0, .max = 1e9,
     .help = "use the first so many problems of a file; 0 for all"},
    {.key = "system", .type = OPT_STRING, AT(system), .unset = "the model's own", .help = "system turn"},
    {.key = "think", .type = OPT_BOOL, AT(think), .help = "begin every chain with <think>"},
    HEAD_SPLIT_ROWS(verifier_flags, "problems", ", where no file is given"),
    {.key = "chains", .type = OPT_INT, AT(chains), .preset = "16", .min = 1, .max = CHAINS_MAX, .group = "Chains",
     .help = "sampled of each problem"},
    {.key = "max_new", .alias = "max_new_tokens", .type = OPT_INT, AT(max_new), .preset = "512", .min = 1, .max = 1 << 20,
     .unit = "tokens", .short_flag = 'n', .help = "longest chain"},
    {.key = "streams", .type = OPT_INT, AT(streams), .preset = "64", .min = 1, .max = 4096,
     .help = "chains sampled at a time; they do not depend on it"},
    SAMPLING_CUT_ROWS(verifier_flags, "0.7"),
    {.key = "sample_seed", .type = OPT_UINT64, SAMPLING_FLAG(verifier_flags, seed), .preset = "0", .help = "the same seed, the same chains"},
    HEAD_LAYERS_ROW(verifier_flags, "problems"),
    {.key = "pooling", .type = OPT_ENUM, AT(pooling), .choices = "last|mean", .preset = "last",
     .help = "of a chain's states: that of the last token after verify_prompt, or the mean over the chain"},
    {.key = "verify_prompt", .type = OPT_STRING, AT(verify_prompt), .preset = HEAD_VERIFY_PROMPT,
     .help = "what is appended to a finished chain; \"\" reads its own last token"},
    HEAD_FIT_ROWS(verifier_flags, "chains", "0", "0", "0", "false"),
    {0},
};
/* clang-format on */

/* ---- features ------------------------------------------------------------------------------------------ */

struct screen {
    struct progress bar;
    size_t all;
    bool begun;
    double started;
};

static int on_token(void *ctx, const struct verifier_progress *at)
{
    struct screen *sc = ctx;
    char note[96];
    double done = (double)(at->chains - at->before), seconds = progress_clock() - sc->started;
    if (!sc->begun) {
        progress_start(&sc->bar, stderr, "sample", "chain", at->before, sc->all);
        if (at->before) fprintf(stderr, "going on after %zu chains\n", at->before);
        sc->begun = true;
    }
    snprintf(note, sizeof note, "%.0f tok/s  %.1f %% right, %.1f %% cut off", (double)at->tokens / seconds,
             done > 0 ? 100 * (double)at->right / done : 0, done > 0 ? 100 * (double)at->cut / done : 0);
    progress_update(&sc->bar, at->chains, note);
    return cli_interrupted();
}

static int load_problems(struct problems *p, const char *path, uint64_t max, struct err *e)
{
    int r = problems_load(p, path, max, e);
    if (r) return r;
    if (p->without)
        fprintf(stderr, "%s: %llu rows without a question or a reference answer left out\n", path,
                (unsigned long long)p->without);
    int64_t twice = problems_unique(p, e);
    if (twice > 0)
        fprintf(stderr, "%s: %lld problems left out that ask what was asked before\n", path,
                (long long)twice);
    return twice < 0 ? (int)twice : 0;
}

/* Chains for the problems of a file, into `dir`. */
static int make_features(const struct verifier_flags *f, const struct loaded *l,
                         const struct verifier_config *c, const char *path, const char *dir, struct err *e)
{
    struct problems problems;
    struct screen sc = {.started = progress_clock()};
    int r = load_problems(&problems, path, (uint64_t)f->max_samples, e);
    if (r) return r;
    sc.all = problems.n * c->chains;
    r = verifier_features(l, &problems, c, dir, on_token, &sc, e);
    if (r && sc.begun) progress_clear(&sc.bar);
    if (!r && sc.begun) progress_finish(&sc.bar, sc.all, NULL);
    problems_clear(&problems);
    return r;
}

static const char *const free_keys[] = {"config", "output",       "model",   "lora", "threads", "streams",
                                        "layers", "prefix_cache", "dataset", "test", HEAD_KEYS, NULL};

/* OUTPUT/NAME: as it stands there, or made of the file. */
static int take_features(struct features **out, const struct verifier_flags *f, const struct options *o,
                         const struct loaded *l, char *path, const char *name, struct err *e)
{
    char made[SHA256_HEX], dir[FILE_PATH];
    struct string_list files = {&path, 1};
    struct verifier_config c = {
        .session = run_options_session(&f->model, (uint32_t)f->streams, 0),
        .pooling = (enum pooling)f->pooling,
        .prompt = f->verify_prompt,
        .made = made,
        .system = f->system,
        .think = f->think,
        .chains = (uint32_t)f->chains,
        .max_new = (uint32_t)f->max_new,
    };
    run_options_sampler(&c.sampler, o, &f->sampling, &l->m->c);
    int r = head_options_depths(&c.depths, &f->head, l->m->c.layers, e);
    if (!r) r = cmd_heads_made(made, o, free_keys, l, &files, e);
    if (!r) r = file_path(dir, e, "%s/%s", f->output, name);
    struct features_origin would = verifier_origin(l, &c);
    if (!r) r = cmd_heads_reuse(out, dir, &would, e);
    if (r || *out) return r;
    r = make_features(f, l, &c, path, dir, e);
    return r ? r : features_open(out, dir, e);
}

/* ---- votes --------------------------------------------------------------------------------------------- */

/* Of one seed's head: N = 1, 2, 4 .. */
struct votes {
    struct vote_report at[VOTES_MAX];
    uint32_t n;
};

static int votes_take(struct votes *out, const struct verifier_flags *f, const struct head_fit *h,
                      const struct features *set, struct err *e)
{
    struct vote_problems p;
    struct head_fit_config c = head_options_fit(&f->head, 0);
    out->n = 0;
    int r = vote_problems_make(&p, set, h->p, h->pick, h->rows[FEATURES_TEST], e);
    for (uint32_t n = 1; !r && n <= (uint32_t)f->chains; n *= 2, out->n++)
        r = vote_score(&out->at[out->n], &p, n, c.resamples, h->trainer.c.seed, e);
    vote_problems_free(&p);
    return r;
}

static void votes_print(const struct votes *v)
{
    printf("\n  %% right of %u test problems (95 %%), by votes among N chains\n", v->at[0].problems);
    printf("  %4s", "N");
    for (int how = 0; how < VOTED_COUNT; how++)
        printf("  %-*s", how + 1 < VOTED_COUNT ? 17 : 0, vote_figure_names[how]);
    printf("\n");
    for (uint32_t k = 0; k < v->n; k++) {
        printf("  %4u", v->at[k].chains);
        for (int how = 0; how < VOTED_COUNT; how++) {
            const struct spread *s = &v->at[k].figure[how];
            char text[32];
            snprintf(text, sizeof text, "%.1f (%.1f-%.1f)", 100 * s->value, 100 * s->low, 100 * s->high);
            printf("  %-*s", how + 1 < VOTED_COUNT ? 17 : 0, text);
        }
        printf("\n");
    }
}

static void gains_print(const struct votes *v)
{
    printf("  points gained, problem by problem\n  %4s  %-26s  %-26s\n", "N", "weighted over majority",
           "majority over single");
    for (uint32_t k = 1; k < v->n; k++) {
        const struct spread *a = &v->at[k].over_majority, *b = &v->at[k].over_single;
        char text[40];
        snprintf(text, sizeof text, "%+.2f (%+.2f to %+.2f)", 100 * a->value, 100 * a->low, 100 * a->high);
        printf("  %4u  %-26s  %+.2f (%+.2f to %+.2f)\n", v->at[k].chains, text, 100 * b->value, 100 * b->low,
               100 * b->high);
    }
}

static void votes_put(void *ctx, struct js_out *w, int64_t seed)
{
    const struct votes *v = (const struct votes *)ctx + seed;
    js_array(w, "votes");
    for (uint32_t k = 0; k < v->n; k++) {
        const struct vote_report *r = &v->at[k];
        js_object(w, NULL);
        js_put_uint(w, "chains", r->chains);
        js_put_uint(w, "problems", r->problems);
        for (int how = 0; how < VOTED_COUNT; how++)
            cmd_heads_put_spread(w, vote_figure_names[how], &r->figure[how]);
        cmd_heads_put_spread(w, "weighted_over_majority", &r->over_majority);
        cmd_heads_put_spread(w, "majority_over_single", &r->over_single);
        js_close(w);
    }
    js_close(w);
}

/* ---- the run ------------------------------------------------------------------------------------------- */

static int report(const struct verifier_flags *f, const struct heads *h, const struct features *set,
                  const struct features *test, struct err *e)
{
    int64_t best = cmd_heads_best(h);
    struct votes *v = calloc((size_t)h->n, sizeof *v);
    int r = v ? 0 : err_set(e, ERR_NOMEM, "no memory for votes");
    for (int64_t k = 0; !r && k < h->n; k++) r = votes_take(&v[k], f, &h->fit[k], test ? test : set, e);
    if (!r) {
        cmd_heads_print_layers(h);
        for (int64_t k = 0; k < h->n; k++) {
            cmd_heads_print_figures(h, k);
            votes_print(&v[k]);
            gains_print(&v[k]);
        }
        r = cmd_heads_report(h, set, f->output, votes_put, v, e);
    }
    if (!r) r = cmd_heads_save(h, best, h->fit[best].threshold, set, f->output, e);
    free(v);
    return r;
}

static int fit(const struct heads_run *h, const struct loaded *l, const struct features *set,
               const struct features *test, struct err *e)
{
    const struct verifier_flags *f = h->flags;
    struct heads heads;
    int r = cmd_heads_fit(&heads, &f->head, "chain", set, test, l->pool, e);
    if (!r) r = report(f, &heads, set, test, e);
    cmd_heads_free(&heads);
    return r;
}

static int check(const struct heads_run *h, struct err *e)
{
    const struct verifier_flags *f = h->flags;
    const struct options *o = h->o;
    if (f->pooling != POOL_LAST && options_given(o, "verify_prompt"))
        return err_set(e, ERR_CFG_CONFLICT, "pooling mean (%s) reads the chain alone: no verify_prompt (%s)",
                       options_where(o, "pooling"), options_where(o, "verify_prompt"));
    if (f->verify_prompt && strlen(f->verify_prompt) >= HEAD_PROMPT)
        return err_set(e, ERR_CFG_CONFLICT, "verify_prompt has %zu bytes, at most %d",
                       strlen(f->verify_prompt), HEAD_PROMPT - 1);
    if (!f->test) return head_options_shares(&f->head, e);
    return 0;
}

static int take(struct features **out, const struct heads_run *h, const struct loaded *l, bool test,
                struct err *e)
{
    const struct verifier_flags *f = h->flags;
    return take_features(out, f, h->o, l, test ? f->test : f->dataset, test ? "features-test" : "features",
                         e);
}

static int run(struct verifier_flags *f, struct options *o, struct err *e)
{
    struct heads_run h = {f, o, &f->model, check, take, fit};
    int r = f->config ? yaml_load_options(f->config, o, e) : 0;
    return r ? r : cmd_heads_run(&h, f->output, f->test, e);
}

int cmd_verifier(int argc, char **argv)
{
    struct option table[sizeof rows / sizeof *rows];
    struct verifier_flags f;
    struct options o = {0};
    struct err e = {0};
    run_options_table(table, rows, sizeof rows, &source_any);
    if (options_init(&o, table, &f, &e)) return cli_fail(&e);
    o.usage = "terse verifier --config FILE [key=value ...]";
    o.about =
        "Learns to tell from the hidden states of a finished chain whether its answer is right. Chains are "
        "sampled and graded first; then a head is trained for each layer, and layer, temperature and "
        "threshold are chosen on validation problems. Figures are of test problems: how well the head "
        "tells right from wrong, beside what a chain's length alone would give, and what it is worth: "
        "one chain, majority, weighted vote, best of N, and an oracle. The same command goes on where it "
        "was stopped, and samples nothing anew when only the head's options change.";
    int status = cli_parse(&o, argc, argv);
    if (status < 0) status = run(&f, &o, &e) ? cli_fail(&e) : CLI_OK;
    options_free(&o);
    return status;
}
