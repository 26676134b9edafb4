/* terse bench train: tokens a second of whole optimiser steps, as a share of the machine's limit. */
#include "train/cmd_bench_train.h"
#include "checkpoints/hf_config.h"
#include "infer/bench.h"
#include "infer/cli.h"
#include "infer/option_rows.h"
#include "train/bench_train.h"

struct flags {
    char *shape;
    int64_t rank, tokens, steps, threads;
    int dtype, output, recompute;
};

#define AT(field) .at = offsetof(struct flags, field)
static const struct option table[] = {
    {.key = "shape",
     .type = OPT_STRING,
     AT(shape),
     .preset = "qwen2.5-0.5b",
     .help = "qwen2.5-0.5b, -1.5b, -3b or -7b, or a config.json"},
    {.key = "lora_rank",
     .alias = "rank",
     .type = OPT_INT,
     AT(rank),
     .preset = "128",
     .min = 0,
     .max = LORA_MAX_RANK,
     .short_flag = 'r',
     .help = "rank of an adapter on all seven products; 0 for dense tuning"},
    {.key = "tokens",
     .type = OPT_INT,
     AT(tokens),
     .preset = "512",
     .min = 2,
     .max = 1 << 20,
     .short_flag = 'n',
     .unit = "tokens",
     .help = "length of the one example of a step, all of it learned"},
    {.key = "steps",
     .type = OPT_INT,
     AT(steps),
     .preset = "5",
     .min = 1,
     .max = 10000,
     .help = "steps to time"},
    {.key = "dtype",
     .type = OPT_ENUM,
     AT(dtype),
     .choices = "f32|bf16",
     .preset = "bf16",
     .help = "of the model"},
    {.key = "recompute",
     .type = OPT_ENUM,
     AT(recompute),
     .choices = "none|mlp|layer",
     .preset = "none",
     .help = "what of the forward pass is made again instead of kept"},
    THREADS_ROW(AT(threads), .short_flag = 't', .help = "how many; 0 for one a processor"),
    FORMAT_ROW(AT(output)),
    {0},
};

/* The limit of the instructions that the products use, on the same threads, after the measurement. */
static int limits_read(struct machine_limits *l, unsigned threads, struct err *e)
{
    struct pool *p;
    int r = pool_create(&p, threads, e);
    if (!r) r = machine_probe(l, p, cpu_detect(), e);
    pool_free(p);
    return r;
}

static int run(const struct flags *f, struct err *e)
{
    struct bench_train_config c = {
        .type = f->dtype ? WT_BF16 : WT_F32,
        .rank = (uint32_t)f->rank,
        .tokens = (uint32_t)f->tokens,
        .steps = (uint32_t)f->steps,
        .threads = (unsigned)f->threads,
        .recompute = (enum recompute)f->recompute,
    };
    struct bench_train_result t = {0};
    struct machine_limits l = {0};
    struct kernels k;
    int r = hf_config_shape(&c.model, f->shape, e);
    if (!r) r = bench_train_run(&c, &t, e);
    if (!r) r = limits_read(&l, c.threads, e);
    if (r) return r;
    kernels_init(&k, cpu_detect());
    struct bench_row row = {.test = "train", .dtype = f->dtype ? "bf16" : "f32", .isa = k.name, .streams = 1};
    row.lora = c.rank, row.threads = t.threads, row.tok_s = t.tokens_per_second, row.sd = t.sd;
    row.ns = t.step_seconds * 1e9, row.gflop_s = t.tokens_per_second * t.flops_a_token * 1e-9;
    row.peak_rss = t.peak_rss;
    bench_share(&row, l.dot > 0 && f->dtype ? l.dot : l.fma, 0);
    struct bench_list list;
    bench_begin(&list, (enum bench_format)f->output);
    bench_print(&list, &row);
    bench_end(&list);
    return 0;
}

int cmd_bench_train(int argc, char **argv)
{
    struct flags f;
    struct options o;
    struct err e = {0};
    int status = options_init(&o, table, &f, &e) ? cli_fail(&e) : -1;
    o.usage = "terse bench train [--shape SHAPE] [-r RANK] [--tokens N]";
    o.about = "Times whole optimiser steps (forward, backward, AdamW) of a model with random weights and "
              "prints tokens a "
              "second, the share of the arithmetic limit measured right after, and the most memory held.";
    if (status < 0) status = cli_parse(&o, argc, argv);
    if (status < 0) status = run(&f, &e) ? cli_fail(&e) : CLI_OK;
    options_free(&o);
    return status;
}
