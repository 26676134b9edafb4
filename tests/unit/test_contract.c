/* Clause 1 of the numerics contract: a row does not know its neighbours. Logits of the same tokens are
 * compared bit for bit: alone, in batches of 2..33 streams, cut into chunks at every place, with 1, 2, 3 and
 * 7 threads, with and without a tape, for every instruction set of this machine. */
#include "tests/support/quick.h"
#include "tests/support/random_model.h"
#include "train/tape.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { T = 101, MAX_STREAMS = 33, RANK = 8, HEADER = 35 };

struct rig {
    struct random_model r;
    struct adapter *adapter;
    struct lora *lora;
    struct kv_pool *kv;
    struct kv_stream *stream[MAX_STREAMS];
    struct workspace w;
    int32_t ids[MAX_STREAMS][T];
};

/* act8: with 8-bit activations. */
static void rig_init(struct rig *g, enum weight_type type, int act8, unsigned threads, const char *isa)
{
    struct err e = {0};
    struct model_config c = tiny_config_for(type);
    memset(g, 0, sizeof *g);
    random_model_create(&g->r, &c, type, threads, isa, 1);
    if (act8) assert_int_equal(model_use_act8(g->r.m, &e), 0);
    g->adapter = random_adapter(&c, RANK, LORA_ALL, 2);
    assert_int_equal(lora_create(&g->lora, g->r.m, g->adapter, &e), 0);
    assert_int_equal(kv_pool_create(&g->kv, g->r.m, MAX_STREAMS * 4, &e), 0);
    for (int i = 0; i < MAX_STREAMS; i++) {
        assert_int_equal(kv_stream_create(&g->stream[i], g->kv, T, &e), 0);
        for (int t = 0; t < T; t++)
            g->ids[i][t] = (int32_t)((random_at(9 + (uint64_t)i, (uint64_t)t) + 1) * 37);
    }
    assert_int_equal(workspace_create(&g->w, g->r.m, 1024, RANK, 0, &e), 0);
}

static void rig_free(struct rig *g)
{
    workspace_free(&g->w);
    for (int i = 0; i < MAX_STREAMS; i++) kv_stream_free(g->stream[i]);
    kv_pool_free(g->kv);
    lora_free(g->lora);
    adapter_free(g->adapter);
    random_model_free(&g->r);
}

/* Runs tokens [from, to) of stream s; the adapter acts from HEADER on. Logits go to out [to - from][V]. */
static void run(struct rig *g, int s, int from, int to, struct layer_tape *tape, float *out)
{
    struct err e = {0};
    int64_t n = to - from, base = from >= HEADER ? 0 : to <= HEADER ? n : HEADER - from;
    struct segment seg[2] = {{g->stream[s], (uint32_t)from, 0, base},
                             {g->stream[s], (uint32_t)(from + base), base, n - base}};
    struct pass p = {.m = g->r.m, .lora = g->lora, .rows = n, .adapt_from = base, .ids = g->ids[s] + from};
    p.seg = base ? seg : seg + 1, p.segs = (base > 0) + (n > base), p.tape = tape, p.tape_row = from;
    if (kv_stream_extend(g->stream[s], (uint32_t)n, &e)) fail_msg("%s", e.msg);
    forward(&p, &g->w);
    forward_logits(g->r.m, &g->w, n, g->w.x, out);
}

static float *alone(struct rig *g, int s)
{
    float *out = calloc(T, g->r.m->c.vocab * sizeof *out);
    kv_stream_cut(g->stream[s], 0);
    run(g, s, 0, T, NULL, out);
    return out;
}

static void same(const struct rig *g, const float *a, const float *b, int64_t rows, const char *what, int i)
{
    size_t n = (size_t)rows * g->r.m->c.vocab;
    for (size_t j = 0; j < n; j++)
        if (memcmp(a + j, b + j, sizeof *a))
            fail_msg("%s %d: row %zu, logit %zu is %.9g, alone %.9g", what, i, j / g->r.m->c.vocab,
                     j % g->r.m->c.vocab, (double)b[j], (double)a[j]);
}

/* `every`: only each so many of the places. */
static void check_chunks(struct rig *g, int every)
{
    float *want = alone(g, 0), *got = calloc(T, g->r.m->c.vocab * sizeof *got);
    for (int cut = 1; cut < T; cut += every) {
        kv_stream_cut(g->stream[0], 0);
        run(g, 0, 0, cut, NULL, got);
        run(g, 0, cut, T, NULL, got + (size_t)cut * g->r.m->c.vocab);
        same(g, want, got, T, "cut at", cut);
    }
    kv_stream_cut(g->stream[0], 0);
    for (int t = 0; t < T; t++) run(g, 0, t, t + 1, NULL, got + (size_t)t * g->r.m->c.vocab);
    same(g, want, got, T, "token by token", 1);
    free(want);
    free(got);
}

/* `streams` streams, each holding a prompt of its own length, take one adapted token together. */
static void check_batch(struct rig *g, int streams, float *const *want)
{
    struct segment seg[MAX_STREAMS];
    int32_t ids[MAX_STREAMS];
    struct err e = {0};
    size_t v = g->r.m->c.vocab;
    float *got = calloc(MAX_STREAMS, v * sizeof *got);
    for (int s = 0; s < streams; s++) {
        int t = HEADER + s * 2;
        seg[s] = (struct segment){g->stream[s], (uint32_t)t, s, 1};
        ids[s] = g->ids[s][t];
        assert_int_equal(kv_stream_extend(g->stream[s], 1, &e), 0);
    }
    struct pass p = {.m = g->r.m, .lora = g->lora, .rows = streams, .ids = ids, .seg = seg, .segs = streams};
    forward(&p, &g->w);
    forward_logits(g->r.m, &g->w, streams, g->w.x, got);
    for (int s = 0; s < streams; s++) {
        same(g, want[s] + (size_t)(HEADER + s * 2) * v, got + (size_t)s * v, 1, "batch of", streams);
        kv_stream_cut(g->stream[s], (uint32_t)(HEADER + s * 2));
    }
    free(got);
}

static void check_batches(struct rig *g, int most)
{
    float *want[MAX_STREAMS];
    for (int s = 0; s < most; s++) {
        want[s] = alone(g, s);
        kv_stream_cut(g->stream[s], (uint32_t)(HEADER + s * 2));
    }
    for (int n = 2; n <= most; n++) check_batch(g, n, want);
    for (int s = 0; s < most; s++) free(want[s]);
}

static void check_tape(struct rig *g)
{
    struct tape tape;
    struct err e = {0};
    float *want = alone(g, 0), *got = calloc(T, g->r.m->c.vocab * sizeof *got);
    for (int r = RECOMPUTE_NONE; r <= RECOMPUTE_LAYER; r++) {
        assert_int_equal(tape_create(&tape, g->r.m, g->lora, T, (enum recompute)r, &e), 0);
        kv_stream_cut(g->stream[0], 0);
        run(g, 0, 0, HEADER, NULL, got);
        run(g, 0, HEADER, T, tape.layer, got + (size_t)HEADER * g->r.m->c.vocab);
        same(g, want, got, T, "with a tape", r);
        tape_free(&tape);
    }
    free(want);
    free(got);
}

static const unsigned threads[] = {1, 2, 3, 7};

/* The best instruction set of this machine meets every length and size, on two threads and unless a sanitizer
 * watches; the others and quantised weights, whose kernels have tests of their own, a few. */
static void check_rig(struct rig *g, int best, unsigned t)
{
    int few = !best || QUICK || t != 1;
    if (t == 1 || (best && !QUICK)) {
        check_batches(g, few ? 5 : MAX_STREAMS);
        check_tape(g);
    }
    if (t == 1) check_chunks(g, few ? 41 : 1);
}

/* The same bits for every thread count, and for every instruction set. */
static void check_type(enum weight_type type, int act8)
{
    struct kernels own;
    float *first = NULL;
    kernels_init(&own, cpu_detect());
    for (const struct cpu_level *isa = cpu_levels(); isa->name; isa++)
        for (unsigned t = 0; t < 4; t++) {
            struct rig g;
            int best = strcmp(own.name, isa->name) == 0;
            if (!best && (QUICK || t % 2 == 0)) continue;
            rig_init(&g, type, act8, threads[t], isa->name);
            if (strcmp(g.r.m->kern.name, isa->name) == 0) {
                float *got = alone(&g, 0);
                if (first) same(&g, first, got, T, g.r.m->kern.name, (int)threads[t]);
                check_rig(&g, best && !weight_quantised(type), t);
                if (first)
                    free(got);
                else
                    first = got;
            }
            rig_free(&g);
        }
    free(first);
}

static void bf16_rows_do_not_know_their_neighbours(void **state)
{
    (void)state;
    check_type(WT_BF16, 0);
}

static void fp32_rows_do_not_know_their_neighbours(void **state)
{
    (void)state;
    check_type(WT_F32, 0);
}

static void quantised_rows_do_not_know_their_neighbours(void **state)
{
    (void)state;
    for (enum weight_type type = WT_Q8_0; type <= WT_W4; type++)
        for (int act8 = 0; act8 < 2; act8++) check_type(type, act8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bf16_rows_do_not_know_their_neighbours),
        cmocka_unit_test(fp32_rows_do_not_know_their_neighbours),
        cmocka_unit_test(quantised_rows_do_not_know_their_neighbours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
