/* How a step's documents are cut up must not show: rows grouped into micro-batches of any size, threads,
 * recompute and evaluation without a gradient leave every bit alone; packing and the size of a pass leave the
 * losses alone, and the gradient up to the order of its sum. */
#include "tests/support/close.h"
#include "tests/support/quick.h"
#include "tests/support/random_model.h"
#include "train/blas.h"
#include "train/micro.h"
#include "train/optim.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 8, DOCS = 19, MAX_TOKENS = 160, STEPS = QUICK ? 1 : 2 };

struct rig {
    struct random_model r;
    struct adapter *adapter;
    struct lora *lora;
    struct trainee t;
    struct micro *u;
    float **slots;
};

struct setting {
    enum weight_type type;
    int dense;
    unsigned threads;
    enum recompute recompute;
    int64_t chunk;
    enum lora_gate gate;
    float dropout;
};

static struct shard_doc docs[DOCS];
static const uint32_t row_docs[ROWS] = {1, 3, 2, 2, 5, 1, 2, 3}; /* sums to DOCS */

/* Documents of 4 to 37 tokens, each learning its response, some a token of the prompt too. */
static int docs_init(void **state)
{
    static uint32_t ids[DOCS][64];
    static struct label_span spans[DOCS][2];
    (void)state;
    blas_init();
    for (uint32_t i = 0; i < DOCS; i++) {
        uint32_t n = 4 + i * 11 % 34, response = n / 2 + 1, header = i % 3 ? n / 2 - 1 : 0, both = i % 4 == 1;
        for (uint32_t t = 0; t < n; t++) ids[i][t] = (uint32_t)((random_at(30 + i, t) + 1) * 37);
        spans[i][!both ? 1 : 0] = (struct label_span){1, 2};
        spans[i][both] = (struct label_span){response + (i % 5 == 2), n};
        docs[i] = (struct shard_doc){.ids = ids[i], .n = n, .header_at = header, .response_at = response};
        docs[i].spans = spans[i], docs[i].n_spans = 1 + both, docs[i].source_row = 100 + i * 7,
        docs[i].source = i % 2;
    }
    return 0;
}

static struct model_config small_config(void)
{
    struct model_config c = tiny_config();
    c.head_dim = 16, c.width = 44, c.ff = 53;
    return c;
}

static void rig_init(struct rig *g, const struct setting *s)
{
    struct model_config c = small_config();
    struct err e = {0};
    memset(g, 0, sizeof *g);
    random_model_create(&g->r, &c, s->type, s->threads, NULL, 1);
    if (s->dense)
        assert_int_equal(trainee_init_dense(&g->t, g->r.m, g->r.bound, &e), 0);
    else {
        g->adapter = random_adapter(&c, 6, LORA_ALL, 2);
        assert_int_equal(lora_create(&g->lora, g->r.m, g->adapter, &e), 0);
        assert_int_equal(trainee_init_adapter(&g->t, g->r.m, g->adapter, g->lora, &e), 0);
    }
    struct micro_config mc = {
        .max_tokens = MAX_TOKENS, .max_docs = 5, .chunk = s->chunk, .recompute = s->recompute};
    mc.gate = s->gate, mc.dropout = s->dropout;
    assert_int_equal(micro_create(&g->u, g->r.m, g->adapter, g->lora, &mc, &e), 0);
    g->slots = calloc(g->r.slots, sizeof *g->slots);
}

static void rig_free(struct rig *g)
{
    free(g->slots);
    micro_free(g->u);
    trainee_clear(&g->t);
    lora_free(g->lora);
    if (g->adapter) adapter_free(g->adapter);
    random_model_free(&g->r);
}

/* Adds the gradient of documents [first, first + n) to flat (or runs forward only); losses to nats. */
static struct micro_result run(struct rig *g, uint32_t first, uint32_t n, uint64_t key, float *flat,
                               float *nats)
{
    struct micro_result out;
    struct err e = {0};
    struct grads grads;
    if (flat) grads = trainee_grads(&g->t, flat, g->slots);
    if (micro_run(g->u, docs + first, n, 1.0f / 64, key, flat ? &grads : NULL, &out, nats, &e))
        fail_msg("%s", e.msg);
    return out;
}

static uint32_t row_start(uint32_t row)
{
    uint32_t doc = 0;
    for (uint32_t i = 0; i < row; i++) doc += row_docs[i];
    return doc;
}

static float *zeros(uint64_t n)
{
    return calloc(n, sizeof(float));
}

static void same(const char *what, int which, const float *want, const float *got, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        if (memcmp(want + i, got + i, sizeof *want))
            fail_msg("%s %d: element %d is %.9g, not %.9g", what, which, (int)i, (double)got[i],
                     (double)want[i]);
}

/* ---- grouping rows ------------------------------------------------------------------------------------- */

static const struct optim_config adamw = {.learning_rate = 1e-3,
                                          .beta1 = 0.9,
                                          .beta2 = 0.999,
                                          .eps = 1e-8,
                                          .max_grad_norm = 1,
                                          .weight_decay = 0.01,
                                          .schedule = SCHEDULE_COSINE,
                                          .total_steps = 10};

/* One step, its rows summed in groups and the groups' sums summed: what accumulation steps and ranks do. */
static void step(struct rig *g, struct optim *inner, struct optim *outer, uint32_t group, uint64_t key)
{
    double rate, norm;
    struct err e = {0};
    for (uint32_t row = 0; row < ROWS; row++) {
        run(g, row_start(row), row_docs[row], key, optim_leaf(inner), NULL);
        optim_fold(inner);
        if ((row + 1) % group) continue;
        memcpy(optim_leaf(outer), optim_sum(inner), g->t.count * sizeof(float));
        optim_fold(outer);
    }
    optim_sum(outer);
    if (optim_step(outer, &rate, &norm, &e)) fail_msg("%s", e.msg);
}

/* Weights and the last gradient after STEPS steps. */
static float *trained(const struct setting *s, uint32_t group, uint64_t *count)
{
    struct rig g;
    struct optim inner, outer;
    struct err e = {0};
    rig_init(&g, s);
    assert_int_equal(optim_create(&inner, &adamw, &g.t, group, &e), 0);
    assert_int_equal(optim_create(&outer, &adamw, &g.t, ROWS / group, &e), 0);
    for (uint64_t i = 0; i < STEPS; i++) step(&g, &inner, &outer, group, i);
    size_t n = g.t.count;
    float *out = malloc(2 * n * sizeof *out);
    memcpy(out, g.t.weights, n * sizeof *out);
    memcpy(out + n, outer.leaf, n * sizeof *out);
    *count = 2 * n;
    optim_free(&inner);
    optim_free(&outer);
    rig_free(&g);
    return out;
}

/* Every number of threads, each with another grouping. */
static void grouping_and_threads(enum weight_type type, int dense)
{
    static const struct {
        uint32_t group;
        unsigned threads;
    } other[] = {{8, 3}, {2, 1}, {4, 7}, {1, 7}};
    struct setting s = {
        .type = type, .dense = dense, .gate = GATE_ASSISTANT, .dropout = dense ? 0 : 0.1f, .threads = 2};
    uint64_t n;
    float *want = trained(&s, 1, &n);
    for (int i = 0; i < (QUICK ? 1 : 4); i++) {
        s.threads = other[i].threads;
        float *got = trained(&s, other[i].group, &n);
        same("rows grouped by", (int)other[i].group, want, got, n);
        free(got);
    }
    free(want);
}

static void adapter_rows_can_be_grouped(void **state)
{
    (void)state;
    grouping_and_threads(WT_F32, 0);
    grouping_and_threads(WT_BF16, 0);
}

static void dense_rows_can_be_grouped(void **state)
{
    (void)state;
    grouping_and_threads(WT_F32, 1);
    grouping_and_threads(WT_BF16, 1);
}

/* In a bf16 model the last bit of a sum decides how a gradient is rounded on its way down. */
static enum tolerance sum_tolerance(const struct setting *s)
{
    return s->type == WT_F32 ? TOL_SUM : TOL_SUM_BF16;
}

/* ---- packing ------------------------------------------------------------------------------------------- */

/* 1 when the base's last row in front of the adapter predicts a learned token: its loss comes first in
 * nats_out. */
static uint32_t edge(const struct setting *s, const struct shard_doc *d)
{
    uint32_t from = s->dense || s->gate == GATE_ALL ? 0
                    : s->gate == GATE_ASSISTANT     ? d->header_at
                                                    : d->response_at;
    for (uint32_t i = 0; i < d->n_spans; i++)
        if (from && d->spans[i].from <= from && from < d->spans[i].to) return 1;
    return 0;
}

static void packing(const struct setting *s)
{
    enum { FIRST = 9, N = 5 };
    struct rig g;
    float packed[MAX_TOKENS], alone[MAX_TOKENS], *at = packed, *edges = packed;
    rig_init(&g, s);
    float *row = zeros(g.t.count), *sum = zeros(g.t.count);
    struct micro_result all = run(&g, FIRST, N, 3, row, packed), total = {0};
    for (uint32_t i = FIRST; i < FIRST + N; i++) at += edge(s, &docs[i]);
    for (uint32_t i = FIRST; i < FIRST + N; i++) {
        struct micro_result one = run(&g, i, 1, 3, sum, alone);
        uint32_t e = edge(s, &docs[i]), n = (uint32_t)one.labels - e;
        same("packed document, first loss", (int)i, alone, edges, e);
        same("packed document", (int)i, alone + e, at, n);
        edges += e, at += n;
        total.labels += one.labels, total.tokens += one.tokens, total.taped += one.taped,
            total.nats += one.nats;
    }
    assert_true(total.labels == all.labels && total.tokens == all.tokens && total.taped == all.taped);
    assert_true(at - packed == all.labels);
    assert_true(fabs(total.nats - all.nats) <= 1e-12 * all.nats);
    assert_close(sum_tolerance(s), "gradient of packed documents", row, sum, g.t.count);
    free(row), free(sum);
    rig_free(&g);
}

static void packing_does_not_show(void **state)
{
    (void)state;
    for (int type = WT_F32; type <= WT_BF16; type++) {
        packing(&(struct setting){.type = (enum weight_type)type, .dense = 1, .threads = 2});
        for (int gate = GATE_ASSISTANT; gate <= GATE_ALL; gate++)
            for (int drop = 0; drop < 2; drop++)
                packing(&(struct setting){.type = (enum weight_type)type,
                                          .gate = (enum lora_gate)gate,
                                          .threads = 2,
                                          .dropout = drop ? 0.1f : 0,
                                          .chunk = 16 + 100 * drop});
    }
}

/* ---- recompute, the size of a pass, evaluation --------------------------------------------------------- */

struct outcome {
    float *grad, nats[MAX_TOKENS];
    uint64_t count;
    struct micro_result r;
};

static void outcome_of(const struct setting *s, int with_grad, struct outcome *o)
{
    struct rig g;
    rig_init(&g, s);
    o->count = g.t.count, o->grad = zeros(o->count);
    o->r = run(&g, 9, 5, 3, with_grad ? o->grad : NULL, o->nats);
    rig_free(&g);
}

/* `exact`: the gradient's bits must be the same too. */
static void differs_in(const char *what, int which, const struct outcome *want, const struct setting *s,
                       int exact)
{
    struct outcome got;
    outcome_of(s, 1, &got);
    same(what, which, want->nats, got.nats, (uint64_t)want->r.labels);
    assert_true(got.r.labels == want->r.labels && got.r.nats == want->r.nats);
    if (exact)
        same(what, which, want->grad, got.grad, want->count);
    else
        assert_close(sum_tolerance(s), what, got.grad, want->grad, want->count);
    free(got.grad);
}

static void variants(struct setting s)
{
    static const int64_t chunks[] = {1, 2, 7, 16, 33, 64, 1024};
    struct outcome want, eval;
    outcome_of(&s, 1, &want);
    for (int r = RECOMPUTE_NONE; r <= RECOMPUTE_LAYER; r++) {
        s.recompute = (enum recompute)r;
        differs_in("recompute", r, &want, &s, 1);
    }
    for (int i = 0; i < 7; i++) {
        if (QUICK && i % 3) continue;
        s.chunk = chunks[i], s.recompute = (enum recompute)(i % 3);
        differs_in("rows a pass", (int)chunks[i], &want, &s, 0);
    }
    outcome_of(&s, 0, &eval);
    assert_true(eval.r.nats == want.r.nats);
    same("without a gradient", 0, want.nats, eval.nats, (uint64_t)want.r.labels);
    free(want.grad), free(eval.grad);
}

static void recompute_and_passes_do_not_show(void **state)
{
    (void)state;
    for (int type = WT_F32; type <= WT_BF16; type++) {
        variants((struct setting){.type = (enum weight_type)type, .dense = 1, .threads = 2});
        variants((struct setting){.type = (enum weight_type)type, .gate = GATE_RESPONSE, .threads = 3});
        variants((struct setting){
            .type = (enum weight_type)type, .gate = GATE_ASSISTANT, .threads = 2, .dropout = 0.1f});
    }
}

/* A mask of its own for each key; without dropout the key is nothing. */
static void keys_make_masks(void **state)
{
    struct setting s = {.threads = 1, .gate = GATE_ALL, .dropout = 0.1f};
    (void)state;
    for (int drop = 1; drop >= 0; drop--) {
        struct rig g;
        s.dropout = drop ? 0.1f : 0;
        rig_init(&g, &s);
        double one = run(&g, 0, 3, 1, NULL, NULL).nats, two = run(&g, 0, 3, 2, NULL, NULL).nats;
        assert_int_equal(one != two, drop);
        assert_true(one == run(&g, 0, 3, 1, NULL, NULL).nats);
        rig_free(&g);
    }
}

/* ---- what is refused ----------------------------------------------------------------------------------- */

static void rows_that_do_not_fit_are_refused(void **state)
{
    struct setting s = {.threads = 1, .gate = GATE_ALL};
    struct shard_doc many[6];
    struct micro_result out;
    struct err e = {0};
    struct rig g;
    (void)state;
    rig_init(&g, &s);
    for (int i = 0; i < 6; i++) many[i] = docs[3];
    double before = run(&g, 0, 3, 1, NULL, NULL).nats;
    assert_int_equal(micro_run(g.u, many, 6, 1, 0, NULL, &out, NULL, &e), ERR_FIELD_RANGE);
    assert_non_null(strstr(e.msg, "6 documents"));
    uint32_t *ids = calloc(MAX_TOKENS + 1, sizeof *ids);
    many[0].ids = ids, many[0].n = MAX_TOKENS + 1;
    e.code = 0;
    assert_int_equal(micro_run(g.u, many, 1, 1, 0, NULL, &out, NULL, &e), ERR_FIELD_RANGE);
    assert_non_null(strstr(e.msg, "161 tokens"));
    assert_true(before == run(&g, 0, 3, 1, NULL, NULL).nats);
    free(ids);
    rig_free(&g);
}

static void loss_that_is_not_finite_is_refused(void **state)
{
    struct setting s = {.threads = 1, .gate = GATE_ALL};
    struct micro_result out;
    struct err e = {0};
    struct rig g;
    (void)state;
    rig_init(&g, &s);
    float *flat = zeros(g.t.count);
    struct grads grads = trainee_grads(&g.t, flat, g.slots);
    for (int i = 0; i < 3; i++) {
        g.adapter->weights[5] = i == 0 ? NAN : i == 1 ? INFINITY : 1e38f;
        trainee_refresh(&g.t);
        e.code = 0;
        assert_int_equal(micro_run(g.u, docs, 3, 1, 0, i == 1 ? NULL : &grads, &out, NULL, &e),
                         ERR_NONFINITE);
        assert_non_null(strstr(e.msg, "loss"));
    }
    free(flat);
    rig_free(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adapter_rows_can_be_grouped),
        cmocka_unit_test(dense_rows_can_be_grouped),
        cmocka_unit_test(packing_does_not_show),
        cmocka_unit_test(recompute_and_passes_do_not_show),
        cmocka_unit_test(keys_make_masks),
        cmocka_unit_test(rows_that_do_not_fit_are_refused),
        cmocka_unit_test(loss_that_is_not_finite_is_refused),
    };
    return cmocka_run_group_tests(tests, docs_init, NULL);
}
