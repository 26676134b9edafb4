#include "infer/cmd_bench.h"
#include "infer/bench_kernels.h"
#include "infer/option_rows.h"

#include <string.h>

int cmd_bench(const struct command *benches, int argc, char **argv)
{
    const struct program bench = {
        .name = "terse bench",
        .about = "Measures this machine's limits, and what terse reaches of them; 'all' runs every row.",
        .first = "terse bench machine",
        .commands = benches,
    };
    if (argc < 2 || strcmp(argv[1], "all") != 0) return cli_main(&bench, argc, argv);
    int worst = CLI_OK;
    for (const struct command *b = benches; b->name && worst == CLI_OK; b++) {
        argv[1] = (char[64]){0};
        snprintf(argv[1], 64, "%s", b->name);
        worst = b->run(argc - 1, argv + 1);
    }
    return worst;
}

struct bench_config {
    int64_t threads, rows;
    int dtype, output;
    char *isa;
};

#define AT(field)   .at = offsetof(struct bench_config, field)
#define ROW_THREADS THREADS_ROW(AT(threads), .short_flag = 't', .help = "how many; 0 for one a processor")
#define ROW_ISA                                                                                              \
    {                                                                                                        \
        .key = "isa", .type = OPT_STRING, AT(isa), .unset = "the best there is",                             \
        .help = "instruction set: avx2, avx512, avx512bf16; neon, dotprod, armbf16, i8mm; all for every one" \
    }

static const struct option machine_options[] = {ROW_THREADS, FORMAT_ROW(AT(output)), {0}};

static const struct option kernels_options[] = {ROW_THREADS,
                                                FORMAT_ROW(AT(output)),
                                                ROW_ISA,
                                                {.key = "dtype",
                                                 .type = OPT_ENUM,
                                                 AT(dtype),
                                                 .choices = "f32|bf16|q8_0|q4_0|w4|i8|q8_0a8|q4_0a8|w4a8",
                                                 .preset = "bf16",
                                                 .help = "of the weights; a8: with 8-bit activations"},
                                                {.key = "rows",
                                                 .type = OPT_INT,
                                                 AT(rows),
                                                 .min = 0,
                                                 .max = 8192,
                                                 .preset = "0",
                                                 .short_flag = 'm',
                                                 .help = "of activations; 0 for 1, 4, 8, 16, 64 and 512"},
                                                {0}};

/* The limits of one thread, then of all. */
static int machine_rows(const struct bench_config *c, struct err *e)
{
    struct bench_list list;
    unsigned flags = cpu_detect(), all = (unsigned)c->threads;
    int r = 0;
    bench_begin(&list, (enum bench_format)c->output);
    for (int i = 0; i < 2 && !r; i++) {
        struct machine_limits l = {0};
        struct pool *p;
        r = pool_create(&p, i ? all : 1, e);
        if (!r) r = machine_probe(&l, p, flags, e);
        if (r) break;
        struct bench_row row = {.threads = pool_threads(p), .streams = 1, .peak_rss = machine_peak_rss()};
        row.test = "fp32 multiply-add", row.gflop_s = l.fma;
        bench_print(&list, &row);
        row.test = "bf16 dot", row.gflop_s = l.dot;
        if (l.dot > 0) bench_print(&list, &row);
        row.test = "8-bit dot", row.gflop_s = l.dot8;
        if (l.dot8 > 0) bench_print(&list, &row);
        row.test = "memory read", row.gflop_s = 0, row.gb_s = l.read;
        bench_print(&list, &row);
        pool_free(p);
    }
    bench_end(&list);
    return r;
}

static const struct {
    int64_t n, k;
} shapes[] = {
    {896, 896}, {4864, 896}, {896, 4864}, {8192, 896}}; /* q and o, gate and up, down, 1/18 of the head */
static const int64_t row_counts[] = {1, 4, 8, 16, 64, 512};

static int shape_rows(const struct bench_config *c, unsigned flags, size_t shape, struct pool *p,
                      struct bench_list *list, struct err *e)
{
    struct bench_product b = {.n = shapes[shape].n, .k = shapes[shape].k, .cpu_flags = flags};
    b.act8 = c->dtype >= WT_COUNT;
    b.type = b.act8 ? WT_Q8_0 + (unsigned)c->dtype - WT_COUNT : (enum weight_type)c->dtype;
    for (size_t i = 0; i < sizeof row_counts / sizeof *row_counts; i++) {
        char name[64];
        struct bench_row row = {.test = name};
        b.m = c->rows ? c->rows : row_counts[i];
        snprintf(name, sizeof name, "gemm %dx%d m%d", (int)b.n, (int)b.k, (int)b.m);
        int r = bench_product(&b, p, &row, e);
        if (r) return r;
        bench_print(list, &row);
        if (c->rows) break;
    }
    return 0;
}

/* Every level within `have`, or the one asked for. */
static int kernel_rows(const struct bench_config *c, struct pool *p, struct err *e)
{
    struct bench_list list;
    unsigned have = cpu_detect(), seen = 0;
    bool every = c->isa && !strcmp(c->isa, "all");
    unsigned wanted = every ? have : cpu_limit(have, c->isa);
    int r = 0;
    if (wanted == ~0u) return err_set(e, ERR_FIELD_RANGE, "isa '%s' is unknown", c->isa);
    bench_begin(&list, (enum bench_format)c->output);
    for (const struct cpu_level *l = cpu_levels(); l->name && !r; l++) {
        unsigned flags = have & l->flags;
        if (flags == seen || (!every && flags != wanted)) continue;
        seen = flags;
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes && !r; s++)
            r = shape_rows(c, flags, s, p, &list, e);
    }
    bench_end(&list);
    return r;
}

static int parse(struct options *o, const struct option *table, struct bench_config *c, const char *usage,
                 const char *about, int argc, char **argv)
{
    struct err e = {0};
    if (options_init(o, table, c, &e)) return cli_fail(&e);
    o->usage = usage, o->about = about;
    return cli_parse(o, argc, argv);
}

int cmd_bench_machine(int argc, char **argv)
{
    struct bench_config c;
    struct options o;
    struct err e = {0};
    int status = parse(&o, machine_options, &c, "terse bench machine [-t N] [-o json]",
                       "Measures arithmetic and memory on one thread and on all.", argc, argv);
    if (status < 0) status = machine_rows(&c, &e) ? cli_fail(&e) : CLI_OK;
    options_free(&o);
    return status;
}

int cmd_bench_kernels(int argc, char **argv)
{
    struct bench_config c;
    struct options o;
    struct err e = {0};
    struct pool *p = NULL;
    int status = parse(
        &o, kernels_options, &c, "terse bench kernels [--isa all] [--dtype f32] [-m ROWS] [-o json]",
        "Measures products of the shapes of a 0.5B model, beside the limits of the machine.", argc, argv);
    if (status < 0) {
        int r = pool_create(&p, (unsigned)c.threads, &e);
        if (!r) r = kernel_rows(&c, p, &e);
        pool_free(p);
        status = r ? cli_fail(&e) : CLI_OK;
    }
    options_free(&o);
    return status;
}
