#include "infer/bench_infer.h"
#include "infer/bench_cost.h"
#include "infer/bench_model.h"
#include "infer/rng.h"
#include "infer/sampler.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WARM_STEPS = 8, READ_BYTES = 192 << 20 };
#define LIMIT_SECONDS 0.1

enum kind { PROMPT, DECODE, FIRST };

/* What a row measures. */
struct test {
    enum kind kind;
    uint32_t streams;
    uint32_t cached; /* tokens of the prompt that the prefix cache is to have */
};

struct rig {
    const struct bench_infer_config *c;
    struct session *s;
    struct sampler *sampler;
    int32_t *prompt;   /* [max(prompt, depth)] the last one */
    int32_t *other;    /* [depth] the prompt of another stream */
    int32_t *token;    /* [streams] */
    uint32_t *stream;  /* [streams] 0, 1, 2 ... */
    uint64_t serial;   /* of the last prompt: no two are alike */
    struct arena read; /* memory to measure the machine with, where the weights are too few */
    struct machine_limits best;
    bench_infer_row *row;
    void *ctx;
};

/* Measurements of one test, with or without the adapter. */
struct series {
    double sum, squares, seconds, share; /* of tokens a second; ... */
    int compute;
    uint32_t n;
};

static uint32_t most(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* ---- what is run --------------------------------------------------------------------------------------- */

/* A prompt of n tokens, like the last one in the first `same`. */
static void prompt_make(struct rig *g, uint32_t n, uint32_t same)
{
    g->serial++;
    for (uint32_t i = same; i < n; i++) g->prompt[i] = (int32_t)(rng_u32(1, g->serial, i) % g->c->m->c.vocab);
}

/* `steps` steps of the first `streams` streams. */
static int steps_run(struct rig *g, uint32_t streams, uint32_t steps, struct err *e)
{
    int r = 0;
    for (uint32_t k = 0; k < steps && !r; k++) {
        for (uint32_t i = 0; i < streams; i++) g->token[i] = (int32_t)(rng_u32(2, i, k) % g->c->m->c.vocab);
        r = session_step(g->s, g->stream, g->token, streams, e);
    }
    return r;
}

/* A stream goes on where the first one has come to, or gets a prompt of its own. */
static int stream_begin(struct rig *g, uint32_t i, uint32_t from, struct err *e)
{
    uint32_t depth = g->c->depth;
    if (!g->c->separate) {
        session_fork(g->s, 0, i, depth);
        return 0;
    }
    for (uint32_t k = 0; k < depth; k++) g->other[k] = (int32_t)((g->prompt[k] + i) % g->c->m->c.vocab);
    return session_sync(g->s, i, g->other, depth, from, NULL, e);
}

/* The base encodes the prompt, the adapter takes over after it: so both share its pages. */
static int decode_run(struct rig *g, const struct test *t, bool adapted, uint32_t steps, double *seconds,
                      struct err *e)
{
    uint32_t depth = g->c->depth, from = adapted ? depth : UINT32_MAX;
    int r = session_sync(g->s, 0, g->prompt, depth, from, NULL, e);
    for (uint32_t i = 1; i < t->streams && !r; i++) r = stream_begin(g, i, from, e);
    double start = machine_seconds();
    if (!r) r = steps_run(g, t->streams, steps, e);
    *seconds = machine_seconds() - start;
    return r;
}

static int prompt_run(struct rig *g, bool adapted, double *seconds, struct err *e)
{
    uint32_t n = g->c->prompt;
    prompt_make(g, n, 0);
    session_rewind(g->s, 0, 0);
    double start = machine_seconds();
    int r = session_sync(g->s, 0, g->prompt, n, adapted ? 0 : UINT32_MAX, NULL, e);
    *seconds = machine_seconds() - start;
    return r;
}

static int first_run(struct rig *g, const struct test *t, bool adapted, double *seconds, struct err *e)
{
    struct sampler_config greedy;
    uint32_t n = g->c->prompt, from = adapted ? 0 : UINT32_MAX;
    int32_t token;
    int r = t->cached ? session_sync(g->s, 0, g->prompt, n, from, NULL, e) : 0;
    if (r) return r;
    sampler_config_init(&greedy);
    prompt_make(g, n, t->cached);
    session_rewind(g->s, 0, 0);
    double start = machine_seconds();
    r = session_sync(g->s, 0, g->prompt, n, from, NULL, e);
    if (!r) r = sampler_pick(g->sampler, &greedy, session_logits(g->s, 0), g->prompt, n, 0, n, &token, e);
    *seconds = machine_seconds() - start;
    return r;
}

static int test_run(struct rig *g, const struct test *t, bool adapted, double *seconds, struct err *e)
{
    if (t->kind == PROMPT) return prompt_run(g, adapted, seconds, e);
    if (t->kind == FIRST) return first_run(g, t, adapted, seconds, e);
    return decode_run(g, t, adapted, g->c->tokens, seconds, e);
}

static int test_warm(struct rig *g, const struct test *t, bool adapted, struct err *e)
{
    double seconds;
    if (t->kind != DECODE) return test_run(g, t, adapted, &seconds, e);
    uint32_t steps = g->c->tokens < WARM_STEPS ? g->c->tokens : WARM_STEPS;
    return decode_run(g, t, adapted, steps, &seconds, e);
}

/* ---- what it takes ------------------------------------------------------------------------------------- */

static struct bench_cost test_cost(const struct rig *g, const struct test *t, bool adapted)
{
    const struct bench_infer_config *c = g->c;
    const struct lora *lora = adapted ? c->lora : NULL;
    struct bench_cost cost = {0};
    if (t->kind == DECODE)
        for (uint32_t k = 0; k < c->tokens; k++)
            bench_cost_step(&cost, c->m, lora, c->kv, t->streams, c->separate ? 0 : c->depth, c->depth + k);
    else
        for (uint32_t at = t->cached, n; at < c->prompt; at += n) {
            n = (uint32_t)session_rows(g->s) < c->prompt - at ? (uint32_t)session_rows(g->s) : c->prompt - at;
            bench_cost_prompt(&cost, c->m, lora, c->kv, at, n, at + n == c->prompt);
        }
    return cost;
}

/* Of one test: tokens that are run. */
static double test_tokens(const struct rig *g, const struct test *t)
{
    return t->kind == DECODE ? (double)t->streams * g->c->tokens : g->c->prompt;
}

/* A limit's mean of the moment; *best: the best so far. */
static double limit_of(struct machine_rate r, double *best)
{
    *best = fmax(*best, r.best);
    return r.mean;
}

/* Rows are means of seconds, so the limits they are shares of are means too, not the best millisecond. */
static void limits_read(struct rig *g, struct machine_limits *l)
{
    const struct model *m = g->c->m;
    const double seconds = LIMIT_SECONDS;
    unsigned flags = g->c->cpu_flags;
    const void *memory = g->read.base ? g->read.base : m->arena.base;
    l->fma = limit_of(machine_fma(m->pool, flags, seconds), &g->best.fma);
    l->dot = limit_of(machine_dot(m->pool, flags, seconds), &g->best.dot);
    if (m->act8) l->dot8 = limit_of(machine_dot8(m->pool, flags, seconds), &g->best.dot8);
    l->read = limit_of(machine_read(m->pool, memory, READ_BYTES, seconds), &g->best.read);
}

static struct machine_limits between(struct machine_limits a, struct machine_limits b)
{
    return (struct machine_limits){(a.fma + b.fma) / 2, (a.dot + b.dot) / 2, (a.dot8 + b.dot8) / 2,
                                   (a.read + b.read) / 2};
}

static void limits_add(struct machine_limits *sum, struct machine_limits l, double by)
{
    sum->fma += by * l.fma, sum->dot += by * l.dot, sum->dot8 += by * l.dot8, sum->read += by * l.read;
}

/* ---- a test ----------------------------------------------------------------------------------------------
 */

static void series_add(struct series *a, double rate, double seconds, double share, int compute)
{
    a->sum += rate, a->squares += rate * rate;
    a->seconds += seconds, a->share += share;
    a->compute = compute, a->n++;
}

static void row_name(char *name, size_t size, const struct rig *g, const struct test *t, bool adapted)
{
    const char *lora = adapted ? " lora" : "";
    if (t->kind == DECODE && g->c->depth != g->c->prompt)
        snprintf(name, size, "tg%u @%u x%u%s", g->c->tokens, g->c->depth, t->streams, lora);
    else if (t->kind == DECODE)
        snprintf(name, size, "tg%u x%u%s", g->c->tokens, t->streams, lora);
    else if (t->cached)
        snprintf(name, size, "ttft%u +%u%s", g->c->prompt, t->cached, lora);
    else
        snprintf(name, size, "%s%u%s", t->kind == FIRST ? "ttft" : "pp", g->c->prompt, lora);
}

static void row_report(struct rig *g, const struct test *t, const struct series *a, const struct series *base)
{
    const struct bench_infer_config *c = g->c;
    bool adapted = base != NULL;
    struct bench_cost cost = test_cost(g, t, adapted);
    double n = a->n, mean = a->sum / n, seconds = a->seconds / n;
    char name[64];
    row_name(name, sizeof name, g, t, adapted);
    struct bench_row row = {.test = name, .dtype = bench_type_name(c->m), .isa = c->m->kern.name};
    row.streams = t->streams, row.lora = adapted ? c->lora->rank : 0, row.threads = pool_threads(c->m->pool);
    row.tok_s = mean, row.sd = n > 1 ? sqrt(fmax(0, (a->squares - a->sum * mean) / (n - 1))) : 0;
    row.ns = 1e9 * seconds / (t->kind == DECODE ? c->tokens : 1);
    row.gb_s = 1e-9 * cost.bytes / seconds, row.gflop_s = 1e-9 * (cost.flops + cost.flops8) / seconds;
    if (c->limits) row.share = a->share / n, row.limit = a->compute ? LIMIT_COMPUTE : LIMIT_BANDWIDTH;
    if (adapted) row.ratio = mean / (base->sum / n);
    row.peak_rss = machine_peak_rss();
    g->row(g->ctx, &row);
}

/* One repetition, and its share of the limits before it and after. */
static int repeat(struct rig *g, const struct test *t, bool adapted, struct series *a,
                  struct machine_limits *before, struct machine_limits *sum, struct err *e)
{
    struct machine_limits after = {0};
    struct bench_cost cost = test_cost(g, t, adapted);
    double seconds, share = 0;
    int compute = 0, r = test_run(g, t, adapted, &seconds, e);
    if (r) return r;
    if (g->c->limits) {
        limits_read(g, &after);
        struct machine_limits mean = between(*before, after);
        share = bench_cost_seconds(&cost, g->c->m, &mean, &compute) / seconds;
        limits_add(sum, after, 1);
        *before = after;
    }
    series_add(a, test_tokens(g, t) / seconds, seconds, share, compute);
    return 0;
}

static int test_measure(struct rig *g, const struct test *t, struct machine_limits *sum, double *count,
                        struct err *e)
{
    struct series series[2] = {{0}};
    struct machine_limits before = {0};
    int kinds = g->c->lora ? 2 : 1, r = 0;
    if (t->kind == DECODE) prompt_make(g, g->c->depth, 0);
    for (int k = 0; k < kinds && !r; k++) r = test_warm(g, t, k, e);
    if (g->c->limits && !r) limits_read(g, &before);
    for (uint32_t i = 0; i < g->c->repetitions && !r; i++)
        for (int k = 0; k < kinds && !r; k++) {
            r = repeat(g, t, k, &series[k], &before, sum, e);
            *count += 1;
        }
    for (int k = 0; k < kinds && !r; k++) row_report(g, t, &series[k], k ? &series[0] : NULL);
    return r;
}

/* ---- all of them -----------------------------------------------------------------------------------------
 */

static void rig_free(struct rig *g)
{
    session_free(g->s);
    sampler_free(g->sampler);
    arena_free(&g->read);
    free(g->prompt);
    free(g->other);
    free(g->token);
    free(g->stream);
}

static uint32_t most_streams(const struct bench_infer_config *c)
{
    uint32_t n = 1;
    for (uint32_t i = 0; i < c->counts; i++) n = most(n, c->streams[i]);
    return n;
}

static int rig_init(struct rig *g, const struct bench_infer_config *c, struct err *e)
{
    uint32_t streams = most_streams(c);
    g->c = c;
    g->prompt = calloc(most(c->prompt, c->depth), sizeof *g->prompt);
    g->other = calloc(c->depth, sizeof *g->other);
    g->token = calloc(streams, sizeof *g->token);
    g->stream = calloc(streams, sizeof *g->stream);
    if (!g->prompt || !g->other || !g->token || !g->stream)
        return err_set(e, ERR_NOMEM, "no memory for prompts");
    for (uint32_t i = 0; i < streams; i++) g->stream[i] = i;
    int r = sampler_create(&g->sampler, &c->m->kern, c->m->c.vocab, e);
    if (r || !c->limits || c->m->arena.size >= READ_BYTES) return r;
    if ((r = arena_create(&g->read, READ_BYTES, "measuring the memory", e))) return r;
    memset(g->read.base, 0x3c, READ_BYTES);
    return 0;
}

/* The rows of one session; `first`: those that need a prefix cache. */
static int rows_measure(struct rig *g, bool first, struct machine_limits *sum, double *count, struct err *e)
{
    const struct bench_infer_config *c = g->c;
    int r = 0;
    if (first) {
        uint32_t cached = (c->prompt - 1) / KV_PAGE * KV_PAGE;
        r = test_measure(g, &(struct test){FIRST, 1, 0}, sum, count, e);
        if (!r && cached) r = test_measure(g, &(struct test){FIRST, 1, cached}, sum, count, e);
        return r;
    }
    if (c->prompt) r = test_measure(g, &(struct test){PROMPT, 1, 0}, sum, count, e);
    for (uint32_t i = 0; i < c->counts && c->tokens && !r; i++)
        r = test_measure(g, &(struct test){DECODE, c->streams[i], 0}, sum, count, e);
    return r;
}

static int session_measure(struct rig *g, bool first, struct bench_infer_result *out,
                           struct machine_limits *sum, double *count, struct err *e)
{
    const struct bench_infer_config *c = g->c;
    struct session_config s = {.streams = first ? 1 : most_streams(c), .kv = c->kv};
    s.max_tokens = first ? c->prompt : most(c->prompt, c->depth + c->tokens);
    uint64_t page = kv_page_bytes(c->m, c->kv), pages = (s.max_tokens + KV_PAGE - 1) / KV_PAGE;
    if (first) s.cache_bytes = 2 * pages * page;
    int r = session_create(&g->s, c->m, c->lora, &s, e);
    if (!r) r = rows_measure(g, first, sum, count, e);
    if (!first)
        out->kv = s.streams * pages * page, out->session = session_plan(c->m, c->lora, &s),
        out->resident = machine_rss();
    session_free(g->s);
    g->s = NULL;
    return r;
}

int bench_infer_run(const struct bench_infer_config *c, struct bench_infer_result *out, bench_infer_row *row,
                    void *ctx, struct err *e)
{
    struct rig g = {.row = row, .ctx = ctx};
    struct machine_limits sum = {0};
    double count = 0;
    *out = (struct bench_infer_result){.weights = bench_weight_bytes(c->m)};
    if (c->lora) out->adapter = c->lora->arena.used;
    int r = rig_init(&g, c, e);
    if (!r) r = session_measure(&g, false, out, &sum, &count, e);
    if (!r && c->prompt && c->first) r = session_measure(&g, true, out, &sum, &count, e);
    if (count > 0) limits_add(&out->limits, sum, 1 / count);
    out->best = g.best;
    rig_free(&g);
    return r;
}
