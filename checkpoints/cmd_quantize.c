/* terse quantize: writes a model as a smaller GGUF file, and says what that costs. */
#include "checkpoints/cmd_quantize.h"
#include "checkpoints/file.h"
#include "checkpoints/gguf_save.h"
#include "checkpoints/load.h"
#include "infer/cli.h"
#include "infer/option_rows.h"
#include "infer/perplexity.h"
#include "infer/progress.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct quantize_flags {
    char *model, *output, *text;
    int type, head, method;
    int64_t threads, context;
    bool force;
};

/* In the order of the choices. */
#define TYPES "q8_0|q4_0|w4|bf16|f32"
static const enum dtype types[] = {DTYPE_Q8_0, DTYPE_Q4_0, DTYPE_W4, DTYPE_BF16, DTYPE_F32};

#define AT(field) .at = offsetof(struct quantize_flags, field)
static const struct option table[] = {
    MODEL_ROW(AT(model), .group = "Model", .help = "Hugging Face folder or GGUF file"),
    {.key = "type",
     .type = OPT_ENUM,
     AT(type),
     .choices = TYPES,
     .preset = "q4_0",
     .short_flag = 't',
     .help = "of the matrices: 8.5, 4.5, about 4.5 (as 4.1 in memory), 16 or 32 bits a weight"},
    {.key = "head",
     .type = OPT_ENUM,
     AT(head),
     .choices = "same|" TYPES,
     .preset = "same",
     .help = "of the embedding and the head, which suffer most; same as --type"},
    {.key = "method",
     .type = OPT_ENUM,
     AT(method),
     .choices = QUANT_METHODS,
     .preset = "l2",
     .help =
         "rtn is round to nearest, as llama.cpp does; l2 looks for the scale with the least squared error"},
    OUTPUT_ROW(AT(output), .group = "Result", .help = "file to make; it appears whole or not at all"),
    {.key = "text",
     .type = OPT_PATH,
     AT(text),
     .unset = "no perplexity",
     .help = "text to read with the model before and after"},
    {.key = "ctx_size",
     .alias = "context",
     .type = OPT_INT,
     AT(context),
     .preset = "0",
     .min = 0,
     .max = 1 << 20,
     .unit = "tokens",
     .short_flag = 'c',
     .help = "windows the text is read in; 0 for 512, or less where the model or the text is shorter"},
    FORCE_ROW(AT(force)),
    THREADS_ROW(AT(threads), .group = "Machine",
                .help = "0 for one a processor; the file does not depend on it"),
    {0},
};

/* ---- perplexity ---------------------------------------------------------------------------------------- */

struct text {
    int32_t *ids; /* [n], owned; NULL: no text */
    size_t n;
};

static int ppl_tick(void *ctx, uint64_t done, uint64_t total)
{
    (void)total;
    progress_update(ctx, done, NULL);
    return cli_interrupted();
}

/* Of the model at `path`. */
static int ppl_measure(struct perplexity *out, const char *path, const struct text *t,
                       const struct quantize_flags *f, const char *label, struct err *e)
{
    struct load_options o = {.model = path, .threads = (unsigned)f->threads, .context = (uint32_t)f->context};
    struct loaded l = {0};
    struct progress p;
    if (!f->context) o.context = 512;
    progress_start(&p, stderr, label, "window", 0, 0);
    int r = load_folder(&l, &o, e);
    if (!r) r = load_model(&l, &o, e);
    if (!r) r = perplexity_run(out, l.m, KV_MODEL, t->ids, t->n, (uint32_t)f->context, ppl_tick, &p, e);
    progress_clear(&p);
    load_clear(&l);
    return r;
}

static void ppl_print(const struct perplexity *a, const struct perplexity *b, const struct quantize_flags *f)
{
    printf("perplexity %.4f +- %.4f before, %.4f +- %.4f after (%+.2f %%), on %" PRIu64
           " tokens of %s in windows of %u\n",
           a->value, a->deviation, b->value, b->deviation, 100 * (b->value / a->value - 1), b->tokens,
           f->text, b->context);
}

/* ---- writing ------------------------------------------------------------------------------------------- */

struct report {
    struct progress p;
    struct quant_error all;
    uint64_t from, to, weights;
};

static void report_tensor(void *ctx, const struct gguf_saved *s)
{
    struct report *r = ctx;
    r->from += s->bytes_from, r->to += s->bytes_to;
    r->weights += s->rows * s->cols;
    quant_error_add(&r->all, &s->error);
    if (s->cols == 1) return; /* vectors stay as they are */
    progress_clear(&r->p);
    printf("%-32s [%6" PRIu64 ", %6" PRIu64 "]  %s to %-4s  %9.3f MB  relative error %.5f  worst %.5f\n",
           s->name, s->rows, s->cols, dtype_name(s->from), dtype_name(s->to), (double)s->bytes_to / 1e6,
           quant_error_relative(&s->error), s->error.worst);
}

static int report_tick(void *ctx, uint64_t done, uint64_t total)
{
    struct report *r = ctx;
    (void)total;
    progress_update(&r->p, done / 1000000, NULL);
    return cli_interrupted();
}

static int write_model(const struct loaded *l, const struct quantize_flags *f, struct err *e)
{
    struct model_rows rows = {.base = l->base};
    struct report report = {0};
    char name[256], *template = NULL;
    size_t n = 0;
    struct gguf_model_options o = {
        .matrices = types[f->type],
        .head = f->head ? types[f->head - 1] : types[f->type],
        .method = (enum quant_method)f->method,
        .name = name,
        .saved = report_tensor,
        .tick = report_tick,
        .ctx = &report,
    };
    base_name(f->model, name, sizeof name);
    uint64_t megabytes = gguf_model_bytes(&l->base->config, &o) / 1000000;
    progress_start(&report.p, stderr, "quantize", "megabyte", 0, megabytes);
    int r = base_template(&template, &n, l->base, e);
    if (!r) r = gguf_model_save(f->output, &rows, l->tokenizer, template, n, &o, l->pool, e);
    progress_clear(&report.p);
    free(template);
    if (r) return r;
    printf("%s: %.3f MB of weights, were %.3f: %.2f bits a weight; relative error %.5f\n", f->output,
           (double)report.to / 1e6, (double)report.from / 1e6, 8 * (double)report.to / (double)report.weights,
           quant_error_relative(&report.all));
    return 0;
}

/* What is written is what a reader will take. */
static int check_written(const char *path, struct err *e)
{
    struct base *b;
    struct tokenizer *t;
    int r = base_open(&b, path, e);
    if (r) return r;
    r = base_tokenizer(&t, b, e);
    tokenizer_free(t);
    base_close(b);
    return r;
}

static int check_target(const struct quantize_flags *f, struct err *e)
{
    if (!file_exists(f->output)) return 0;
    if (!f->force) return err_set(e, ERR_EXISTS, "%s is there already; --force replaces it", f->output);
    if (gguf_is_file(f->output)) return 0;
    return err_set(e, ERR_EXISTS, "%s is there and is no GGUF file, so it is not replaced", f->output);
}

static int quantize(const struct loaded *l, const struct quantize_flags *f, struct err *e)
{
    struct perplexity before, after;
    struct text t = {0};
    int r = f->text ? perplexity_text(&t.ids, &t.n, f->text, l->tokenizer, e) : 0;
    if (!r && t.ids) r = ppl_measure(&before, f->model, &t, f, "perplexity before", e);
    if (!r) r = write_model(l, f, e);
    if (!r) r = check_written(f->output, e);
    if (!r && t.ids) r = ppl_measure(&after, f->output, &t, f, "perplexity after", e);
    if (!r && t.ids) ppl_print(&before, &after, f);
    free(t.ids);
    return r;
}

static int run(const struct quantize_flags *f, struct err *e)
{
    struct load_options o = {.model = f->model, .threads = (unsigned)f->threads};
    struct loaded l = {0};
    int r = check_target(f, e);
    if (!r) r = load_folder(&l, &o, e);
    if (!r) {
        cli_catch_signals();
        r = quantize(&l, f, e);
    }
    load_clear(&l);
    return r;
}

int cmd_quantize(int argc, char **argv)
{
    struct quantize_flags f;
    struct options o = {0};
    struct err e = {0};
    if (options_init(&o, table, &f, &e)) return cli_fail(&e);
    o.usage = "terse quantize -m MODEL -t q8_0|q4_0|w4|bf16 -o FILE.gguf [--method rtn|l2] [--text FILE]";
    o.about =
        "Writes a model, its tokenizer inside, as a GGUF file for terse and llama.cpp. Prints for every "
        "matrix "
        "how far it is from what it was, and with --text what that does to the perplexity of a text (counted "
        "as llama-perplexity counts it).";
    int status = cli_parse(&o, argc, argv);
    if (status < 0 && options_check_required(&o, &e)) status = cli_usage(&e);
    if (status < 0) status = run(&f, &e) ? cli_fail(&e) : CLI_OK;
    options_free(&o);
    return status;
}
