/* Heads: what they compute, against the formulas in double; what they are held against; and that they are the
 * same bits after any way through files. */
#include "checkpoints/file.h"
#include "checkpoints/head_file.h"
#include "checkpoints/sha256.h"
#include "infer/digest.h"
#include "tests/support/random_model.h"
#include "tests/support/scratch.h"
#include "tests/support/small_head.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WIDTH = 24, IN = 2 * WIDTH };

static const struct {
    enum head_task task;
    uint32_t hidden;
    bool standardised;
} kinds[] = {
    {HEAD_SWITCHER, 8, true}, {HEAD_SWITCHER, 8, false}, {HEAD_VERIFIER, 0, true}, {HEAD_VERIFIER, 0, false}};
enum { KINDS = sizeof kinds / sizeof *kinds };

static struct head *head_of(size_t kind)
{
    return small_head(kinds[kind].task, WIDTH, kinds[kind].hidden, kinds[kind].standardised, 7 + kind);
}

/* ---- what it says -------------------------------------------------------------------------------------- */

static double logit_of(const struct head *h, const float *x)
{
    double z[IN], logit = (double)*h->b2;
    for (int i = 0; i < IN; i++)
        z[i] = h->mean ? ((double)x[i] - (double)h->mean[i]) * (double)h->scale[i] : (double)x[i];
    if (!h->c.hidden)
        for (int i = 0; i < IN; i++) logit += (double)h->w2[i] * z[i];
    for (uint32_t k = 0; k < h->c.hidden; k++) {
        double sum = (double)h->b1[k];
        for (int i = 0; i < IN; i++) sum += (double)h->w1[k * IN + (uint32_t)i] * z[i];
        logit += (double)h->w2[k] * fmax(0, sum);
    }
    return logit;
}

static void a_head_is_its_formula(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < KINDS; kind++) {
        struct head *h = head_of(kind);
        float x[IN];
        for (uint64_t s = 0; s < 50; s++) {
            for (uint64_t i = 0; i < IN; i++) x[i] = random_at(100 + s, i);
            double want = logit_of(h, x), p = 1 / (1 + exp(-want / h->c.temperature));
            assert_true(fabs(head_logit(h, x) - want) <= 1e-12 * (1 + fabs(want)));
            assert_true(fabs(head_apply(h, x) - p) <= 1e-13);
        }
        head_free(h);
    }
}

static void far_out_is_certain(void **state)
{
    (void)state;
    struct head *h = small_head(HEAD_VERIFIER, WIDTH, 0, false, 3);
    float x[IN] = {0};
    const float bias[] = {1e6f, -1e6f, 0};
    const double want[] = {1, 0, 0.5};
    for (int i = 0; i < 3; i++) {
        *h->b2 = bias[i];
        assert_true(head_apply(h, x) == want[i]);
    }
    head_free(h);
}

/* ---- through files ------------------------------------------------------------------------------------- */

static void same_head(const struct head *a, const struct head *b)
{
    assert_int_equal(a->count, b->count);
    assert_memory_equal(a->data, b->data, a->count * sizeof *a->data);
    assert_memory_equal(&a->c.states.depth, &b->c.states.depth, a->c.states.n * sizeof(uint32_t));
    assert_true(a->c.task == b->c.task && a->c.pooling == b->c.pooling && a->c.states.n == b->c.states.n);
    assert_true(a->c.width == b->c.width && a->c.hidden == b->c.hidden &&
                a->c.standardised == b->c.standardised);
    assert_true(a->c.threshold == b->c.threshold && a->c.temperature == b->c.temperature);
    assert_string_equal(a->c.prompt, b->c.prompt);
    assert_string_equal(a->c.base, b->c.base);
    assert_string_equal(a->c.tokenizer, b->c.tokenizer);
    assert_string_equal(a->c.adapter, b->c.adapter);
}

static void must(int r, const struct err *e)
{
    if (r) fail_msg("%s: %s", err_name(r), e->msg);
}

static void same_file(const char *a, const char *b)
{
    char *x, *y;
    size_t n, m;
    assert_int_equal(file_load(a, 1 << 20, &x, &n, NULL), 0);
    assert_int_equal(file_load(b, 1 << 20, &y, &m, NULL), 0);
    assert_int_equal(n, m);
    assert_memory_equal(x, y, n);
    free(x);
    free(y);
}

/* safetensors -> GGUF -> safetensors: the same bits of the head, and the same file. */
static void files_keep_every_bit(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < KINDS; kind++) {
        struct head *h = head_of(kind), *a, *b[HEAD_TASKS];
        struct err e = {0};
        h->c.threshold = 1 / 3.0, h->c.temperature = 1.1;
        must(head_file_save(scratch("a.safetensors"), h, &e), &e);
        must(head_file_load(&a, scratch("a.safetensors"), &e), &e);
        same_head(h, a);
        const struct head *both[HEAD_TASKS] = {0};
        both[a->c.task] = a;
        must(head_gguf_save(scratch("h.gguf"), both, &e), &e);
        must(head_file_load_any(b, scratch("h.gguf"), &e), &e);
        assert_null(b[!a->c.task]);
        same_head(h, b[a->c.task]);
        must(head_file_save(scratch("b.safetensors"), b[a->c.task], &e), &e);
        same_file(scratch("a.safetensors"), scratch("b.safetensors"));
        head_free(b[a->c.task]);
        head_free(a);
        head_free(h);
    }
}

static void two_heads_in_one_file(void **state)
{
    (void)state;
    struct head *h[HEAD_TASKS] = {head_of(0), head_of(3)}, *got[HEAD_TASKS];
    struct err e = {0};
    must(head_gguf_save(scratch("two.gguf"), (const struct head *const *)h, &e), &e);
    must(gguf_heads_load(got, scratch("two.gguf"), &e), &e);
    for (int t = 0; t < HEAD_TASKS; t++) {
        same_head(h[t], got[t]);
        head_free(h[t]);
        head_free(got[t]);
    }
    const struct head *none[HEAD_TASKS] = {0};
    assert_int_equal(head_gguf_save(scratch("none.gguf"), none, &e), ERR_HEAD_TYPE);
    assert_false(file_exists(scratch("none.gguf")));
}

static void not_finite_is_not_written(void **state)
{
    (void)state;
    struct head *h = head_of(0);
    struct err e = {0};
    h->w1[5] = NAN;
    const struct head *both[HEAD_TASKS] = {h};
    assert_int_equal(head_file_save(scratch("nan.safetensors"), h, &e), ERR_NONFINITE);
    assert_non_null(strstr(e.msg, "hidden.weight"));
    assert_non_null(strstr(e.msg, "index 5"));
    assert_int_equal(head_gguf_save(scratch("nan.gguf"), both, &e), ERR_NONFINITE);
    assert_false(file_exists(scratch("nan.safetensors")) || file_exists(scratch("nan.gguf")));
    head_free(h);
}

/* ---- who fits whom ------------------------------------------------------------------------------------- */

static void another_model_is_refused(void **state)
{
    (void)state;
    char a[65], b[65], other[65];
    memset(a, 'a', 64), memset(b, 'b', 64), memset(other, 'c', 64);
    a[64] = b[64] = other[64] = 0;
    struct model_config m = {.layers = 2, .width = WIDTH}, shallow = {.layers = 0, .width = WIDTH},
                        wide = {.layers = 2, .width = WIDTH + 1};
    struct head *h = head_of(2);
    const struct {
        struct head_expect x;
        const char *adapter;
        int code;
        const char *says;
    } rows[] = {
        {{&m, a, b, NULL}, "", 0, ""},
        {{&m, NULL, NULL, NULL}, other, 0, ""},
        {{&m, "", "", other}, "", 0, ""},
        {{&m, a, b, other}, other, 0, ""},
        {{&wide, a, b, NULL}, "", ERR_HEAD_WIDTH, "width 24, the model's have 25"},
        {{&shallow, a, b, NULL}, "", ERR_HEAD_LAYER, "layer 1, the model has 0 layers"},
        {{&m, other, b, NULL}, "", ERR_BASE_HASH, "base model aaaaaaaaaaaaaaaa, this one is cccc"},
        {{&m, a, other, NULL}, "", ERR_TOK_HASH, "tokenizer bbbb"},
        {{&m, a, b, a}, other, ERR_AD_HASH, "adapter cccc"},
        {{&m, a, b, ""}, other, ERR_AD_HASH, "which is not there"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err e = {0};
        strcpy(h->c.adapter, rows[i].adapter);
        int r = head_check(h, &rows[i].x, "some.gguf", &e);
        if (r != rows[i].code || !strstr(e.msg, rows[i].says) ||
            (r && !strstr(e.msg, "some.gguf: this verifier")))
            fail_msg("row %zu: %s \"%s\"", i, err_name(r), e.msg);
    }
    head_free(h);
}

static void heads_that_cannot_be(void **state)
{
    (void)state;
    struct head *h = head_of(0), *got;
    const struct head_config sound = h->c;
    for (int i = 0; i < 9; i++) {
        struct head_config c = sound;
        struct err e = {0};
        if (i == 0) c.states.n = 0;
        if (i == 1) c.width = 0;
        if (i == 2) c.hidden = HEAD_MAX_HIDDEN + 1;
        if (i == 3) c.threshold = -0.1;
        if (i == 4) c.threshold = NAN;
        if (i == 5) c.temperature = 0;
        if (i == 6) c.temperature = INFINITY;
        if (i == 7) c.states.depth[1] = 1;
        if (i == 8) c.task = HEAD_TASKS;
        if (head_create(&got, &c, &e) != ERR_FIELD_RANGE || got) fail_msg("row %d: %s", i, e.msg);
    }
    head_free(h);
}

/* ---- SHA-256 ------------------------------------------------------------------------------------------- */

static void digests_are_libcryptos(void **state)
{
    (void)state;
    static char data[1000];
    char ours[DIGEST_HEX], theirs[SHA256_HEX];
    for (size_t i = 0; i < sizeof data; i++) data[i] = (char)(i * 7);
    for (size_t n = 0; n <= 300; n++)
        for (size_t cut = 0; cut <= n; cut += 37) {
            struct digest d;
            digest_init(&d);
            digest_update(&d, data, cut);
            digest_update(&d, data + cut, n - cut);
            digest_final(&d, ours);
            assert_int_equal(sha256_hex(data, n, theirs, NULL), 0);
            assert_string_equal(ours, theirs);
        }
    uint64_t bytes;
    const char *path = scratch_write("data", data, sizeof data);
    assert_int_equal(digest_file(path, ours, &bytes, NULL), 0);
    assert_int_equal(sha256_file(path, theirs, NULL, NULL), 0);
    assert_string_equal(ours, theirs);
    assert_int_equal(bytes, sizeof data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_is_its_formula),     cmocka_unit_test(far_out_is_certain),
        cmocka_unit_test(files_keep_every_bit),      cmocka_unit_test(two_heads_in_one_file),
        cmocka_unit_test(not_finite_is_not_written), cmocka_unit_test(another_model_is_refused),
        cmocka_unit_test(heads_that_cannot_be),      cmocka_unit_test(digests_are_libcryptos),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
