/* terse bench infer: prompts and answers, a token a second. */
#include "infer/bench_infer.h"
#include "infer/bench_model.h"
#include "infer/cmd_bench.h"
#include "infer/option_rows.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct flags {
    struct model_flags model;
    char *shape, *isa;
    int64_t rank, prompt, tokens, depth, repetitions;
    int output;
    bool limits, separate, first;
    struct string_list streams;
};

enum { MAX_STREAMS = 1024, MAX_TOKENS = 1 << 20 };

#define AT(field) .at = offsetof(struct flags, field)
static const struct option table[] = {
    MODEL_ROWS(flags),
    {.key = "shape",
     .type = OPT_STRING,
     AT(shape),
     .preset = "qwen2.5-0.5b",
     .help = "without --model: random weights of qwen2.5-0.5b, -1.5b, -3b or -7b"},
    {.key = "lora_rank",
     .alias = "rank",
     .type = OPT_INT,
     AT(rank),
     .preset = "0",
     .min = 0,
     .max = LORA_MAX_RANK,
     .help = "rank of a random adapter on all seven products instead"},
    {.key = "prompt",
     .type = OPT_INT,
     AT(prompt),
     .preset = "512",
     .min = 0,
     .max = MAX_TOKENS,
     .unit = "tokens",
     .short_flag = 'p',
     .group = "Rows",
     .help = "of a prompt; 0 for no such rows"},
    {.key = "tokens",
     .type = OPT_INT,
     AT(tokens),
     .preset = "64",
     .min = 0,
     .max = MAX_TOKENS,
     .unit = "tokens",
     .short_flag = 'n',
     .help = "of an answer; 0 for no such rows"},
    {.key = "streams",
     .type = OPT_STRINGS,
     AT(streams),
     .preset = "1,2,4,8,16",
     .help = "answers at a time, forked from one prompt: a row for each number"},
    {.key = "depth",
     .type = OPT_INT,
     AT(depth),
     .unset = "the prompt's",
     .min = 1,
     .max = MAX_TOKENS,
     .unit = "tokens",
     .short_flag = 'd',
     .help = "of the prompt that answers follow"},
    {.key = "separate", .type = OPT_BOOL, AT(separate), .help = "each answer follows a prompt of its own"},
    {.key = "first",
     .type = OPT_BOOL,
     AT(first),
     .preset = "true",
     .help = "the time to the first token; --no-first"},
    {.key = "repetitions",
     .type = OPT_INT,
     AT(repetitions),
     .preset = "3",
     .min = 1,
     .max = 1000,
     .short_flag = 'r',
     .help = "of every row, after one that does not count"},
    {.key = "limits",
     .type = OPT_BOOL,
     AT(limits),
     .help = "measure the machine too, between the repetitions, and print shares of what it could do"},
    {.key = "isa",
     .type = OPT_STRING,
     AT(isa),
     .group = "Machine",
     .unset = "the best there is",
     .help = "instruction set"},
    FORMAT_ROW(AT(output)),
    {0},
};

static int streams_read(struct bench_infer_config *c, const struct string_list *list, struct err *e)
{
    if (list->n > BENCH_MAX_COUNTS)
        return err_set(e, ERR_FIELD_RANGE, "streams: %zu numbers, at most %d", list->n, BENCH_MAX_COUNTS);
    for (size_t i = 0; i < list->n; i++) {
        char *end;
        long n = strtol(list->items[i], &end, 10);
        if (*end || end == list->items[i] || n < 1 || n > MAX_STREAMS)
            return err_set(e, ERR_FIELD_RANGE, "streams: '%s', expected numbers from 1 to %d", list->items[i],
                           MAX_STREAMS);
        c->streams[c->counts++] = (uint32_t)n;
    }
    return 0;
}

static int config_read(struct bench_infer_config *c, const struct flags *f, struct err *e)
{
    *c = (struct bench_infer_config){
        .cpu_flags = cpu_limit(cpu_detect(), f->isa),
        .prompt = (uint32_t)f->prompt,
        .tokens = (uint32_t)f->tokens,
        .depth = (uint32_t)(f->depth    ? f->depth
                            : f->prompt ? f->prompt
                                        : 1),
        .repetitions = (uint32_t)f->repetitions,
        .kv = (enum kv_type)f->model.kv_dtype,
        .limits = f->limits,
        .separate = f->separate,
        .first = f->first,
    };
    if (c->cpu_flags == ~0u) return err_set(e, ERR_FIELD_RANGE, "isa '%s' is unknown", f->isa);
    if (!c->prompt && (!c->tokens || !f->streams.n))
        return err_set(e, ERR_USAGE, "neither prompts nor answers are to be measured");
    return streams_read(c, &f->streams, e);
}

/* Adapters are loaded for their panels alone. */
static int model_load(struct loaded *l, const struct flags *f, const struct model_source *from,
                      const struct bench_infer_config *c, struct err *e)
{
    uint32_t answer = c->depth + c->tokens;
    struct load_options o = {
        .dtype = (enum load_dtype)f->model.dtype,
        .act8 = f->model.act_dtype == 1,
        .threads = (unsigned)f->model.threads,
        .context = answer > c->prompt ? answer : c->prompt,
    };
    if (f->model.lora && (f->rank || !f->model.model))
        return err_set(e, ERR_USAGE, "--lora goes with --model, and without --lora-rank");
    o.model = f->model.model, o.adapter = f->model.lora;
    int r = o.model ? from->load(l, &o, e) : bench_model_random(l, f->shape, &o, e);
    if (!r && f->rank) r = bench_adapter_random(l, (uint32_t)f->rank, e);
    if (r) return r;
    kernels_init(&l->m->kern, c->cpu_flags); /* panels are the same for all */
    adapter_free(l->adapter);
    l->adapter = NULL;
    return 0;
}

/* ---- what was loaded and measured, after the rows
 * ---------------------------------------------------------- */

static void json_last(const struct bench_infer_config *c, const struct bench_infer_result *r, double seconds,
                      const struct flags *f)
{
    printf(",\n  {\"test\": \"memory\", \"weights_bytes\": %" PRIu64 ", \"adapter_bytes\": %" PRIu64
           ", \"kv_bytes\": %" PRIu64 ", \"session_bytes\": %" PRIu64 ", \"resident_bytes\": %" PRIu64
           ", \"peak_rss_bytes\": %" PRIu64 "}",
           r->weights, r->adapter, r->kv, r->session, r->resident, machine_peak_rss());
    printf(",\n  {\"test\": \"load\", \"seconds\": %.4f, \"random\": %s}", seconds,
           f->model.model ? "false" : "true");
    if (c->limits)
        printf(",\n  {\"test\": \"limits\", \"fma_gflop_s\": %.6g, \"dot_gflop_s\": %.6g, "
               "\"dot8_gop_s\": %.6g, \"read_gb_s\": %.6g, \"best_fma_gflop_s\": %.6g, "
               "\"best_dot_gflop_s\": %.6g, \"best_dot8_gop_s\": %.6g, \"best_read_gb_s\": %.6g}",
               r->limits.fma, r->limits.dot, r->limits.dot8, r->limits.read, r->best.fma, r->best.dot,
               r->best.dot8, r->best.read);
}

static void text_limits(const struct machine_limits *m, const struct machine_limits *best, bool bf16)
{
    printf("limits in this run, mean (best): memory read %.2f (%.2f) GB/s, fp32 multiply-add %.1f (%.1f) "
           "GFLOP/s, ",
           m->read, best->read, m->fma, best->fma);
    if (m->dot > 0)
        printf("bf16 dot %.1f (%.1f) GFLOP/s", m->dot, best->dot);
    else
        printf("no bf16 dot instruction");
    if (m->dot8 > 0) printf(", 8-bit dot %.1f (%.1f) Gop/s", m->dot8, best->dot8);
    printf("; compute is a share of %s\n", m->dot8 > 0          ? "the 8-bit dot's where activations are"
                                           : bf16 && m->dot > 0 ? "bf16 dot"
                                                                : "fp32 multiply-add");
}

static void text_last(const struct bench_infer_config *c, const struct bench_infer_result *r, double seconds,
                      const struct flags *f)
{
    const double mb = 1e-6;
    if (f->output) putchar('\n');
    if (c->limits) text_limits(&r->limits, &r->best, c->m->type == WT_BF16);
    printf("memory planned: weights %.1f MB, KV %.1f MB of a session of %.1f MB", (double)r->weights * mb,
           (double)r->kv * mb, (double)r->session * mb);
    if (r->adapter) printf(", adapter %.1f MB", (double)r->adapter * mb);
    printf("; resident %.1f MB, %+.1f %% of weights and KV%s; at most %.1f MB\n", (double)r->resident * mb,
           100 * ((double)r->resident / (double)(r->weights + r->adapter + r->kv) - 1),
           r->adapter ? " and adapter" : "", (double)machine_peak_rss() * mb);
    printf("%s in %.2f s\n", f->model.model ? "loaded" : "random weights made", seconds);
}

static void row_print(void *ctx, const struct bench_row *row)
{
    bench_print(ctx, row);
}

static int run(const struct flags *f, const struct model_source *from, struct err *e)
{
    struct bench_infer_config c;
    struct bench_infer_result result;
    struct loaded l = {0};
    struct bench_list list;
    int r = config_read(&c, f, e);
    double start = machine_seconds();
    if (!r) r = model_load(&l, f, from, &c, e);
    double seconds = machine_seconds() - start;
    if (!r) {
        c.m = l.m, c.lora = l.lora;
        bench_begin(&list, (enum bench_format)f->output);
        r = bench_infer_run(&c, &result, row_print, &list, e);
        if (!r && f->output == BENCH_JSON) json_last(&c, &result, seconds, f);
        bench_end(&list);
        if (!r && f->output != BENCH_JSON) text_last(&c, &result, seconds, f);
    }
    loaded_clear(&l);
    return r;
}

/* No model means random weights; what the context and the cache hold follows from the rows measured. */
static void rows_fit(struct option *rows)
{
    struct option *to = rows;
    for (const struct option *row = rows; row->key; row++) {
        if (!strcmp(row->key, "ctx_size") || !strcmp(row->key, "prefix_cache")) continue;
        *to = *row;
        if (!strcmp(row->key, "model")) to->required = false, to->unset = "random weights";
        to++;
    }
    *to = (struct option){0};
}

int cmd_bench_infer(const struct model_source *from, int argc, char **argv)
{
    struct option rows[sizeof table / sizeof *table];
    struct model_source source = *from;
    char usage[160];
    struct flags f;
    struct options o;
    struct err e = {0};
    source.preset = NULL;
    run_options_table(rows, table, sizeof table, &source);
    rows_fit(rows);
    int status = options_init(&o, rows, &f, &e) ? cli_fail(&e) : -1;
    snprintf(usage, sizeof usage,
             "%s %s [-m MODEL] [--dtype q4_0] [--lora-rank 128] [-p 512] [-n 64] [--streams 1,8]",
             cli_program(), argv[0]);
    o.usage = usage;
    o.about =
        "Measures how fast prompts are read and answers written: pp512 is a prompt of 512 tokens, tg64 x8 "
        "64 steps of 8 answers to one prompt, ttft512 the time to the first token, with +448 after 448 "
        "tokens were found in the prefix cache. Bytes are those of weights, keys and values that a step "
        "reads.";
    if (status < 0) status = cli_parse(&o, argc, argv);
    if (status < 0) status = run(&f, from, &e) ? cli_fail(&e) : CLI_OK;
    options_free(&o);
    return status;
}
