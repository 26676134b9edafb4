/* The quantiser: what it promises of its errors, and a model that goes through a file. */
#include "checkpoints/export_gguf.h"
#include "checkpoints/file.h"
#include "checkpoints/gguf_save.h"
#include "checkpoints/quant.h"
#include "infer/perplexity.h"
#include "infer/rng.h"
#include "infer/session.h"
#include "tests/support/scratch.h"
#include "tests/support/small_base.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { K = 256 };

static const enum dtype quantised[] = {DTYPE_Q8_0, DTYPE_Q4_0, DTYPE_W4};

static double row_error(enum dtype to, enum quant_method how, const float *x)
{
    char bytes[2 * K];
    float y[K];
    const struct tensor t = {.dtype = to, .data = bytes};
    struct quant_error q = {0};
    quant_row(to, how, x, K, bytes);
    tensor_row(&t, 0, K, y);
    quant_error_row(&q, x, y, K);
    return quant_error_relative(&q);
}

static void l2_is_never_worse(void **state)
{
    (void)state;
    double sum[2][3] = {0};
    float x[K];
    for (uint64_t row = 0; row < 200; row++) {
        rng_fill_normal(1, 2, row * K, x, K);
        if (row % 4 == 1) x[row % K] *= 20; /* an outlier */
        if (row % 4 == 2)
            for (int k = 0; k < K; k++) x[k] *= x[k]; /* of one sign */
        if (row % 4 == 3)
            for (int k = 0; k < K; k++) x[k] *= 1e-3f;
        for (int t = 0; t < 3; t++) {
            double rtn = row_error(quantised[t], QUANT_RTN, x), l2 = row_error(quantised[t], QUANT_L2, x);
            assert_true(l2 <= rtn);
            sum[0][t] += rtn, sum[1][t] += l2;
        }
    }
    assert_true(sum[1][0] < sum[0][0] && sum[0][0] < 200 * 0.02);
    assert_true(sum[1][1] < 0.97 * sum[0][1] && sum[0][1] < 200 * 0.12);
    assert_true(sum[1][2] < 0.95 * sum[0][2] && sum[0][2] < 200 * 0.5);
}

static void odd_rows(void **state)
{
    (void)state;
    static const float rows[][2] = {
        {0, 0}, {1e-30f, -1e-30f}, {1e30f, -1e30f}, {65504 * 8.0f, 1}, {-0.0f, 0}};
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
        for (int t = 0; t < 3; t++)
            for (int how = 0; how < 2; how++) {
                float x[K], y[K];
                char bytes[2 * K];
                const struct tensor out = {.dtype = quantised[t], .data = bytes};
                for (int k = 0; k < K; k++) x[k] = rows[r][k % 2];
                quant_row(quantised[t], (enum quant_method)how, x, K, bytes);
                tensor_row(&out, 0, K, y);
                for (int k = 0; k < K; k++)
                    assert_true(isfinite(y[k]) && fabsf(y[k]) <= fmaxf(fabsf(x[0]), 1) * 1.1f);
            }
}

static void w4_has_one_scale(void **state)
{
    (void)state;
    float x[K];
    char bytes[K];
    rng_fill_normal(3, 4, 0, x, K);
    for (int how = 0; how < 2; how++) {
        quant_row(DTYPE_W4, (enum quant_method)how, x, K, bytes);
        for (int b = 1; b < K / 32; b++) assert_memory_equal(bytes, bytes + 18 * b, 2);
    }
}

/* ---- through a file ------------------------------------------------------------------------------------ */

static char folder[300];

static int setup(void **state)
{
    int r = scratch_setup(state);
    snprintf(folder, sizeof folder, "%s", scratch("base"));
    small_base(folder, 1100, 1); /* nano's tokenizer has 1024 tokens: the rest is padding */
    return r;
}

static void save(const char *from, const char *to, enum dtype type, enum dtype head, enum quant_method how,
                 unsigned threads)
{
    struct load_options o = {.model = from, .threads = threads};
    struct gguf_model_options g = {.matrices = type, .head = head, .method = how, .name = "base"};
    struct loaded l = {0};
    struct err e = {0};
    char *template = NULL;
    size_t n;
    int r = load_folder(&l, &o, &e);
    if (!r) r = base_template(&template, &n, l.base, &e);
    struct model_rows rows = {.base = l.base};
    if (!r) r = gguf_model_save(to, &rows, l.tokenizer, template, n, &g, l.pool, &e);
    if (r) fail_msg("%s", e.msg);
    free(template);
    load_clear(&l);
}

static void load_ok(struct loaded *l, const char *path, enum load_dtype dtype)
{
    struct load_options o = {.model = path, .dtype = dtype, .threads = 1, .context = 128};
    struct err e = {0};
    memset(l, 0, sizeof *l);
    int r = load_folder(l, &o, &e);
    if (!r) r = load_digests(l, &e);
    if (!r) r = load_model(l, &o, &e);
    if (r) fail_msg("%s", e.msg);
}

static void same_file(const char *a, const char *b)
{
    char x[SHA256_HEX], y[SHA256_HEX];
    assert_int_equal(sha256_file(a, x, NULL, NULL), 0);
    assert_int_equal(sha256_file(b, y, NULL, NULL), 0);
    assert_string_equal(x, y);
}

static void there_and_back(void **state)
{
    (void)state;
    static const struct {
        enum dtype type;
        enum load_dtype load;
    } rows[] = {{DTYPE_F32, LOAD_FP32},
                {DTYPE_BF16, LOAD_BF16},
                {DTYPE_Q8_0, LOAD_Q8_0},
                {DTYPE_Q4_0, LOAD_Q4_0},
                {DTYPE_W4, LOAD_W4}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct loaded was, is;
        struct export_report report;
        struct err e = {0};
        save(folder, scratch("a.gguf"), rows[i].type, rows[i].type, QUANT_RTN, 1);
        save(folder, scratch("b.gguf"), rows[i].type, rows[i].type, QUANT_RTN, 2);
        same_file(scratch("a.gguf"), scratch("b.gguf"));
        load_ok(&was, folder, rows[i].load);
        load_ok(&is, scratch("a.gguf"), LOAD_AUTO);
        struct model_config c = is.base->config;
        c.init_std = was.base->config.init_std; /* has no place in a file of weights */
        assert_memory_equal(&c, &was.base->config, sizeof c);
        assert_string_equal(was.digest_tokenizer, is.digest_tokenizer);
        assert_string_equal(was.digest_base, is.digest_base);
        assert_int_equal(model_mat(is.m, P_UP, 1)->type, model_mat(was.m, P_UP, 1)->type);
        if (export_compare(&was, &is, false, 0, &report, &e))
            fail_msg("%s: %s", dtype_name(rows[i].type), e.msg);
        assert_true(report.rows > 30);
        /* what has the type already is copied as it is, also by the other method */
        save(scratch("a.gguf"), scratch("c.gguf"), rows[i].type, rows[i].type, QUANT_L2, 1);
        same_file(scratch("a.gguf"), scratch("c.gguf"));
        load_clear(&is);
        load_clear(&was);
    }
}

static void a_head_of_its_own(void **state)
{
    (void)state;
    struct loaded l;
    save(folder, scratch("head.gguf"), DTYPE_Q4_0, DTYPE_Q8_0, QUANT_L2, 1);
    load_ok(&l, scratch("head.gguf"), LOAD_AUTO);
    assert_int_equal(model_head(l.m)->type, WT_Q8_0);
    assert_int_equal(model_mat(l.m, P_Q, 0)->type, WT_Q4_0);
    assert_int_equal(l.m->type, WT_BF16);
    load_clear(&l);
}

/* ---- perplexity ---------------------------------------------------------------------------------------- */

/* The same from the session's log-probabilities, token by token. */
static void perplexity_is_what_it_says(void **state)
{
    (void)state;
    enum { CONTEXT = 70, N = 3 * CONTEXT + 20 };
    struct session_config sc = {.streams = 1, .max_tokens = CONTEXT};
    struct loaded l;
    struct session *s;
    struct perplexity p;
    struct err e = {0};
    int32_t ids[N];
    double sum = 0;
    uint64_t n = 0;
    load_ok(&l, folder, LOAD_AUTO);
    for (int i = 0; i < N; i++) ids[i] = (i * 77 + i * i) % 1024;
    if (perplexity_run(&p, l.m, KV_MODEL, ids, N, CONTEXT, NULL, NULL, &e)) fail_msg("%s", e.msg);
    assert_int_equal(session_create(&s, l.m, NULL, &sc, &e), 0);
    for (uint32_t w = 0; w < 3; w++)
        for (uint32_t i = CONTEXT / 2; i + 1 < CONTEXT; i++, n++) {
            assert_int_equal(session_sync(s, 0, ids + w * CONTEXT, i + 1, UINT32_MAX, NULL, &e), 0);
            sum -= (double)session_logprob(s, 0, ids[w * CONTEXT + i + 1]);
        }
    assert_int_equal(p.tokens, n);
    assert_true(fabs(p.loss - sum / (double)n) < 1e-9);
    assert_true(fabs(p.value - exp(sum / (double)n)) < 1e-6 * p.value);
    assert_true(p.deviation > 0 && p.deviation < p.value);
    session_free(s);
    assert_int_equal(perplexity_run(&p, l.m, KV_MODEL, ids, CONTEXT - 1, CONTEXT, NULL, NULL, &e),
                     ERR_DATA_EMPTY);
    struct err f = {0}, g = {0}, h = {0};
    float *norm = l.m->vec[params_slot(&l.m->c, P_NORM, 0)], was = norm[3];
    norm[3] = NAN;
    assert_int_equal(perplexity_run(&p, l.m, KV_MODEL, ids, N, CONTEXT, NULL, NULL, &h), ERR_NONFINITE);
    norm[3] = was;
    assert_int_equal(perplexity_run(&p, l.m, KV_MODEL, ids, N, 129, NULL, NULL, &f), ERR_CTX_FULL);
    ids[5] = 1100;
    assert_int_equal(perplexity_run(&p, l.m, KV_MODEL, ids, N, CONTEXT, NULL, NULL, &g), ERR_TOKEN_RANGE);
    load_clear(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(l2_is_never_worse), cmocka_unit_test(odd_rows),
        cmocka_unit_test(w4_has_one_scale),  cmocka_unit_test(there_and_back),
        cmocka_unit_test(a_head_of_its_own), cmocka_unit_test(perplexity_is_what_it_says),
    };
    return cmocka_run_group_tests(tests, setup, scratch_teardown);
}
