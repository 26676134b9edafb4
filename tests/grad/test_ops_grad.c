/* Each operation of the pass by itself: its fp32 forward against a plain implementation in double, its
 * backward against finite differences of that one. The function differentiated is the sum of the outputs
 * weighted by random cotangents. (Attention: test_attention_grad.c; adapters and the embedding:
 * test_model_grad.c.) */
#include "tests/support/double_model.h"
#include "tests/support/finite.h"
#include "train/blas.h"
#include "train/loss.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* An operation's inputs, cotangents and results; arrays are the test's. */
struct op {
    uint64_t n, k, rows;
    double *a, *b;   /* inputs */
    const double *c; /* cotangents */
    double *y;       /* output of the double implementation */
    double eps;
    const struct label *labels;
};

enum { MAX = 4096 };

static double a[MAX * 40], b[MAX * 40], c[MAX * 40], y[MAX * 40];
static float fa[MAX * 40], fb[MAX * 40], fc[MAX * 40], fy[MAX * 40], da[MAX * 40], db[MAX * 40];
static struct kernels kern;

static int setup(void **state)
{
    (void)state;
    blas_init();
    kernels_init(&kern, cpu_detect());
    return 0;
}

/* Floats in [-scale, scale), and the same values in double. bf16: values that bf16 holds. */
static void fill(uint64_t seed, uint64_t n, float scale, enum weight_type type, float *f, double *d)
{
    for (uint64_t i = 0; i < n; i++) f[i] = scale * random_at(seed, i);
    if (type != WT_F32) kern.round_bf16((int64_t)n, f);
    for (uint64_t i = 0; i < n; i++) d[i] = (double)f[i];
}

static double weighted(const struct op *o, uint64_t n)
{
    double s = 0;
    for (uint64_t i = 0; i < n; i++) s += o->c[i] * o->y[i];
    return s;
}

/* ---- rmsnorm ------------------------------------------------------------------------------------------- */

static double rmsnorm_value(void *ctx)
{
    struct op *o = ctx;
    double_rmsnorm(o->n, o->eps, o->a, o->b, o->y);
    return weighted(o, o->n);
}

static void rmsnorm(void **state)
{
    static const int64_t sizes[] = {1, 2, 15, 16, 17, 33, 96, 896, 3584};
    static const float scales[] = {1e-3f, 1, 30};
    (void)state;
    for (int i = 0; i < 9; i++)
        for (int j = 0; j < 3; j++) {
            struct op o = {.n = (uint64_t)sizes[i], .a = a, .b = b, .c = c, .y = y, .eps = j ? 1e-6 : 1e-5};
            int64_t n = sizes[i];
            fill(1, o.n, scales[j], WT_F32, fa, a);
            fill(2, o.n, 1.5f, WT_F32, fb, b);
            fill(3, o.n, 1, WT_F32, fc, c);
            float r = kern.rmsnorm(n, (float)o.eps, fa, fb, fy);
            rmsnorm_value(&o);
            assert_close_to(TOL_VALUE, "rmsnorm", fy, y, o.n);
            memset(da, 0, o.n * sizeof *da), memset(db, 0, o.n * sizeof *db);
            kern.rmsnorm_back(n, fa, fb, r, fc, da, db);
            if (j && n > 1) /* one element's norm is its sign */
                assert_gradient(TOL_DERIVATIVE, "rmsnorm dx", rmsnorm_value, &o, a, o.n, da, 8);
            assert_gradient(TOL_DERIVATIVE, "rmsnorm dw", rmsnorm_value, &o, b, o.n, db, 8);
        }
}

/* Both gradients are added to what is there, and dw may be left out. */
static void rmsnorm_accumulates(void **state)
{
    enum { N = 37 };
    float dx[N], dx2[N], dw[N], dw2[N];
    (void)state;
    fill(1, N, 1, WT_F32, fa, a);
    fill(2, N, 1, WT_F32, fb, b);
    for (int i = 0; i < N; i++) dx[i] = dw[i] = 0, dx2[i] = dw2[i] = 1024;
    float r = kern.rmsnorm(N, 1e-6f, fa, fb, fy);
    kern.rmsnorm_back(N, fa, fb, r, fb, dx, dw);
    kern.rmsnorm_back(N, fa, fb, r, fb, dx2, dw2);
    for (int i = 0; i < N; i++) {
        assert_true(fabsf(dx2[i] - 1024 - dx[i]) < 1e-3f && fabsf(dw2[i] - 1024 - dw[i]) < 1e-3f);
        fy[i] = 0;
    }
    kern.rmsnorm_back(N, fa, fb, r, fb, fy, NULL);
    assert_memory_equal(fy, dx, sizeof dx);
}

/* ---- rotary embedding, silu ---------------------------------------------------------------------------- */

static double rope_value(void *ctx)
{
    struct op *o = ctx;
    memcpy(o->y, o->a, o->k * sizeof *o->y);
    double_rope((uint32_t)o->k, 1, 10000, (uint32_t)o->n, o->y);
    return weighted(o, o->k);
}

static void rope(void **state)
{
    static const uint32_t dims[] = {2, 6, 32, 64, 128}, positions[] = {0, 1, 63, 64, 511};
    (void)state;
    for (int i = 0; i < 5; i++) {
        struct model_config config = tiny_config();
        struct random_model r;
        uint32_t k = config.head_dim = dims[i];
        random_model_create(&r, &config, WT_F32, 1, NULL, 1);
        for (int j = 0; j < 5; j++) {
            struct op o = {.n = positions[j], .k = k, .a = a, .c = c, .y = y};
            const float *cosine = r.m->cos + positions[j] * (k / 2),
                        *sine = r.m->sin + positions[j] * (k / 2);
            float minus[64];
            for (uint32_t d = 0; d < k / 2; d++) minus[d] = -sine[d];
            fill(1, k, 1, WT_F32, fa, a);
            fill(2, k, 1, WT_F32, fc, c);
            memcpy(fy, fa, k * sizeof *fy);
            kern.rope(k, cosine, sine, fy);
            rope_value(&o);
            assert_close_to(TOL_VALUE, "rope", fy, y, k);
            kern.rope(k, cosine, minus, fy);
            assert_close_to(TOL_VALUE, "rope back again", fy, a, k);
            kern.rope(k, cosine, minus, fc);
            assert_gradient(TOL_DERIVATIVE, "rope dx", rope_value, &o, a, k, fc, 32);
        }
        random_model_free(&r);
    }
}

static double silu_value(void *ctx)
{
    struct op *o = ctx;
    for (uint64_t i = 0; i < o->n; i++) o->y[i] = double_silu_mul(o->a[i], o->b[i]);
    return weighted(o, o->n);
}

static void silu_mul(void **state)
{
    static const float scales[] = {1e-4f, 1, 8, 40, 120};
    static float du[MAX];
    enum { N = 133 };
    (void)state;
    for (int i = 0; i < 5; i++) {
        struct op o = {.n = N, .a = a, .b = b, .c = c, .y = y};
        fill(1, N, scales[i], WT_F32, fa, a);
        fill(2, N, 2, WT_F32, fb, b);
        fill(3, N, 1, WT_F32, fc, c);
        silu_value(&o);
        kern.silu_mul(N, fa, fb, fy);
        assert_close_to(TOL_VALUE, "silu_mul", fy, y, N);
        kern.silu_mul_back(N, fa, fb, fc, fc, du); /* dg in place of dh, as the backward pass does */
        assert_gradient(TOL_DERIVATIVE, "silu_mul dg", silu_value, &o, a, N, fc, N);
        assert_gradient(TOL_DERIVATIVE, "silu_mul du", silu_value, &o, b, N, du, N);
    }
}

/* ---- products ------------------------------------------------------------------------------------------ */

/* y [rows][n] = x [rows][k] w^T; a: x, b: w [n][k]. */
static double product_value(void *ctx)
{
    struct op *o = ctx;
    for (uint64_t i = 0; i < o->rows; i++) double_product(o->n, o->k, o->b, o->a + i * o->k, o->y + i * o->n);
    return weighted(o, o->rows * o->n);
}

static void *aligned(size_t bytes)
{
    return aligned_alloc(64, (bytes + 63) / 64 * 64 + 64);
}

/* Weights that a quantised type holds exactly, and bf16 too: scales are powers of two. */
static void weights_fill(enum weight_type type, uint64_t n, uint64_t k)
{
    for (uint64_t i = 0; i < n * k; i++) {
        float most = type == WT_Q8_0 ? 127 : 7,
              scale = (type == WT_W4 ? i / k : i / GROUP) % 2 ? 0.25f : 0.5f;
        float q = i % GROUP == 3 ? (type == WT_Q8_0 ? 127 : -8) : roundf(most * random_at(2, i));
        fb[i] = q * scale / (type == WT_Q8_0 ? 128 : 8);
        b[i] = (double)fb[i];
    }
}

static void product_of(enum weight_type type, const struct model *m, uint64_t rows, uint64_t n, uint64_t k)
{
    struct op o = {.n = n, .k = k, .rows = rows, .a = a, .b = b, .c = c, .y = y};
    struct weight w = {type, (int64_t)n, (int64_t)k, aligned(weight_size(type, (int64_t)n, (int64_t)k))};
    int64_t r = (int64_t)rows, kk = pad_even((int64_t)k), nn = pad_even((int64_t)n);
    void *x = aligned((size_t)(r * kk * 4)), *dy = aligned((size_t)(r * nn * 4));
    struct back back;
    struct err e = {0};
    char what[64];
    static const char *const names[WT_COUNT] = {"fp32", "bf16", "q8_0", "q4_0", "w4"};
    snprintf(what, sizeof what, "%s product %d x %d x %d", names[type], (int)rows, (int)n, (int)k);
    fill(1, rows * k, 1, type, fa, a);
    fill(2, n * k, 1, type, fb, b);
    if (weight_quantised(type)) weights_fill(type, n, k);
    fill(3, rows * n, 1, type, fc, c);
    assert_int_equal(back_create(&back, m, 8, r, r, 1, &e), 0);
    weight_pack(m, &w, fb, DTYPE_F32);
    matmul_pack(m, r, (int64_t)k, fa, (int64_t)k, x, kk);
    matmul(m, &w, r, x, kk, fy, (int64_t)n, 0);
    product_value(&o);
    assert_close_to(TOL_VALUE, what, fy, y, rows * n);
    matmul_pack(m, r, (int64_t)n, fc, (int64_t)n, dy, nn);
    matmul_back(m, &back, &w, r, dy, nn, da, (int64_t)k, 0);
    assert_gradient(TOL_DERIVATIVE, what, product_value, &o, a, rows * k, da, 6);
    matmul_back(m, &back, &w, r, dy, nn, da, (int64_t)k, 1); /* once more on top: doubled */
    for (uint64_t i = 0; i < rows * k; i++) da[i] /= 2;
    assert_gradient(TOL_DERIVATIVE, what, product_value, &o, a, rows * k, da, 6);
    memset(db, 0, n * k * sizeof *db);
    outer_add(m->pool, (int64_t)n, (int64_t)k, r, fc, (int64_t)n, fa, (int64_t)k, db);
    assert_gradient(TOL_DERIVATIVE, what, product_value, &o, b, n * k, db, 6);
    back_free(&back);
    free(w.panels), free(x), free(dy);
}

/* Odd sizes, sizes of a panel and around, a depth beyond one transposed block (2048), a tile of outer_add
 * (512). */
static void product(void **state)
{
    static const uint64_t sizes[][3] = {{1, 1, 1},    {1, 32, 2},   {3, 33, 5},    {5, 31, 64},
                                        {7, 75, 101}, {33, 64, 96}, {2, 2100, 37}, {4, 520, 150}};
    struct model_config config = tiny_config();
    (void)state;
    for (int type = WT_F32; type <= WT_W4; type++) {
        struct random_model r;
        config = tiny_config_for((enum weight_type)type);
        random_model_create(&r, &config, (enum weight_type)type, 2, NULL, 1);
        for (int i = 0; i < 8; i++)
            product_of((enum weight_type)type, r.m, sizes[i][0], sizes[i][1],
                       type <= WT_BF16 ? sizes[i][2] : (sizes[i][2] + GROUP - 1) / GROUP * GROUP);
        random_model_free(&r);
    }
}

/* ---- cross-entropy with the head and the final norm ---------------------------------------------------- */

struct loss_case {
    struct double_model d;
    double *x; /* [rows][D] residuals */
    const struct label *labels;
    int64_t n;
    double scale;
};

static double loss_value(void *ctx)
{
    const struct loss_case *l = ctx;
    const struct model_config *m = &l->d.c;
    const double *norm = l->d.param[params_slot(m, P_NORM, 0)];
    const double *head = l->d.param[params_slot(m, m->tied ? P_EMBED : P_HEAD, 0)];
    double xn[64], logits[128], sum = 0;
    for (int64_t i = 0; i < l->n; i++) {
        double_rmsnorm(m->width, m->rms_eps, l->x + (uint64_t)l->labels[i].row * m->width, norm, xn);
        double_product(m->vocab, m->width, head, xn, logits);
        sum += double_nats(m->vocab, logits, l->labels[i].target);
    }
    return l->scale * sum;
}

/* 140 labels on every second row: two blocks of LOSS_ROWS. */
static void cross_entropy_of(int tied)
{
    enum { ROWS = 290, LABELS = 140 };
    struct model_config config = tiny_config();
    struct random_model r;
    struct loss_scratch s;
    struct back back;
    struct label labels[LABELS];
    struct err e = {0};
    float nats[LABELS];
    config.width = 22, config.tied = tied, config.layers = 1;
    random_model_create(&r, &config, WT_F32, 2, NULL, 8);
    struct loss_case l = {.x = a, .labels = labels, .n = LABELS, .scale = 1};
    double_model_init(&l.d, &r, NULL);
    fill(4, ROWS * config.width, 2, WT_F32, fa, a);
    for (int i = 0; i < LABELS; i++)
        labels[i] = (struct label){2 * i + 1, (int32_t)(i * 7 % (int)config.vocab)};
    assert_int_equal(loss_create(&s, r.m, &e), 0);
    assert_int_equal(back_create(&back, r.m, 0, ROWS, ROWS, 1, &e), 0);
    float **dense = calloc(r.slots, sizeof *dense);
    uint32_t head = params_slot(&config, tied ? P_EMBED : P_HEAD, 0), norm = params_slot(&config, P_NORM, 0);
    dense[head] = db, dense[norm] = fy;
    struct grads g = {.dense = dense};
    memset(da, 0, ROWS * config.width * sizeof *da), memset(db, 0, config.vocab * config.width * sizeof *db);
    memset(fy, 0, config.width * sizeof *fy);
    double want = loss_value(&l),
           got = loss_backward(r.m, &s, &back, fa, labels, LABELS, 0.25f, &g, da, nats);
    assert_close_f64(TOL_LOSS, "cross-entropy", got, want);
    double sum = 0;
    for (int i = 0; i < LABELS; i++) sum += (double)nats[i];
    assert_true(sum == got);
    assert_true(loss_forward(r.m, &s, fa, labels, LABELS, NULL) == got);
    l.scale = 0.25;
    assert_gradient(TOL_DERIVATIVE, "cross-entropy dx", loss_value, &l, a, ROWS * config.width, da, 6);
    assert_gradient(TOL_DERIVATIVE, "cross-entropy dhead", loss_value, &l, l.d.param[head],
                    config.vocab * config.width, db, 6);
    assert_gradient(TOL_DERIVATIVE, "cross-entropy dnorm", loss_value, &l, l.d.param[norm], config.width, fy,
                    6);
    for (uint32_t i = 0; i < config.width; i++) assert_true(da[i] == 0); /* row 0 has no label */
    double_model_clear(&l.d);
    back_free(&back);
    loss_free(&s);
    free(dense);
    random_model_free(&r);
}

static void cross_entropy(void **state)
{
    (void)state;
    cross_entropy_of(0);
    cross_entropy_of(1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rmsnorm), cmocka_unit_test(rmsnorm_accumulates),
        cmocka_unit_test(rope),    cmocka_unit_test(silu_mul),
        cmocka_unit_test(product), cmocka_unit_test(cross_entropy),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
