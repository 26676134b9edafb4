#include "rl/cmd_heads.h"

#include "checkpoints/file.h"
#include "checkpoints/head_file.h"
#include "infer/cli.h"
#include "infer/progress.h"
#include "train/run_record.h"

#include <math.h>
#include <stdlib.h>

/* ---- the run ------------------------------------------------------------------------------------------- */

int cmd_heads_load(struct loaded *l, const struct load_options *o, struct err *e)
{
    *l = (struct loaded){0};
    int r = load_folder(l, o, e);
    if (!r) r = load_digests(l, e);
    if (!r) r = load_model(l, o, e);
    return r || !o->adapter ? r : load_adapter(l, o->adapter, e);
}

int cmd_heads_run(const struct heads_run *h, const char *output, bool has_test, struct err *e)
{
    struct loaded l;
    struct features *set = NULL, *test = NULL;
    int r = options_check_required(h->o, e);
    if (!r) r = h->check(h, e);
    if (r) return r;
    cli_catch_signals();
    struct load_options lo = run_options_model(h->model);
    r = cmd_heads_load(&l, &lo, e);
    if (!r) r = file_make_dirs(output, e);
    if (!r) r = h->take(&set, h, &l, false, e);
    if (!r && has_test) r = h->take(&test, h, &l, true, e);
    if (!r) r = h->fit(h, &l, set, test, e);
    features_close(set), features_close(test);
    load_clear(&l);
    return r;
}

/* ---- features ------------------------------------------------------------------------------------------ */

/* A base's digest is that of what it was made from; what counts here is how it was rounded. */
static int add_weights(struct sha256 *s, const struct loaded *l, struct err *e)
{
    char hex[SHA256_HEX];
    int r = model_digest(&l->base->config, l->base->bound, hex, e);
    if (r) return r;
    sha256_update(s, hex, sizeof hex);
    if (!l->adapter) return 0;
    const struct adapter *a = l->adapter;
    char text[128];
    int n = snprintf(text, sizeof text, "%u %a %d %u %d", a->cfg.rank, a->cfg.alpha, a->cfg.rslora,
                     a->cfg.targets, a->cfg.gate);
    sha256_update(s, text, (size_t)n);
    sha256_update(s, l->info.invocation, l->info.n_invocation * sizeof *l->info.invocation);
    sha256_update(s, a->weights, a->count * sizeof *a->weights);
    return 0;
}

int cmd_heads_made(char hex[SHA256_HEX], const struct options *o, const char *const *free_keys,
                   const struct loaded *l, const struct string_list *files, struct err *e)
{
    static const char version[] = "1"; /* another one when the same settings come to mean other rows */
    struct run_kind kind = {.free_keys = free_keys};
    struct sha256 s;
    int r = run_digest(&kind, o, hex, e);
    if (!r) r = sha256_init(&s, e);
    if (r) return r;
    sha256_update(&s, version, sizeof version);
    sha256_update(&s, hex, SHA256_HEX);
    r = add_weights(&s, l, e);
    for (size_t i = 0; !r && i < files->n; i++) {
        r = sha256_file(files->items[i], hex, NULL, e);
        if (!r) sha256_update(&s, hex, SHA256_HEX);
    }
    sha256_final(&s, r ? NULL : hex);
    return r;
}

int cmd_heads_reuse(struct features **out, const char *dir, const struct features_origin *would,
                    struct err *e)
{
    struct err why = {0};
    char manifest[FILE_PATH];
    *out = NULL;
    int r = file_path(manifest, e, "%s/manifest.json", dir);
    if (r || !file_exists(dir)) return r;
    if (!file_exists(manifest))
        return err_set(e, ERR_EXISTS, "%s is there, but no features; move it away or choose another output",
                       dir);
    r = features_open(out, dir, &why);
    if (r == ERR_NOMEM) return err_set(e, r, "%s", why.msg);
    if (r) {
        fprintf(stderr, "%s; these features are made anew\n", why.msg);
    } else if (features_origin_same(features_origin(*out), would)) {
        fprintf(stderr, "%s: %u rows are there already\n", dir, features_count(*out));
    } else {
        fprintf(stderr, "%s: other files, models or settings than these; made anew, and replaced then\n",
                dir);
        features_close(*out);
        *out = NULL;
    }
    return 0;
}

/* ---- heads --------------------------------------------------------------------------------------------- */

struct fitting {
    struct progress bar;
    uint64_t done;
};

static void on_try(void *ctx, const struct head_try *t)
{
    struct fitting *f = ctx;
    char room[16], note[48];
    snprintf(note, sizeof note, "layer %s: AUC %.3f", head_options_layer(t->depth, room), t->auc);
    progress_update(&f->bar, ++f->done, note);
}

int cmd_heads_fit(struct heads *out, const struct head_flags *f, const char *row, const struct features *set,
                  const struct features *test, struct pool *pool, struct err *e)
{
    *out = (struct heads){.f = f, .row = row, .n = f->seeds};
    out->fit = calloc((size_t)f->seeds, sizeof *out->fit);
    int r = out->fit ? 0 : err_set(e, ERR_NOMEM, "no memory for %lld heads", (long long)f->seeds);
    struct fitting now = {.done = 0};
    uint32_t depths = features_origin(set)->n_depths, tries = depths + (f->together && depths > 1);
    progress_start(&now.bar, stderr, "train", "head", 0, (uint64_t)f->seeds * tries);
    for (int64_t k = 0; !r && k < f->seeds; k++) {
        struct head_fit_config c = head_options_fit(f, k);
        r = head_fit(&out->fit[k], set, test, &c, pool, on_try, &now, e);
        if (!r && cli_interrupted())
            r = err_set(e, ERR_INTERRUPTED,
                        "stopped while heads were trained; the features are kept, and the same command goes "
                        "on from them");
    }
    progress_clear(&now.bar);
    return r;
}

void cmd_heads_free(struct heads *h)
{
    for (int64_t k = 0; h->fit && k < h->n; k++) head_fit_free(&h->fit[k]);
    free(h->fit);
    *h = (struct heads){0};
}

int64_t cmd_heads_best(const struct heads *h)
{
    int64_t best = 0;
    for (int64_t k = 1; k < h->n; k++) {
        const struct head_try *a = &h->fit[k].tried[h->fit[k].best];
        const struct head_try *b = &h->fit[best].tried[h->fit[best].best];
        if (a->auc > b->auc || (a->auc == b->auc && a->loss < b->loss)) best = k;
    }
    return best;
}

/* ---- on the screen ------------------------------------------------------------------------------------- */

void cmd_heads_print_layers(const struct heads *h)
{
    char room[16];
    printf("%-8s", "layer");
    for (int64_t k = 0; k < h->n; k++)
        printf("  seed %-5llu AUC, loss", (unsigned long long)h->fit[k].trainer.c.seed);
    printf("   (validation; * chosen)\n");
    for (uint32_t i = 0; i < h->fit[0].n_tried; i++) {
        printf("%-8s", head_options_layer(h->fit[0].tried[i].depth, room));
        for (int64_t k = 0; k < h->n; k++)
            printf("%14.4f %7.4f%s", h->fit[k].tried[i].auc, h->fit[k].tried[i].loss,
                   h->fit[k].best == i ? " *" : "  ");
        printf("\n");
    }
}

void cmd_heads_print_spread(const char *name, const struct spread *s)
{
    printf("  %-26s %.4f  (95 %%: %.4f to %.4f)\n", name, s->value, s->low, s->high);
}

/* A head that length alone would do for is said to be one. */
static void print_lead(const struct spread *lead)
{
    printf("  %-26s %+.4f  (95 %%: %+.4f to %+.4f) %s\n", "  above that", lead->value, lead->low, lead->high,
           lead->low > 0     ? ""
           : lead->value > 0 ? "not clearly better than length alone"
                             : "no better than length alone");
}

void cmd_heads_print_figures(const struct heads *h, int64_t k)
{
    const struct head_fit *f = &h->fit[k];
    char length[40];
    snprintf(length, sizeof length, "AUC of %s length alone", h->row);
    printf("\n%sseed %llu%s, on %u test %ss (trained on %u, chosen on %u); threshold %.4f, temperature "
           "%.3f\n",
           cli_style(stdout, CLI_BOLD), (unsigned long long)f->trainer.c.seed, cli_style(stdout, CLI_PLAIN),
           f->rows[FEATURES_TEST], h->row, f->rows[FEATURES_TRAIN], f->rows[FEATURES_VALID], f->threshold,
           f->temperature);
    cmd_heads_print_spread("AUC", &f->auc);
    cmd_heads_print_spread(length, &f->length_auc);
    print_lead(&f->length_lead);
    cmd_heads_print_spread("accuracy", &f->accuracy);
    cmd_heads_print_spread("calibration error (ECE)", &f->ece);
    cmd_heads_print_spread("  before temperature", &f->ece_before);
}

/* ---- in files ------------------------------------------------------------------------------------------ */

void cmd_heads_put_spread(struct js_out *w, const char *key, const struct spread *s)
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

static void put_layers(struct js_out *w, const struct head_fit *f)
{
    char room[16];
    js_array(w, "layers");
    for (uint32_t k = 0; k < f->n_tried; k++) {
        js_object(w, NULL);
        js_put_string(w, "layer", head_options_layer(f->tried[k].depth, room));
        js_put_real(w, "valid_auc", f->tried[k].auc);
        js_put_real(w, "valid_loss", f->tried[k].loss);
        js_put_uint(w, "epochs", f->tried[k].outcome.epochs);
        js_put_uint(w, "best_epoch", f->tried[k].outcome.best_epoch);
        js_close(w);
    }
    js_close(w);
}

static void put_bins(struct js_out *w, const struct head_fit *f, int64_t bins)
{
    js_array(w, "reliability");
    for (int64_t b = 0; b < bins; b++) {
        js_object(w, NULL);
        js_put_uint(w, "n", f->bin[b].n);
        js_put_real(w, "probability", f->bin[b].p);
        js_put_real(w, "share", f->bin[b].share);
        js_close(w);
    }
    js_close(w);
}

/* Into the object that is open. */
static void put_fit(struct js_out *w, const struct heads *h, int64_t k)
{
    const struct head_fit *f = &h->fit[k];
    char room[16], length[40];
    snprintf(length, sizeof length, "auc_of_%s_length", h->row);
    js_put_uint(w, "seed", f->trainer.c.seed);
    js_put_string(w, "layer", head_options_layer(f->tried[f->best].depth, room));
    js_put_real(w, "temperature", f->temperature);
    js_put_real(w, "threshold", f->threshold);
    cmd_heads_put_spread(w, "auc", &f->auc);
    cmd_heads_put_spread(w, "accuracy", &f->accuracy);
    cmd_heads_put_spread(w, "ece", &f->ece);
    cmd_heads_put_spread(w, "ece_before_temperature", &f->ece_before);
    cmd_heads_put_spread(w, length, &f->length_auc);
    cmd_heads_put_spread(w, "auc_above_length", &f->length_lead);
    put_layers(w, f);
    put_bins(w, f, h->f->bins);
}

int cmd_heads_report(const struct heads *h, const struct features *set, const char *folder,
                     void (*more)(void *ctx, struct js_out *w, int64_t k), void *ctx, struct err *e)
{
    struct js_out w;
    char path[FILE_PATH];
    int r = file_path(path, e, "%s/report.json", folder);
    if (r) return r;
    js_out_init(&w, 2);
    js_object(&w, NULL);
    js_put_string(&w, "task", features_origin(set)->task);
    js_put_string(&w, "features", features_digest(set));
    js_put_uint(&w, "train_rows", h->fit[0].rows[FEATURES_TRAIN]);
    js_put_uint(&w, "valid_rows", h->fit[0].rows[FEATURES_VALID]);
    js_put_uint(&w, "test_rows", h->fit[0].rows[FEATURES_TEST]);
    js_put_int(&w, "bins", h->f->bins);
    js_array(&w, "runs");
    for (int64_t k = 0; k < h->n; k++) {
        js_object(&w, NULL);
        put_fit(&w, h, k);
        if (more) more(ctx, &w, k);
        js_close(&w);
    }
    js_close(&w);
    js_close(&w);
    return js_out_save(&w, path, e);
}

int cmd_heads_save(const struct heads *h, int64_t k, double threshold, const struct features *set,
                   const char *folder, struct err *e)
{
    char path[FILE_PATH];
    struct head *head = NULL;
    int r = file_path(path, e, "%s/%s.safetensors", folder, features_origin(set)->task);
    if (!r) r = head_fit_head(&head, &h->fit[k], features_origin(set), threshold, e);
    if (!r) r = head_file_save(path, head, e);
    if (!r) printf("\n%s\n", path);
    head_free(head);
    return r;
}
