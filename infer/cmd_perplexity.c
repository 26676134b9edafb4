#include "infer/cmd_perplexity.h"
#include "infer/cli.h"
#include "infer/perplexity.h"
#include "infer/progress.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct flags {
    struct model_flags model;
    char *text;
    bool json;
};

#define AT(field) .at = offsetof(struct flags, field)
static const struct option rows[] = {
    MODEL_ROWS(flags),
    {.key = "text",
     .type = OPT_PATH,
     AT(text),
     .required = true,
     .short_flag = 'f',
     .group = "Text",
     .help = "file to read; <|im_start|> and the like count as the tokens they name"},
    {.key = "json", .type = OPT_BOOL, AT(json), .help = "print an object instead of a sentence"},
    {0},
};

static int tick(void *ctx, uint64_t done, uint64_t total)
{
    (void)total;
    progress_update(ctx, done, NULL);
    return cli_interrupted();
}

static void print(const struct perplexity *p, bool json)
{
    if (json)
        printf("{\"perplexity\": %.6f, \"deviation\": %.6f, \"loss\": %.8f, \"tokens\": %" PRIu64
               ", \"context\": %u}\n",
               p->value, p->deviation, p->loss, p->tokens, p->context);
    else
        printf("perplexity %.4f +- %.4f, loss %.5f, on %" PRIu64 " tokens in windows of %u\n", p->value,
               p->deviation, p->loss, p->tokens, p->context);
}

static int run(const struct model_source *from, const struct flags *f, struct err *e)
{
    struct loaded l;
    struct perplexity p;
    struct progress bar;
    int32_t *ids = NULL;
    size_t n;
    int r = run_options_load(&l, from, &f->model, e);
    if (r) return r;
    cli_catch_signals();
    r = perplexity_text(&ids, &n, f->text, l.tokenizer, e);
    uint32_t context = (uint32_t)f->model.context;
    progress_start(&bar, stderr, "perplexity", "window", 0, context ? n / context : 0);
    if (!r) r = perplexity_run(&p, l.m, (enum kv_type)f->model.kv_dtype, ids, n, context, tick, &bar, e);
    progress_clear(&bar);
    if (!r) print(&p, f->json);
    free(ids);
    loaded_clear(&l);
    return r;
}

/* A window is what a conversation is elsewhere; adapters answer, they are not read with. */
static void rows_fit(struct option *table)
{
    struct option *to = table;
    for (const struct option *row = table; row->key; row++) {
        if (!strcmp(row->key, "lora") || !strcmp(row->key, "prefix_cache")) continue;
        *to = *row;
        if (!strcmp(row->key, "ctx_size"))
            to->preset = "512", to->help = "windows the text is read in, of which the second halves count";
        to++;
    }
    *to = (struct option){0};
}

int cmd_perplexity(const struct model_source *from, int argc, char **argv)
{
    struct option table[sizeof rows / sizeof *rows];
    struct flags f;
    struct options o = {0};
    struct err e = {0};
    char usage[160];
    run_options_table(table, rows, sizeof rows, from);
    rows_fit(table);
    if (options_init(&o, table, &f, &e)) return cli_fail(&e);
    snprintf(usage, sizeof usage, "%s %s -m MODEL -f TEXT [--dtype q4_0] [--kv-dtype int8] [-c WINDOW]",
             cli_program(), argv[0]);
    o.usage = usage;
    o.about = "Reads a text with a model and prints its perplexity, counted as llama-perplexity counts it.";
    int status = cli_parse(&o, argc, argv);
    if (status < 0 && (run_options_check(&o, &e) || options_check_required(&o, &e))) status = cli_usage(&e);
    if (status < 0) status = run(from, &f, &e) ? cli_fail(&e) : CLI_OK;
    options_free(&o);
    return status;
}
