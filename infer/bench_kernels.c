#include "infer/bench_kernels.h"
#include "infer/arena.h"
#include "infer/forward.h"

#include <string.h>

/* Tries are short, so that on a shared machine some meet no neighbour. */
enum { TRIES = 40, COPIES_BYTES = 96 << 20 };
#define TRY_SECONDS 0.005

struct rig {
    struct model m; /* table, pool and type only: all that matmul looks at */
    int64_t rows, ldx, n;
    bool act8;
    struct weight *w; /* [copies] */
    int64_t copies, next;
    void *act;
    float *y;
    char *memory;
};

/* Weights and activations around 1 with random signs: zeros would flatter. */
static void fill(char *p, size_t bytes)
{
    uint64_t r = 88172645463325252u;
    for (size_t i = 0; i + 8 <= bytes; i += 8) {
        r ^= r << 13, r ^= r >> 7, r ^= r << 17;
        uint64_t u = (r & 0x807f807f807f807fu) | 0x3f003f003f003f00u;
        memcpy(p + i, &u, 8);
    }
}

static void carve(struct arena *a, struct rig *g, const struct bench_product *b)
{
    size_t matrix = weight_size(b->type, b->n, b->k);
    g->copies = (int64_t)(COPIES_BYTES / matrix) + 1;
    g->w = arena_take(a, (size_t)g->copies, sizeof *g->w);
    g->memory = arena_take(a, (size_t)g->copies, matrix);
    g->act = arena_take(a, (size_t)(b->m * g->ldx), 2 * sizeof(float)); /* of any kind */
    g->y = arena_take(a, (size_t)(b->m * b->n), sizeof(float));
    if (!g->memory) return;
    fill(g->memory, (size_t)g->copies * matrix);
    fill(g->act, (size_t)(b->m * g->ldx) * sizeof(float));
    for (int64_t i = 0; i < g->copies; i++)
        g->w[i] = (struct weight){b->type, b->n, b->k, g->memory + (size_t)i * matrix};
}

/* Seconds of one product: the mean over `times` of them, each with other weights than the last. */
static double run(struct rig *g, int times)
{
    double start = machine_seconds();
    for (int t = 0; t < times; t++) {
        const struct weight *w = &g->w[g->next];
        if (g->act8)
            matmul_all(&g->m,
                       &(struct matmul_op){
                           .w = w, .rows = g->rows, .act = g->act, .y = g->y, .ldy = g->n, .act8 = true},
                       1);
        else
            matmul(&g->m, w, g->rows, g->act, g->ldx, g->y, g->n, 0);
        g->next = (g->next + 1) % g->copies;
    }
    return (machine_seconds() - start) / times;
}

/* GFLOP/s at most: where there is no instruction for the operands, what fp32 can do. */
static double peak_of(const struct rig *g, const struct bench_product *b, struct pool *p)
{
    double dot8 = b->act8 ? machine_dot8(p, b->cpu_flags, 0).best : 0;
    if (dot8 > 0) return dot8;
    return g->m.kern.act_bytes[b->type] == 2 ? machine_dot(p, b->cpu_flags, 0).best
                                             : machine_fma(p, b->cpu_flags, 0).best;
}

static const char *name_of(const struct bench_product *b)
{
    static const char *const names[WT_COUNT] = {"f32", "bf16", "q8_0", "q4_0", "w4", "i8"};
    static const char *const names8[WT_COUNT] = {
        [WT_Q8_0] = "q8_0a8", [WT_Q4_0] = "q4_0a8", [WT_W4] = "w4a8"};
    return b->act8 ? names8[b->type] : names[b->type];
}

int bench_product(const struct bench_product *b, struct pool *p, struct bench_row *out, struct err *e)
{
    struct rig g = {.rows = b->m, .ldx = pad_even(b->k), .n = b->n, .act8 = b->act8};
    struct arena count = {0}, a;
    carve(&count, &g, b);
    int r = arena_create(&a, count.used, "the weights to measure", e);
    if (r) return r;
    kernels_init(&g.m.kern, b->cpu_flags);
    g.m.pool = p, g.m.type = weight_plain(b->type);
    carve(&a, &g, b);
    double first = run(&g, 1), best = first, peak = 0, read = 0;
    int times = 1 + (int)(TRY_SECONDS / first);
    for (int i = 0; i < TRIES; i++) {
        double seconds = run(&g, times);
        if (seconds < best) best = seconds;
        double arithmetic = peak_of(&g, b, p);
        double memory = i % 8 ? 0 : machine_read(p, g.memory, COPIES_BYTES / 4, 0).best;
        if (arithmetic > peak) peak = arithmetic;
        if (memory > read) read = memory;
    }
    out->isa = g.m.kern.name, out->threads = pool_threads(p), out->streams = 1;
    out->dtype = name_of(b);
    out->ns = best * 1e9;
    out->gflop_s = 2.0 * (double)b->m * (double)b->n * (double)b->k / out->ns;
    out->gb_s = (double)weight_size(b->type, b->n, b->k) / out->ns;
    bench_share(out, peak, read);
    out->peak_rss = machine_peak_rss();
    arena_free(&a);
    return 0;
}
