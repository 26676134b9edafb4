/* terse sft: fine-tunes a model on conversations. */
#include "train/cmd_sft.h"
#include "checkpoints/file.h"
#include "checkpoints/yaml.h"
#include "infer/cli.h"
#include "infer/progress.h"
#include "train/sft.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct screen {
    struct progress bar;
    bool started;
    double eval_loss; /* the last one; NaN before */
};

static void on_note(void *ctx, const char *sentence)
{
    struct screen *sc = ctx;
    if (sc->started) progress_clear(&sc->bar);
    fprintf(stderr, "%s\n", sentence);
}

static double resident_gib(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f && fscanf(f, "%*s %ld", &pages) != 1) pages = 0;
    if (f) fclose(f);
    return (double)pages * 4096 / (1 << 30);
}

static void on_step(void *ctx, const struct sft_step *s)
{
    struct screen *sc = ctx;
    char note[160];
    if (!isnan(s->eval_loss)) sc->eval_loss = s->eval_loss;
    int n = snprintf(note, sizeof note, "loss %.4f  %.0f tok/s  %.2f GiB", s->loss, s->tokens_per_second,
                     resident_gib());
    if (!isnan(sc->eval_loss)) snprintf(note + n, sizeof note - (size_t)n, "  held out %.4f", sc->eval_loss);
    progress_update(&sc->bar, s->step, note);
    if (s->step == s->total) progress_finish(&sc->bar, s->step, note);
}

static void on_tokenised(void *ctx, uint64_t rows, uint64_t total)
{
    struct screen *sc = ctx;
    if (rows == 1) progress_start(&sc->bar, stderr, "tokenise", "row", 0, total);
    progress_update(&sc->bar, rows, NULL);
    if (rows == total) progress_clear(&sc->bar);
}

static int on_interrupted(void *ctx)
{
    (void)ctx;
    return cli_interrupted();
}

static void plan_print(const struct sft *s)
{
    const struct sft_memory *m = sft_memory(s);
    const double gib = 1 << 30;
    fprintf(stderr,
            "%llu conversations in %llu rows, %llu steps; memory %.2f GiB: weights %.2f, %s %.2f, optimiser "
            "%.2f, "
            "activations %.2f\n",
            (unsigned long long)sft_docs(s), (unsigned long long)sft_rows(s),
            (unsigned long long)sft_total_steps(s), (double)m->total / gib, (double)m->weights / gib,
            "trained", (double)m->adapter / gib, (double)m->optimiser / gib, (double)m->activations / gib);
}

static int train(struct sft *s, struct screen *sc, struct err *e)
{
    uint64_t step;
    int r = sft_resume(s, &step, e);
    if (r) return r;
    plan_print(s);
    if (step) fprintf(stderr, "going on after step %llu\n", (unsigned long long)step);
    progress_start(&sc->bar, stderr, "train", "step", step, sft_total_steps(s));
    sc->started = true;
    r = sft_train(s, e);
    progress_clear(&sc->bar);
    return r;
}

static int finish(struct sft *s, const struct sft_config *c, struct err *e)
{
    char path[FILE_PATH];
    int r = sft_save(s, path, e);
    if (r) return r;
    printf("%s\n", path);
    if (c->tuning == TUNING_LORA)
        fprintf(stderr, "next: terse generate -m %s --lora %s -p \"...\"\n", c->model_name_or_path, path);
    else
        fprintf(stderr, "next: terse generate -m %s -p \"...\"\n", path);
    return 0;
}

static int run(struct sft_config *c, struct options *o, struct err *e)
{
    struct screen sc = {.eval_loss = NAN};
    struct sft_events ev = {on_note, on_step, on_tokenised, on_interrupted, &sc};
    struct sft *s;
    int r = c->config ? yaml_load_options(c->config, o, e) : 0;
    if (!r) r = options_check_required(o, e);
    if (!r) r = sft_config_check(c, o, e);
    if (r) return r;
    cli_catch_signals();
    if ((r = sft_open(&s, c, o, &ev, e))) return r;
    r = train(s, &sc, e);
    if (!r) r = finish(s, c, e);
    sft_close(s);
    return r;
}

int cmd_sft(int argc, char **argv)
{
    struct sft_config c;
    struct options o;
    struct err e = {0};
    int status = sft_options_init(&o, &c, &e) ? cli_fail(&e) : cli_parse(&o, argc, argv);
    if (status < 0) status = run(&c, &o, &e) ? cli_fail(&e) : CLI_OK;
    options_free(&o);
    return status;
}
