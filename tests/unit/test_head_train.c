/* The training of heads: it learns, stops, repeats itself bit for bit on any number of threads, becomes
 * a head, and
 * refuses what is not finite. */
#include "infer/pool.h"
#include "infer/rng.h"
#include "train/head_train.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N = 1600, WIDTH = 37, TRAIN = 1200 };

static float x[N * WIDTH];
static uint8_t label[N];
static uint32_t pick[2][N]; /* training and validation rows, mixed */

/* Two groups in opposite corners against two in the others, so that no line parts them; the other columns are
 * noise, one is constant, and all have a scale and a place of their own. */
static int setup(void **state)
{
    (void)state;
    rng_fill_normal(7, 0, 0, x, N * WIDTH);
    for (uint32_t i = 0; i < N; i++) {
        int a = (int)(rng_u32(7, 1, i) & 1), b = (int)(rng_u32(7, 2, i) & 1);
        label[i] = (uint8_t)(a ^ b);
        x[i * WIDTH + 3] = x[i * WIDTH + 3] * 0.3f + (float)a * 2;
        x[i * WIDTH + 20] = x[i * WIDTH + 20] * 0.3f + (float)b * 2;
        for (uint32_t k = 0; k < WIDTH; k++)
            x[i * WIDTH + k] = x[i * WIDTH + k] * (float)(k + 1) * 0.1f + (float)k;
        x[i * WIDTH + 5] = 1e6f;
        pick[i % 4 == 3][i / 4 * (i % 4 == 3 ? 1 : 3) + (i % 4 == 3 ? 0 : i % 4)] = i;
    }
    return 0;
}

static struct head_rows part(int valid)
{
    return (struct head_rows){x, WIDTH, label, pick[valid], valid ? N - TRAIN : TRAIN, WIDTH};
}

static struct head_recipe config(void)
{
    struct head_recipe c = head_recipe_defaults;
    c.learning_rate = 1e-2, c.noise = 0.1, c.epochs = 60, c.dropout = 0.1, c.hidden = 16, c.batch = 32,
    c.seed = 3;
    return c;
}

struct story {
    uint32_t epochs, best;
    double least, best_loss;
};

static void listen(void *ctx, const struct head_epoch *now)
{
    struct story *s = ctx;
    assert_int_equal(now->epoch, s->epochs);
    if (now->best) s->best = now->epoch, s->best_loss = now->valid_loss;
    s->least = s->epochs++ ? fmin(s->least, now->valid_loss) : now->valid_loss;
}

static double accuracy(struct head_trainer *t, const struct head_rows *r)
{
    float logits[N];
    uint32_t right = 0;
    head_logits(t, r, logits);
    for (uint32_t i = 0; i < r->n; i++) right += (logits[i] > 0) == (r->label[r->pick[i]] == 1);
    return (double)right / r->n;
}

static void learns(void **state)
{
    (void)state;
    struct head_rows train = part(0), valid = part(1);
    struct head_recipe c = config();
    struct head_trainer t;
    struct head_outcome o;
    struct story s = {0};
    struct err e = {0};
    if (head_trainer_create(&t, &c, &train, NULL, &e)) fail_msg("%s", e.msg);
    if (head_train(&t, &train, &valid, listen, &s, &o, &e)) fail_msg("%s", e.msg);
    assert_true(accuracy(&t, &valid) > 0.97);
    /* what is kept is the best epoch */
    assert_true(o.best_loss == s.least && o.best_loss == s.best_loss && o.best_epoch == s.best);
    assert_int_equal(o.epochs, s.epochs);
    assert_true(head_loss(&t, &valid) == o.best_loss);
    assert_true(o.epochs == c.epochs || o.epochs == o.best_epoch + c.patience + 1);
    head_trainer_free(&t);
}

/* A line cannot do it: so it was the hidden layer. */
static void linear_cannot(void **state)
{
    (void)state;
    struct head_rows train = part(0), valid = part(1);
    struct head_recipe c = config();
    struct head_trainer t;
    struct head_outcome o;
    c.hidden = 0, c.patience = 3;
    assert_int_equal(head_trainer_create(&t, &c, &train, NULL, NULL), 0);
    assert_int_equal(head_train(&t, &train, &valid, NULL, NULL, &o, NULL), 0);
    assert_true(accuracy(&t, &valid) < 0.7);
    assert_true(o.epochs < c.epochs); /* patience */
    head_trainer_free(&t);
}

static void same_bits(void **state)
{
    (void)state;
    struct head_rows train = part(0), valid = part(1);
    float *first = NULL;
    for (unsigned run = 0; run < 4; run++) {
        struct head_recipe c = config();
        struct head_trainer t;
        struct head_outcome o;
        struct pool *pool = NULL;
        c.epochs = 6, c.seed = 3 + (run == 3);
        if (run) assert_int_equal(pool_create(&pool, run, NULL), 0);
        assert_int_equal(head_trainer_create(&t, &c, &train, pool, NULL), 0);
        assert_int_equal(head_train(&t, &train, &valid, NULL, NULL, &o, NULL), 0);
        if (!first) {
            first = malloc(t.count * sizeof *first);
            memcpy(first, t.theta, t.count * sizeof *first);
        } else {
            assert_int_equal(memcmp(first, t.theta, t.count * sizeof *first) == 0, run < 3);
        }
        head_trainer_free(&t);
        pool_free(pool);
    }
    free(first);
}

/* A head made of it gives the trainer's logits. */
static void becomes_a_head(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {0, 8, 3};
    for (int i = 0; i < 3; i++) {
        struct head_rows train = part(0), valid = part(1);
        struct head_recipe c = config();
        struct head_config hc = {
            .states = {{4}, 1}, .width = WIDTH, .hidden = sizes[i], .standardised = true, .temperature = 1};
        struct head_trainer t;
        struct head_outcome o;
        struct head *h;
        float logits[N];
        c.hidden = sizes[i], c.epochs = 5;
        assert_int_equal(head_trainer_create(&t, &c, &train, NULL, NULL), 0);
        assert_int_equal(head_train(&t, &train, &valid, NULL, NULL, &o, NULL), 0);
        assert_int_equal(head_create(&h, &hc, NULL), 0);
        head_trainer_copy(&t, h);
        assert_int_equal(head_values_check(h, NULL), 0);
        head_logits(&t, &valid, logits);
        for (uint32_t k = 0; k < valid.n; k++)
            assert_true(fabs(head_logit(h, x + pick[1][k] * WIDTH) - (double)logits[k]) < 1e-5);
        head_free(h);
        head_trainer_free(&t);
    }
}

static void balance(void **state)
{
    (void)state;
    double w[2];
    struct err e = {0};
    uint8_t l[4] = {0, 1, 1, 1};
    struct head_rows r = {x, WIDTH, l, NULL, 4, WIDTH};
    assert_int_equal(head_balance(&r, w, NULL), 0);
    assert_true(w[0] == 2 && w[1] == 4.0 / 6);
    l[0] = 1;
    assert_int_equal(head_balance(&r, w, &e), ERR_DATA_EMPTY);
    assert_non_null(strstr(e.msg, "4 1"));
    l[2] = 2;
    assert_int_equal(head_balance(&r, w, NULL), ERR_FIELD_RANGE);
    r.n = 0;
    assert_int_equal(head_balance(&r, w, NULL), ERR_DATA_EMPTY);
}

static void refuses_settings(void **state)
{
    (void)state;
    struct head_rows train = part(0);
    for (int i = 0; i < 9; i++) {
        struct head_recipe c = config();
        struct head_trainer t;
        if (i == 0) c.dropout = 1;
        if (i == 1) c.dropout = (double)NAN;
        if (i == 2) c.noise = -1;
        if (i == 3) c.learning_rate = 0;
        if (i == 4) c.weight[1] = (double)INFINITY;
        if (i == 5) c.batch = 0;
        if (i == 6) c.epochs = 0;
        if (i == 7) c.weight_decay = -1;
        if (i == 8) c.hidden = 1 << 20;
        assert_int_equal(head_trainer_create(&t, &c, &train, NULL, NULL), ERR_FIELD_RANGE);
        assert_null(t.theta);
    }
}

static void not_finite(void **state)
{
    (void)state;
    struct head_rows train = part(0), valid = part(1);
    struct head_recipe c = config();
    struct head_trainer t;
    struct head_outcome o;
    struct err e = {0};
    float *spoilt = &x[pick[0][17] * WIDTH + 9], held = *spoilt;
    *spoilt = NAN;
    assert_int_equal(head_trainer_create(&t, &c, &train, NULL, &e), ERR_NONFINITE);
    assert_non_null(strstr(e.msg, "column 9"));
    *spoilt = held;

    /* in the middle of training: named, and no weight has changed since the step before */
    e.code = 0;
    assert_int_equal(head_trainer_create(&t, &c, &train, NULL, NULL), 0);
    *spoilt = INFINITY;
    assert_int_equal(head_train(&t, &train, &valid, NULL, NULL, &o, &e), ERR_NONFINITE);
    assert_non_null(strstr(e.msg, "epoch 0, batch"));
    for (uint64_t i = 0; i < t.count; i++) assert_true(isfinite(t.theta[i]));
    *spoilt = held;
    head_trainer_free(&t);

    e.code = 0;
    spoilt = &x[pick[1][4] * WIDTH + 9], held = *spoilt, *spoilt = NAN;
    assert_int_equal(head_trainer_create(&t, &c, &train, NULL, NULL), 0);
    assert_int_equal(head_train(&t, &train, &valid, NULL, NULL, &o, &e), ERR_NONFINITE);
    assert_non_null(strstr(e.msg, "validation"));
    *spoilt = held;
    t.grad[3] = INFINITY, t.squares[0] = (double)INFINITY;
    float before = t.theta[0];
    assert_int_equal(head_step(&t, NULL), ERR_NONFINITE);
    assert_true(t.theta[0] == before);
    head_trainer_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(learns),         cmocka_unit_test(linear_cannot), cmocka_unit_test(same_bits),
        cmocka_unit_test(becomes_a_head), cmocka_unit_test(balance),       cmocka_unit_test(refuses_settings),
        cmocka_unit_test(not_finite),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
