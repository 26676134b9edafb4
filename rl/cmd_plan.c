/* terse plan: what a recipe takes of memory, disk and time, told before anything is run. */
#include "rl/cmd_plan.h"
#include "infer/cli.h"
#include "infer/option_rows.h"
#include "rl/plan_print.h"

#include <math.h>
#include <string.h>

enum { PROBES = 3 };

struct flags {
    int kind, output;
    char *shape;
    struct string_list machine, here;
    int64_t rows, tokens_per_row, prompt_tokens, answer_tokens, sample, rank, threads;
    uint64_t memory;
    double efficiency;
};

#define AT(field) .at = offsetof(struct flags, field)
static const struct option table[] = {
    {.key = "kind",
     .type = OPT_ENUM,
     AT(kind),
     .preset = "auto",
     .choices = "auto|sft|ppo",
     .help = "command that the recipe is for; auto: the one that knows all its keys"},
    {.key = "shape",
     .type = OPT_STRING,
     AT(shape),
     .unset = "the model folder's, or by its name",
     .help = "qwen2.5-0.5b, -1.5b, -3b or -7b, or a config.json"},
    {.key = "rows",
     .type = OPT_INT,
     AT(rows),
     .unset = "counted, or OpenThoughts3's",
     .min = 1,
     .max = 1e12,
     .group = "Data that is not there",
     .help = "conversations of the dataset"},
    {.key = "tokens_per_row",
     .type = OPT_INT,
     AT(tokens_per_row),
     .unset = "counted, or OpenThoughts3's",
     .min = 2,
     .max = 1 << 24,
     .unit = "tokens",
     .help = "of a conversation, its prompt included"},
    {.key = "prompt_tokens",
     .type = OPT_INT,
     AT(prompt_tokens),
     .unset = "counted, or 200",
     .min = 1,
     .max = 1 << 20,
     .unit = "tokens",
     .help = "of a prompt"},
    {.key = "answer_tokens",
     .type = OPT_INT,
     AT(answer_tokens),
     .unset = "the longest allowed",
     .min = 1,
     .max = 1 << 24,
     .unit = "tokens",
     .help = "of an answer in the mean, while learning by reinforcement"},
    {.key = "adapter_rank",
     .type = OPT_INT,
     AT(rank),
     .preset = "128",
     .min = 1,
     .max = LORA_MAX_RANK,
     .help = "of the adapter that reinforcement goes on from, if it is not there yet"},
    {.key = "sample",
     .type = OPT_INT,
     AT(sample),
     .preset = "200",
     .min = 1,
     .max = 1 << 24,
     .unit = "rows",
     .help = "of a dataset that is there, to be tokenised for their lengths"},
    {.key = "machine",
     .type = OPT_STRINGS,
     AT(machine),
     .unset = "this one only",
     .group = "Machines",
     .help = "another one: cores=64,gbps=400,gflops=5000,fp32=2500,gib=512,ranks=8; what is not said is this "
             "one's, "
             "GFLOP/s by the core"},
    {.key = "here",
     .type = OPT_STRINGS,
     AT(here),
     .unset = "measured",
     .help = "this machine in the same words; gbps and gflops must be among them"},
    {.key = "memory",
     .type = OPT_BYTES,
     AT(memory),
     .unset = "what is available",
     .help = "of this machine, to fit into"},
    {.key = "efficiency",
     .type = OPT_FLOAT,
     AT(efficiency),
     .unset = "measured ones",
     .min = 0,
     .max = 1,
     .open = OPT_OPEN_MIN,
     .help = "share of the machine's limits that products reach"},
    THREADS_ROW(AT(threads), .short_flag = 't',
                .help = "to measure this machine with; 0 for one a processor"),
    FORMAT_ROW(AT(output)),
    {0},
};

/* ---- machines ------------------------------------------------------------------------------------------ */

static void shares_fill(struct plan_machine *m, const struct flags *f, uint32_t width)
{
    plan_shares(m->share, width);
    if (f->efficiency > 0) m->share[PLAN_PRODUCTS] = m->share[PLAN_DECODE] = f->efficiency;
}

struct described {
    int64_t cores, ranks;
    double gbps, gflops, fp32, gib;
};

#define IN(field)   .at = offsetof(struct described, field), .max = INFINITY
#define ABOVE_0(in) in, .min = 0, .open = OPT_OPEN_MIN
static const struct option machine_table[] = {
    {.key = "cores", .type = OPT_INT, IN(cores), .min = 1, .help = "of one machine"},
    {.key = "ranks", .type = OPT_INT, IN(ranks), .min = 1, .preset = "1", .help = "machines"},
    {.key = "gbps", .type = OPT_FLOAT, ABOVE_0(IN(gbps)), .help = "GB/s from memory"},
    {.key = "gflops", .type = OPT_FLOAT, ABOVE_0(IN(gflops)), .help = "GFLOP/s of products"},
    {.key = "fp32", .type = OPT_FLOAT, ABOVE_0(IN(fp32)), .help = "GFLOP/s in fp32"},
    {.key = "gib", .type = OPT_FLOAT, ABOVE_0(IN(gib)), .help = "GiB of memory"},
    {0},
};

static int described_read(struct described *d, const struct string_list *words, struct err *e)
{
    struct options o;
    int r = options_init(&o, machine_table, d, e);
    for (size_t i = 0; i < words->n && !r; i++) {
        char key[16];
        size_t n = strcspn(words->items[i], "=");
        if (!words->items[i][n] || n >= sizeof key)
            r = err_set(e, ERR_USAGE,
                        "--machine: \"%.40s\", expected cores=, gbps=, gflops=, fp32=, gib= or ranks=",
                        words->items[i]);
        snprintf(key, sizeof key, "%.*s", (int)n, words->items[i]);
        if (!r) r = options_set_text(&o, key, words->items[i] + n + 1, e);
    }
    struct described read = *d;
    options_free(&o); /* clears */
    *d = read;
    return r;
}

/* The best of several probes: neighbours on a shared machine come and go within a second. */
static int here_probe(struct plan_machine *m, const struct flags *f, struct err *e)
{
    struct pool *p;
    int r = pool_create(&p, (unsigned)f->threads, e);
    if (r) return r;
    *m = (struct plan_machine){.cores = pool_threads(p), .ranks = 1, .memory = machine_available()};
    for (int i = 0; i < PROBES && !r; i++) {
        struct machine_limits l = {0};
        r = machine_probe(&l, p, cpu_detect(), e);
        m->products = fmax(m->products, l.dot > 0 ? l.dot : l.fma);
        m->fp32 = fmax(m->fp32, l.fma), m->read = fmax(m->read, l.read);
    }
    pool_free(p);
    return r;
}

static int here_describe(struct plan_machine *m, const struct string_list *words, struct err *e)
{
    struct described d;
    int r = described_read(&d, words, e);
    if (r) return r;
    if (!(d.gbps > 0) || !(d.gflops > 0))
        return err_set(e, ERR_USAGE, "--here says neither gbps nor gflops, or only one of them");
    *m = (struct plan_machine){.products = d.gflops, .fp32 = d.fp32 > 0 ? d.fp32 : d.gflops, .read = d.gbps};
    m->cores = d.cores ? (unsigned)d.cores : 1, m->ranks = (unsigned)d.ranks;
    m->memory = d.gib > 0 ? (uint64_t)(d.gib * 0x1p30) : machine_available();
    return 0;
}

static int here_know(struct plan_machine *m, const struct flags *f, struct err *e)
{
    int r = f->here.n ? here_describe(m, &f->here, e) : here_probe(m, f, e);
    if (f->memory) m->memory = f->memory;
    return r;
}

/* What is not described is as here: memory's speed in all, arithmetic by the core. */
static int there_describe(struct plan_machine *m, const struct plan_machine *here,
                          const struct string_list *words, struct err *e)
{
    struct described d;
    int r = described_read(&d, words, e);
    if (r) return r;
    *m = *here;
    m->ranks = (unsigned)d.ranks, m->memory = (uint64_t)(d.gib * 0x1p30);
    if (d.cores) m->cores = (unsigned)d.cores;
    double more = (double)m->cores / here->cores;
    m->products = d.gflops > 0 ? d.gflops : here->products * more;
    m->fp32 = d.fp32 > 0 ? d.fp32 : d.gflops > 0 ? d.gflops * here->fp32 / here->products : here->fp32 * more;
    if (d.gbps > 0) m->read = d.gbps;
    return 0;
}

/* ---- the forecast -------------------------------------------------------------------------------------- */

static void request_fill(struct forecast_request *q, const struct flags *f, const struct options *o,
                         const struct plan_machine *here)
{
    *q = (struct forecast_request){
        .path = o->positional[0],
        .set = o->positional + 1,
        .n_set = o->n_positional - 1,
        .kind = (enum forecast_kind)f->kind,
        .shape = f->shape,
        .assumed = {(double)f->rows, (uint32_t)f->tokens_per_row, (uint32_t)f->prompt_tokens},
        .answer_tokens = (double)f->answer_tokens,
        .sample = (uint32_t)f->sample,
        .rank = (uint32_t)f->rank,
        .threads = (unsigned)f->threads,
        .limit = here->memory,
    };
}

/* Those that make a difference; what contradicts the recipe is left out. */
static int changes_try(struct plan_change *out, char text[FORECAST_CHANGES][FORECAST_CHANGE],
                       const struct forecast *r, const struct plan *now, const struct plan_machine *here)
{
    int n = forecast_changes(r, text, NULL), kept = 0;
    for (int i = 0; i < n; i++) {
        struct plan p;
        if (forecast_plan(r, text[i], &p, NULL)) continue;
        struct plan_change c = {text[i], plan_bytes(&p.memory), plan_seconds(&p, here),
                                forecast_change_is_free(text[i])};
        if (c.memory != plan_bytes(&now->memory) || c.seconds != plan_seconds(now, here)) out[kept++] = c;
    }
    return kept;
}

static int report(const struct forecast *r, const struct flags *f, struct plan_machine *here, struct err *e)
{
    struct plan p;
    struct plan_machine there;
    struct plan_change change[FORECAST_CHANGES];
    char text[FORECAST_CHANGES][FORECAST_CHANGE];
    struct plan_report report = {.recipe = r, .plan = &p, .here = here, .change = change};
    int code = forecast_plan(r, NULL, &p, e);
    if (code) return code;
    shares_fill(here, f, p.width);
    if (f->machine.n && (code = there_describe(&there, here, &f->machine, e))) return code;
    if (f->machine.n) report.there = &there;
    report.changes = changes_try(change, text, r, &p, here);
    return plan_print(&report, (enum bench_format)f->output, e);
}

static int run(const struct flags *f, const struct options *o, struct err *e)
{
    struct plan_machine here;
    struct forecast_request q;
    struct forecast r;
    if (!o->n_positional) return err_set(e, ERR_USAGE, "which recipe? terse plan recipes/nano-sft.yaml");
    int code = here_know(&here, f, e);
    if (code) return code;
    request_fill(&q, f, o, &here);
    code = forecast_open(&r, &q, e);
    if (!code) code = report(&r, f, &here, e);
    forecast_close(&r);
    return code;
}

int cmd_plan(int argc, char **argv)
{
    struct flags f;
    struct options o;
    struct err e = {0};
    int status = options_init(&o, table, &f, &e) ? cli_fail(&e) : -1;
    o.usage =
        "terse plan RECIPE [key=value of the recipe ...] [--machine cores=64,gbps=400,gflops=5000,ranks=8]";
    o.about = "Says what a recipe for terse sft or terse ppo takes of memory, disk and time, before anything "
              "is run. "
              "Memory is planned by the code that takes it; products are counted as they are run; this "
              "machine's limits "
              "are measured in a second, and the share of them that terse reaches is assumed from "
              "docs/performance.md.";
    o.max_positional = 32;
    if (status < 0) status = cli_parse(&o, argc, argv);
    if (status < 0) status = run(&f, &o, &e) ? cli_fail(&e) : CLI_OK;
    options_free(&o);
    return status;
}
