/* terse export: writes an adapter as PEFT's two files, or merged into its base (or a base by itself), and
 * checks what it wrote. */
#include "checkpoints/cmd_export.h"
#include "checkpoints/export.h"
#include "checkpoints/export_bundle.h"
#include "checkpoints/file.h"
#include "infer/cli.h"
#include "infer/option_rows.h"

#include <string.h>

struct export_flags {
    char *model, *output, *head[HEAD_TASKS];
    int dtype;
    int64_t threads;
    bool merge, check, force, gguf, base, bundle;
};

enum { OUT_AUTO, OUT_F32, OUT_BF16, OUT_Q8_0, OUT_Q4_0, OUT_W4 };

#define AT(field) .at = offsetof(struct export_flags, field)
static const struct option table[] = {
    MODEL_ROW(AT(model), .help = "the base the adapter was trained on"),
    OUTPUT_ROW(AT(output),
               .help =
                   "folder to make, or with --gguf FILE.gguf; it appears whole and checked, or not at all"),
    {.key = "dtype",
     .type = OPT_ENUM,
     AT(dtype),
     .choices = "auto|f32|bf16|q8_0|q4_0|w4",
     .preset = "auto",
     .help = "of the file; auto is f32 for an adapter, the base's for a model; the last three with --gguf"},
    {.key = "gguf",
     .type = OPT_BOOL,
     AT(gguf),
     .help = "write GGUF files, for terse-infer and llama.cpp: the base, and the adapter if one is given"},
    {.key = "base",
     .type = OPT_BOOL,
     AT(base),
     .preset = "true",
     .help = "with --gguf: --no-base, the adapter alone"},
    {.key = "bundle",
     .type = OPT_BOOL,
     AT(bundle),
     .help =
         "write a folder for devices: base, adapter and heads as GGUF files, and a manifest that ties them "
         "together"},
    {.key = "switcher",
     .type = OPT_PATH,
     AT(head[HEAD_SWITCHER]),
     .unset = "none",
     .help = "with --bundle: the head that routes"},
    {.key = "verifier",
     .type = OPT_PATH,
     AT(head[HEAD_VERIFIER]),
     .unset = "none",
     .help = "with --bundle: the head that judges answers"},
    {.key = "merge",
     .type = OPT_BOOL,
     AT(merge),
     .help = "write the whole model with W + scale B A in it; without an adapter, the base in --dtype"},
    {.key = "check",
     .type = OPT_BOOL,
     AT(check),
     .preset = "true",
     .help = "load what was written and compare logits and greedy text before it appears"},
    FORCE_ROW(AT(force)),
    THREADS_ROW(AT(threads), .short_flag = 't', .help = "0 for one a processor"),
    {0},
};

/* The folder stays open: a merge reads the weights as they are on disk. */
static int load(struct loaded *l, const struct export_flags *f, const char *adapter, struct err *e)
{
    struct load_options o = {.model = f->model, .threads = (unsigned)f->threads};
    int r = load_folder(l, &o, e);
    if (!r && f->merge && (f->dtype == OUT_F32 || l->base->dtype == DTYPE_F32)) o.dtype = LOAD_FP32;
    if (!r) r = load_model(l, &o, e);
    return r || !adapter ? r : load_adapter(l, adapter, e);
}

static enum dtype dtype_of(const struct export_flags *f, const struct loaded *l)
{
    if (f->dtype == OUT_AUTO) return f->merge ? l->base->dtype : DTYPE_F32;
    return f->dtype == OUT_F32 ? DTYPE_F32 : DTYPE_BF16;
}

static void tell(const struct export_flags *f, const struct export_report *r)
{
    printf("%s\n", f->output);
    if (r->rows && !r->ties)
        fprintf(stderr, "checked: %u rows of logits, largest difference %.2g, the same greedy text\n",
                r->rows, r->difference);
    if (r->ties)
        fprintf(stderr,
                "checked: %u rows of logits, largest difference %.2g; at %u near ties another token leads\n",
                r->rows, r->difference, r->ties);
    fprintf(stderr,
            f->merge ? "next: terse generate -m %s -p \"...\"\n"
                     : "next: terse generate -m %s --lora %s -p \"...\"\n",
            f->merge ? f->output : f->model, f->output);
}

static int run_gguf(const struct export_flags *f, const char *adapter, struct err *e)
{
    static const enum load_dtype types[] = {
        [OUT_AUTO] = LOAD_AUTO, [OUT_F32] = LOAD_FP32,  [OUT_BF16] = LOAD_BF16,
        [OUT_Q8_0] = LOAD_Q8_0, [OUT_Q4_0] = LOAD_Q4_0, [OUT_W4] = LOAD_W4,
    };
    struct export_gguf_options o = {
        .model = f->model,
        .adapter = adapter,
        .dtype = types[f->dtype],
        .merge = f->merge,
        .base = f->base,
        .check = f->check,
        .force = f->force,
        .threads = (unsigned)f->threads,
    };
    struct export_bundle_options all = {.gguf = o, .heads = {f->head[0], f->head[1]}};
    struct export_report report;
    int r = f->bundle ? export_bundle(f->output, &all, &report, e) : export_gguf(f->output, &o, &report, e);
    if (r) return r;
    printf("%s\n", f->output);
    if (report.rows)
        fprintf(stderr, "checked: %u rows of logits, largest difference %.2g\n", report.rows,
                report.difference);
    if (f->bundle) fprintf(stderr, "next: terse-infer run --bundle %s -p \"...\"\n", f->output);
    return 0;
}

static int run(const struct export_flags *f, const char *adapter, struct err *e)
{
    struct loaded l = {0};
    struct export_report report;
    int r = export_check_target(f->output, f->merge, f->force, e);
    if (!r) r = load(&l, f, adapter, e);
    struct export_options o = {.model = f->model, .check = f->check, .force = f->force};
    if (!r) {
        o.dtype = dtype_of(f, &l);
        if (l.adapter && f->merge && l.adapter->cfg.gate != GATE_ALL)
            fprintf(stderr, "note: the adapter was trained to leave the prompt to the base; merged, it acts "
                            "on the prompt too\n");
        r = f->merge ? export_merged(&l, f->output, &o, &report, e)
                     : export_adapter(&l, f->output, &o, &report, e);
    }
    if (!r) tell(f, &report);
    load_clear(&l);
    return r;
}

static int check(const struct export_flags *f, bool adapter, struct err *e)
{
    if (f->bundle && (f->merge || f->gguf || !f->base))
        return err_set(e, ERR_USAGE,
                       "--bundle writes base and adapter apart; leave out --merge, --gguf and --no-base");
    if (!f->bundle && (f->head[HEAD_SWITCHER] || f->head[HEAD_VERIFIER]))
        return err_set(e, ERR_USAGE, "--switcher and --verifier go into a --bundle");
    if (!adapter && !f->merge && !f->gguf && !f->bundle)
        return err_set(e, ERR_USAGE, "no adapter given; --merge, --gguf and --bundle do without");
    if (f->dtype > OUT_BF16 && !f->gguf && !f->bundle)
        return err_set(
            e, ERR_USAGE,
            "--dtype q8_0, q4_0 and w4 are for --gguf and --bundle: PEFT and Hugging Face know none");
    if (!f->base && (!f->gguf || f->merge || !adapter))
        return err_set(e, ERR_USAGE,
                       "--no-base leaves the adapter alone: give one, with --gguf, without --merge");
    return 0;
}

int cmd_export(int argc, char **argv)
{
    struct export_flags f;
    struct options o = {0};
    struct err e = {0};
    if (options_init(&o, table, &f, &e)) return cli_fail(&e);
    o.usage = "terse export [ADAPTER] -m BASE -o OUT [--dtype TYPE] [--merge] [--gguf | --bundle]";
    o.about =
        "Writes an adapter as PEFT's adapter_config.json and adapter_model.safetensors, or merged into its "
        "base as a "
        "Hugging Face folder; with --gguf as GGUF files, with --bundle as all that a device needs. What was "
        "written is loaded again and must answer as "
        "what was "
        "trained does.";
    o.max_positional = 1;
    int status = cli_parse(&o, argc, argv);
    if (status < 0) check(&f, o.n_positional > 0, &e);
    if (status < 0 && (e.code || options_check_required(&o, &e))) status = cli_usage(&e);
    const char *adapter = o.n_positional ? o.positional[0] : NULL;
    if (status < 0) status = (f.gguf || f.bundle ? run_gguf : run)(&f, adapter, &e) ? cli_fail(&e) : CLI_OK;
    options_free(&o);
    return status;
}
