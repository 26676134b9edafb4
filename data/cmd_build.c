#include "data/cmd_build.h"
#include "checkpoints/yaml.h"
#include "data/prepare/recipe.h"
#include "infer/cli.h"
#include "infer/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct screen {
    struct progress bar;
    bool started;
    enum prepare_stage stage;
    const char *work; /* where the disk is */
};

static const struct {
    const char *label, *unit;
} stages[PREPARE_STAGES] = {
    [PREPARE_DIGESTS] = {"look", "file"},   [PREPARE_SAMPLE] = {"sample", "row"},
    [PREPARE_SCAN] = {"scan", "row"},       [PREPARE_FLAGS] = {"compare", "row"},
    [PREPARE_TOKENS] = {"tokenise", "row"}, [PREPARE_GATHER] = {"gather", "document"},
};

static void stage_end(struct screen *sc)
{
    if (!sc->started) return;
    if (sc->bar.total && sc->stage != PREPARE_DIGESTS && sc->stage != PREPARE_SAMPLE)
        progress_finish(&sc->bar, sc->bar.total, NULL);
    else
        progress_clear(&sc->bar);
    sc->started = false;
}

static int on_progress(void *ctx, enum prepare_stage stage, uint64_t done, uint64_t total)
{
    struct screen *sc = ctx;
    if (sc->started && stage != sc->stage) stage_end(sc);
    if (!sc->started && total) {
        progress_start(&sc->bar, stderr, stages[stage].label, stages[stage].unit, 0, total);
        sc->started = true, sc->stage = stage;
    }
    sc->bar.total = total;
    if (sc->started && done) progress_update(&sc->bar, done, NULL);
    return cli_interrupted();
}

static void on_forecast(void *ctx, const struct prepare_forecast *f)
{
    struct screen *sc = ctx;
    char text[32], work[32], out[32], time[32];
    stage_end(sc);
    fprintf(stderr,
            "forecast%s: %" PRIu64 " rows, %s of text; %" PRIu64 " documents, %" PRIu64
            " tokens; disk %s, and %s while it is made; %s\n",
            f->exact ? "" : " (at most)", f->rows, progress_bytes((double)f->text, text, sizeof text),
            f->docs, f->tokens, progress_bytes((double)f->output_bytes, out, sizeof out),
            progress_bytes((double)f->work_bytes, work, sizeof work),
            progress_time(f->seconds, time, sizeof time));
}

static void on_selected(void *ctx, const struct selection *s)
{
    struct screen *sc = ctx;
    char left[1024];
    stage_end(sc);
    selection_text(s, left, sizeof left);
    fprintf(stderr, "%" PRIu64 " documents about %" PRIu64 " questions chosen; left out: %s\n", s->n,
            s->questions, *left ? left : "nothing");
}

static void tell(const struct prepare_report *r, const char *output)
{
    char text[32], rate[32];
    fprintf(stderr, "%" PRIu64 " documents, %" PRIu64 " tokens%s", r->docs, r->tokens,
            r->reused ? "; made before, nothing to do" : "");
    if (r->cut) fprintf(stderr, "; %" PRIu64 " cut at cutoff_len", r->cut);
    if (r->held_out) fprintf(stderr, "; %" PRIu64 " held out in %s-eval", r->held_out, output);
    fputc('\n', stderr);
    if (r->scan_seconds > 0)
        fprintf(stderr, "scanned %s of text at %s a second\n",
                progress_bytes((double)r->scan_bytes, text, sizeof text),
                progress_bytes((double)r->scan_bytes / r->scan_seconds, rate, sizeof rate));
    printf("%s\n", output);
}

static int build(struct recipe *r, struct options *o, struct err *e)
{
    struct recipe_inputs in = {0};
    struct prepare_config c;
    struct prepare_report report;
    struct screen sc = {0};
    const char *file = r->config ? r->config : o->n_positional ? o->positional[0] : NULL;
    int rc = file ? yaml_load_options(file, o, e) : 0;
    if (!rc) rc = options_check_required(o, e);
    if (rc) return rc;
    rc = recipe_inputs_open(&in, &c, r, o, e);
    if (!rc) {
        c.progress = on_progress, c.forecast = on_forecast, c.selected = on_selected, c.ctx = &sc;
        cli_catch_signals();
        rc = prepare_run(&c, &report, e);
        if (sc.started) rc ? progress_clear(&sc.bar) : stage_end(&sc);
        cli_release_signals();
        if (!rc && !r->dry_run) tell(&report, r->output);
    }
    recipe_inputs_close(&in);
    return rc;
}

int cmd_build(int argc, char **argv)
{
    struct recipe r;
    struct options o;
    struct err e = {0};
    if (recipe_options_init(&o, &r, &e)) return cli_fail(&e);
    o.usage = "terse data build RECIPE [key=value ...]";
    o.about =
        "Makes token shards for terse sft out of files of conversations, as a recipe says "
        "(recipes/openthoughts3.yaml): filters, chooses answers, drops what evaluation sets ask, splits, "
        "tokenises, shuffles. Needs little memory whatever the size; killed, the same command goes on; a "
        "changed recipe makes only what it must anew.";
    o.max_positional = 1;
    int status = cli_parse(&o, argc, argv);
    if (status < 0) status = build(&r, &o, &e) ? cli_fail(&e) : CLI_OK;
    options_free(&o);
    return status;
}
