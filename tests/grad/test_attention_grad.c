/* Attention by itself, forward and backward: outputs against a plain softmax over all keys in double, dq, dk
 * and dv against finite differences of it. Head widths, groups of query heads, lengths around the blocks of
 * 64 keys; a prompt in front whose keys and values take no gradient; the sequence in one pass and cut into
 * several. */
#include "tests/support/double_model.h"
#include "tests/support/finite.h"
#include "train/backward.h"
#include "train/blas.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct rig {
    struct random_model r;
    struct kv_pool *pool;
    struct kv_stream *kv, *other; /* another sequence shares the passes */
    struct workspace w;
    struct tape tape;
    struct back b;
    uint32_t n, first;        /* tokens; of which the prompt */
    float *fq, *fk, *fv, *fc; /* [n][..], as the kernels saw them */
    double *q, *k, *v, *c, *o;
};

static double *random_values(uint64_t seed, uint64_t n, float scale, float **f)
{
    double *d = malloc(n * sizeof *d);
    *f = malloc(n * sizeof **f);
    for (uint64_t i = 0; i < n; i++) d[i] = (double)((*f)[i] = scale * random_at(seed, i));
    return d;
}

static void rig_init(struct rig *g, uint32_t group, uint32_t heads, uint32_t dim, uint32_t n, uint32_t prompt)
{
    struct model_config c = tiny_config();
    struct err e = {0};
    c.layers = 1, c.width = 32, c.ff = 32, c.vocab = 32, c.head_dim = dim, c.kv_heads = heads,
    c.heads = heads * group;
    *g = (struct rig){.n = n, .first = prompt};
    random_model_create(&g->r, &c, WT_F32, 2, NULL, 1);
    assert_int_equal(kv_pool_create(&g->pool, g->r.m, 12, &e), 0);
    assert_int_equal(kv_stream_create(&g->kv, g->pool, n, &e), 0);
    assert_int_equal(kv_stream_create(&g->other, g->pool, 8, &e), 0);
    assert_int_equal(kv_stream_extend(g->kv, n, &e) || kv_stream_extend(g->other, 5, &e), 0);
    assert_int_equal(workspace_create(&g->w, g->r.m, n + 5, 0, 0, &e), 0);
    assert_int_equal(tape_create(&g->tape, g->r.m, NULL, n + 5, RECOMPUTE_NONE, &e), 0);
    assert_int_equal(back_create(&g->b, g->r.m, 0, n + 5, n + 5, n + 5, &e), 0);
    g->q = random_values(1, (uint64_t)n * c.heads * dim, 1.5f, &g->fq);
    g->k = random_values(2, (uint64_t)n * heads * dim, 1.5f, &g->fk);
    g->v = random_values(3, (uint64_t)n * heads * dim, 1, &g->fv);
    g->c = random_values(4, (uint64_t)n * c.heads * dim, 1, &g->fc);
    g->o = calloc((size_t)n * c.heads * dim, sizeof *g->o);
    for (uint32_t t = 0; t < n; t++)
        for (uint32_t h = 0; h < heads; h++)
            kv_put(g->kv, t, 0, h, g->fk + (t * heads + h) * dim, g->fv + (t * heads + h) * dim);
    for (uint32_t t = 0; t < 5; t++)
        for (uint32_t h = 0; h < heads; h++) kv_put(g->other, t, 0, h, g->fv, g->fk);
}

static void rig_free(struct rig *g)
{
    free(g->q), free(g->k), free(g->v), free(g->c), free(g->o);
    free(g->fq), free(g->fk), free(g->fv), free(g->fc);
    back_free(&g->b);
    tape_free(&g->tape);
    workspace_free(&g->w);
    kv_stream_free(g->kv);
    kv_stream_free(g->other);
    kv_pool_free(g->pool);
    random_model_free(&g->r);
}

/* The function that is differentiated: outputs of the tokens after the prompt, weighted by cotangents. */
static double value(void *ctx)
{
    struct rig *g = ctx;
    const struct model_config *c = &g->r.m->c;
    double s = 0;
    double_attention(c, g->first, g->n, g->q, g->k, g->v, g->o);
    for (uint64_t i = (uint64_t)g->first * c->heads * c->head_dim;
         i < (uint64_t)g->n * c->heads * c->head_dim; i++)
        s += g->c[i] * g->o[i];
    return s;
}

/* Forward with a tape; the tape's queries are the pass's. */
static void pass_run(struct rig *g, const struct pass *p, const float *q)
{
    const struct model_config *c = &g->r.m->c;
    struct layer_tape *t = g->tape.layer;
    int64_t width = c->heads * c->head_dim, at = p->tape_row * width;
    memcpy(g->w.q, q, (size_t)(p->rows * width) * sizeof *q);
    memcpy((float *)t->q + at, q, (size_t)(p->rows * width) * sizeof *q);
    attention(p, &g->w, 0, t->lse + p->tape_row * c->heads);
    memcpy((float *)t->o + at, g->w.o, (size_t)(p->rows * width) * sizeof(float));
}

/* Tokens first..n-1 in passes cut at `cut` (or one), the last one shared with another sequence. Its rows
 * stand at the tape's end with cotangent 1, and must not show in the first one's gradients. */
static void run(struct rig *g, uint32_t cut)
{
    const struct model_config *c = &g->r.m->c;
    uint32_t end = g->n - g->first, passes = cut ? 2 : 1, width = c->heads * c->head_dim;
    struct segment seg[3] = {
        {g->kv, g->first, 0, cut}, {g->kv, g->first + cut, 0, end - cut}, {g->other, 0, end - cut, 5}};
    struct pass pass[2] = {{.m = g->r.m, .rows = cut, .seg = seg, .segs = 1},
                           {.m = g->r.m, .rows = end - cut + 5, .seg = seg + 1, .segs = 2, .tape_row = cut}};
    struct pass *p = cut ? pass : pass + 1;
    float *q = calloc((size_t)(end + 5) * width, sizeof *q);
    struct back_pass bp = {.pass = p, .passes = passes, .tape = &g->tape, .w = &g->w};
    memcpy(q, g->fq + g->first * width, (size_t)end * width * sizeof *q);
    for (uint32_t i = 0; i < passes; i++) pass_run(g, &p[i], q + p[i].tape_row * width);
    memcpy(g->b.dout, g->fc + g->first * width, (size_t)end * width * sizeof *q);
    for (uint32_t i = 0; i < 5 * width; i++) g->b.dout[end * width + i] = 1;
    g->b.rows = end + 5;
    attention_back(&bp, &g->b, 0);
    free(q);
}

static void check(struct rig *g, uint32_t cut)
{
    const struct model_config *c = &g->r.m->c;
    uint32_t rows = g->n - g->first, q = c->heads * c->head_dim, kv = c->kv_heads * c->head_dim;
    uint32_t probes = g->n > 100 ? 1 : 2;
    char what[96];
    snprintf(what, sizeof what, "H %u, G %u, K %u, tokens %u, prompt %u, cut %u", c->heads, c->kv_heads,
             c->head_dim, g->n, g->first, cut);
    run(g, cut);
    value(g);
    assert_close_to(TOL_VALUE, what, g->tape.layer->o, g->o + g->first * q, (uint64_t)rows * q);
    assert_gradient(TOL_DERIVATIVE, what, value, g, g->q + g->first * q, (uint64_t)rows * q, g->b.dq, probes);
    assert_gradient(TOL_DERIVATIVE, what, value, g, g->k + g->first * kv, (uint64_t)rows * kv, g->b.dk,
                    probes);
    assert_gradient(TOL_DERIVATIVE, what, value, g, g->v + g->first * kv, (uint64_t)rows * kv, g->b.dv,
                    probes);
}

static void shapes(uint32_t n)
{
    static const uint32_t groups[] = {1, 2, 7}, dims[] = {32, 64, 128};
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            struct rig g;
            uint32_t prompt = (i + j) % 3 == 0 ? 0 : n / 3;
            rig_init(&g, groups[i], j == 0 ? 2 : 1, dims[j], n, prompt);
            check(&g, j == 1 ? (n - prompt) / 2 : 0);
            rig_free(&g);
        }
}

static void up_to_two_tokens(void **state)
{
    (void)state;
    shapes(1);
    shapes(2);
}

static void around_one_block(void **state)
{
    (void)state;
    shapes(63);
    shapes(64);
    shapes(65);
}

static void three_blocks(void **state)
{
    (void)state;
    shapes(130);
}

/* Two chunks of pages, merged. */
static void past_a_chunk(void **state)
{
    struct rig g;
    (void)state;
    rig_init(&g, 2, 1, 32, 530, 400);
    check(&g, 100);
    rig_free(&g);
}

int main(void)
{
    blas_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(up_to_two_tokens),
        cmocka_unit_test(around_one_block),
        cmocka_unit_test(three_blocks),
        cmocka_unit_test(past_a_chunk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
