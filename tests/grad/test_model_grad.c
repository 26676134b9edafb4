/* Derivatives of the whole model: the gradient that micro_run makes of every weight tensor and every adapter
 * tensor against finite differences of the same loss in double (tests/support/double_model.h). */
#include "tests/support/double_model.h"
#include "tests/support/finite.h"
#include "train/blas.h"
#include "train/micro.h"
#include "train/trainee.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N = 12, HEADER = 2, RESPONSE = 6, KEY = 5, MAX_DOCS = 2 };

struct rig {
    struct random_model r;
    struct adapter *adapter;
    struct lora *lora;
    struct trainee t;
    struct micro *u;
    struct micro_config mc;
    float *flat, **slots;
    uint32_t ids[MAX_DOCS][N];
    struct label_span spans[2];
    struct shard_doc docs[MAX_DOCS];
    uint64_t keys[MAX_DOCS][N];
    struct double_model d;
};

/* Smaller than tiny_config: every probe is two passes in double. */
static struct model_config tied_config(void)
{
    struct model_config c = tiny_config();
    c.head_dim = 16, c.width = 45, c.ff = 53;
    return c;
}

/* A head of its own, 2:1 GQA, K = 32, three layers. */
static struct model_config untied_config(void)
{
    struct model_config c = tiny_config();
    c.layers = 3, c.heads = 4, c.kv_heads = 2, c.width = 38, c.ff = 40, c.tied = false, c.rms_eps = 1e-5;
    return c;
}

static void docs_init(struct rig *g)
{
    g->spans[0] = (struct label_span){3, 4}, g->spans[1] = (struct label_span){RESPONSE, N};
    for (uint32_t i = 0; i < MAX_DOCS; i++) {
        for (uint32_t t = 0; t < N; t++) g->ids[i][t] = (uint32_t)((random_at(60 + i, t) + 1) * 20);
        g->docs[i] =
            (struct shard_doc){.ids = g->ids[i], .n = N - 2 * i, .header_at = HEADER, .spans = g->spans};
        g->docs[i].response_at = RESPONSE, g->docs[i].n_spans = 2, g->docs[i].source_row = 17 + i;
        for (uint32_t t = 0; t < N; t++) g->keys[i][t] = micro_dropout_key(KEY, &g->docs[i], t);
    }
    g->docs[1].n_spans = 1; /* it learns one token in the middle */
}

/* snap: the weights are ones that this type can hold. */
static void rig_init_snapped(struct rig *g, enum weight_type snap, enum weight_type type,
                             const struct model_config *c, const struct adapter_config *a, float dropout)
{
    struct err e = {0};
    memset(g, 0, sizeof *g);
    blas_init();
    random_model_create_snapped(&g->r, c, snap, type, 2, NULL, 3);
    g->mc = (struct micro_config){.max_tokens = 2 * N, .max_docs = MAX_DOCS, .chunk = 7, .dropout = dropout};
    if (a) {
        g->adapter = random_adapter(c, a->rank, a->targets, 4);
        g->adapter->cfg = *a;
        g->mc.gate = a->gate;
        assert_int_equal(lora_create(&g->lora, g->r.m, g->adapter, &e), 0);
        assert_int_equal(trainee_init_adapter(&g->t, g->r.m, g->adapter, g->lora, &e), 0);
    } else
        assert_int_equal(trainee_init_dense(&g->t, g->r.m, g->r.bound, &e), 0);
    assert_int_equal(micro_create(&g->u, g->r.m, g->adapter, g->lora, &g->mc, &e), 0);
    g->flat = calloc(g->t.count, sizeof *g->flat);
    g->slots = calloc(g->r.slots, sizeof *g->slots);
    docs_init(g);
    double_model_init(&g->d, &g->r, g->adapter);
    g->d.dropout = dropout;
}

static void rig_init(struct rig *g, enum weight_type type, const struct model_config *c,
                     const struct adapter_config *a, float dropout)
{
    rig_init_snapped(g, type, type, c, a, dropout);
}

static void rig_free(struct rig *g)
{
    double_model_clear(&g->d);
    free(g->flat);
    free(g->slots);
    micro_free(g->u);
    trainee_clear(&g->t);
    lora_free(g->lora);
    if (g->adapter) adapter_free(g->adapter);
    random_model_free(&g->r);
}

static uint32_t adapt_from(const struct rig *g)
{
    if (!g->adapter) return 0;
    return g->mc.gate == GATE_ALL ? 0 : g->mc.gate == GATE_ASSISTANT ? HEADER : RESPONSE;
}

/* A label in front of the adapter is not learned, unless the last base-only row predicts it. */
static double doc_nats(struct rig *g, uint32_t i)
{
    const struct shard_doc *doc = &g->docs[i];
    uint32_t v = g->d.c.vocab, from = adapt_from(g);
    double *logits = malloc((size_t)doc->n * v * sizeof *logits), sum = 0;
    g->d.key = g->mc.dropout > 0 ? g->keys[i] : NULL;
    double_model_logits(&g->d, (const int32_t *)g->ids[i], doc->n, from, logits);
    for (uint32_t s = 0; s < doc->n_spans; s++)
        for (uint32_t t = doc->spans[s].from; t < doc->spans[s].to; t++)
            if (t >= from) sum += double_nats(v, logits + (t - 1) * v, (int32_t)doc->ids[t]);
    free(logits);
    return sum;
}

static double all_nats(void *ctx)
{
    return doc_nats(ctx, 0) + doc_nats(ctx, 1);
}

/* The gradient into g->flat; returns the loss. */
static double gradient(struct rig *g)
{
    struct grads grads = trainee_grads(&g->t, g->flat, g->slots);
    struct micro_result out;
    struct err e = {0};
    memset(g->flat, 0, g->t.count * sizeof *g->flat);
    if (micro_run(g->u, g->docs, MAX_DOCS, 1, KEY, &grads, &out, NULL, &e)) fail_msg("%s", e.msg);
    return out.nats;
}

static void differentiate(struct rig *g)
{
    double nats = gradient(g);
    assert_close_f64(TOL_LOSS, "nats", nats, all_nats(g));
}

static double *part_in_double(const struct rig *g, const struct trainee_part *p)
{
    return g->adapter ? g->d.adapter + p->at : g->d.param[p->slot];
}

static void check(const struct model_config *c, const struct adapter_config *a, float dropout,
                  const char *what)
{
    struct rig g;
    double worst = 0;
    rig_init(&g, WT_F32, c, a, dropout);
    differentiate(&g);
    for (uint32_t i = 0; i < g.t.parts; i++) {
        const struct trainee_part *p = &g.t.part[i];
        double error = assert_gradient(TOL_DERIVATIVE, p->name, all_nats, &g, part_in_double(&g, p), p->count,
                                       g.flat + p->at, a ? 1 : 2);
        if (error > worst) worst = error;
    }
    print_message("%s: %u tensors, off by %.2g at most\n", what, g.t.parts, worst);
    rig_free(&g);
}

static void dense_tied(void **state)
{
    struct model_config c = tied_config();
    (void)state;
    check(&c, NULL, 0, "dense, tied");
}

static void dense_untied(void **state)
{
    struct model_config c = untied_config();
    (void)state;
    check(&c, NULL, 0, "dense, untied");
}

/* Tokens that are in no document have no gradient in an embedding that is not the head. */
static void absent_tokens_have_no_gradient(void **state)
{
    struct model_config c = untied_config();
    struct rig g;
    char seen[75] = {0};
    (void)state;
    rig_init(&g, WT_F32, &c, NULL, 0);
    differentiate(&g);
    for (uint32_t i = 0; i < MAX_DOCS; i++)
        for (uint32_t t = 0; t < g.docs[i].n; t++) seen[g.ids[i][t]] = 1;
    const float *embed = g.slots[params_slot(&c, P_EMBED, 0)];
    for (uint64_t i = 0; i < (uint64_t)c.vocab * c.width; i++)
        if (!seen[i / c.width] && embed[i] != 0)
            fail_msg("token %u is in no document, its gradient is %g", (unsigned)(i / c.width),
                     (double)embed[i]);
    rig_free(&g);
}

static void adapter_at_every_gate(void **state)
{
    static const char *const names[] = {"gate assistant", "gate response", "gate all"};
    struct model_config c = tied_config(), c2 = untied_config();
    (void)state;
    for (int gate = GATE_ASSISTANT; gate <= GATE_ALL; gate++) {
        struct adapter_config a = {.rank = 6, .alpha = 12, .targets = LORA_ALL, .gate = (enum lora_gate)gate};
        check(gate == GATE_RESPONSE ? &c2 : &c, &a, 0, names[gate]);
    }
}

/* One product at a time; the second layer's adapter makes the gradient pass through dx of the product. */
static void adapter_on_each_product(void **state)
{
    static const char *const names[] = {"q", "k", "v", "o", "gate", "up", "down"};
    struct model_config c = tied_config();
    (void)state;
    for (int t = 0; t < LORA_TARGETS; t++) {
        struct adapter_config a = {
            .rank = 5, .alpha = 8, .rslora = t % 2, .targets = 1u << t, .gate = GATE_RESPONSE};
        check(&c, &a, 0.25f, names[t]);
    }
}

static void adapter_with_dropout(void **state)
{
    struct model_config c = untied_config();
    struct adapter_config a = {.rank = 6, .alpha = 12, .targets = LORA_ALL, .gate = GATE_ASSISTANT};
    (void)state;
    check(&c, &a, 0.1f, "dropout 0.1");
}

/* A bf16 model rounds weights and activations, and has no derivative to compare with: its gradient of each
 * tensor is that of the fp32 model up to a few roundings of 2^-9. Length of the difference over the length.
 */
static void type_is_near(enum weight_type type, const struct model_config *c, const struct adapter_config *a,
                         float dropout)
{
    struct rig f, h;
    rig_init_snapped(&f, type, WT_F32, c, a, dropout);
    rig_init(&h, type, c, a, dropout);
    differentiate(&f);
    gradient(&h);
    for (uint32_t i = 0; i < f.t.parts; i++) {
        const struct trainee_part *p = &f.t.part[i];
        double apart = 0, length = 0;
        for (uint64_t j = p->at; j < p->at + p->count; j++) {
            apart += pow((double)h.flat[j] - (double)f.flat[j], 2);
            length += (double)f.flat[j] * (double)f.flat[j];
        }
        assert_error(TOL_BF16, p->name, sqrt(apart / length), p->at, sqrt(apart), sqrt(length));
    }
    rig_free(&f);
    rig_free(&h);
}

static void bf16_gradients_are_near(void **state)
{
    struct model_config c = tied_config(), c2 = untied_config();
    struct adapter_config a = {.rank = 6, .alpha = 12, .targets = LORA_ALL, .gate = GATE_ASSISTANT};
    (void)state;
    type_is_near(WT_BF16, &c, NULL, 0);
    type_is_near(WT_BF16, &c2, NULL, 0);
    type_is_near(WT_BF16, &c, &a, 0);
    type_is_near(WT_BF16, &c2, &a, 0.1f);
}

/* QAMR: the adapter learns on the quantised base. Its gradient is that of the fp32 model whose weights are
 * the dequantised ones, which the loss in double confirms. */
static void quantised_gradients_are_near(void **state)
{
    struct model_config c = tied_config(), c2 = untied_config();
    struct adapter_config a = {.rank = 6, .alpha = 12, .targets = LORA_ALL, .gate = GATE_ASSISTANT};
    (void)state;
    c.heads = 4, c.width = 64, c.ff = 96, c2.width = 64, c2.ff = 64;
    for (enum weight_type type = WT_Q8_0; type <= WT_W4; type++) {
        type_is_near(type, &c, &a, 0);
        type_is_near(type, &c2, &a, 0.1f);
    }
}

/* dropout() keeps 1 - p of the elements, scaled by 1 / (1 - p), and its mask differs from key to key. */
static void dropout_keeps_the_right_share(void **state)
{
    enum { COUNT = 4096, KEYS = 16 };
    static float y[KEYS][COUNT], x[COUNT];
    struct kernels k;
    uint32_t kept = 0, both = 0;
    (void)state;
    kernels_init(&k, cpu_detect());
    for (int i = 0; i < COUNT; i++) x[i] = 1 + (float)i;
    for (uint64_t key = 0; key < KEYS; key++) {
        k.dropout(COUNT, dropout_key(key, 0, LORA_Q), 1u << 30, 1 / 0.75f, x, y[key]);
        for (int i = 0; i < COUNT; i++) {
            assert_true(y[key][i] == 0 || y[key][i] == x[i] * (1 / 0.75f));
            kept += y[key][i] != 0;
            both += key && y[key][i] != 0 && y[key - 1][i] != 0;
        }
    }
    /* 6 standard deviations */
    assert_true(fabs(kept - 0.75 * COUNT * KEYS) < 6 * sqrt(0.75 * 0.25 * COUNT * KEYS));
    assert_true(fabs(both - 0.5625 * COUNT * (KEYS - 1)) < 6 * sqrt(0.5625 * 0.4375 * COUNT * (KEYS - 1)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dense_tied),
        cmocka_unit_test(dense_untied),
        cmocka_unit_test(absent_tokens_have_no_gradient),
        cmocka_unit_test(adapter_at_every_gate),
        cmocka_unit_test(adapter_on_each_product),
        cmocka_unit_test(adapter_with_dropout),
        cmocka_unit_test(bf16_gradients_are_near),
        cmocka_unit_test(quantised_gradients_are_near),
        cmocka_unit_test(dropout_keeps_the_right_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
