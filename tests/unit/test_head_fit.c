/* From a set of features to a head: the depth with the signal is found, parts are by problem, the test's
 * figures are those of the chosen head on rows it has not seen. */
#include "checkpoints/head_file.h"
#include "infer/rng.h"
#include "tests/support/scratch.h"
#include "train/head_fit.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WIDTH = 20, DEPTHS = 3, ROWS = 1200 };

static uint32_t shift; /* of rows, where their problems are counted from */
static const uint32_t depths[DEPTHS] = {2, 5, 9};
static const char hex_b[] = "b000000000000000000000000000000000000000000000000000000000000000";
static const char hex_c[] = "c000000000000000000000000000000000000000000000000000000000000000";

/* The label shows in depth 5 clearly, in depth 9 a little; in depth 2 only its problem does. Four rows a
 * problem. With `long_ones` the number of tokens gives a third of the labels away. */
static void write_set(const char *name, const char *base, uint64_t seed, bool long_ones)
{
    struct features_origin o = {"switcher", base, hex_c, "", "mean", "", "", depths, DEPTHS, WIDTH};
    struct features_writer *w;
    struct err e = {0};
    if (features_writer_open(&w, scratch(name), &o, &e)) fail_msg("%s", e.msg);
    for (uint32_t i = 0; i < ROWS; i++) {
        float x[DEPTHS * WIDTH];
        uint32_t r = rng_u32(seed, 1, i);
        uint8_t label = r & 1;
        rng_fill_normal(seed, 2, (uint64_t)i * 64, x, DEPTHS * WIDTH);
        for (uint32_t k = 0; k < 8; k++)
            x[k] += 3 * rng_normal(seed, 3, i / 4 * 8 + k); /* the problem's mark */
        x[WIDTH + 4] += label ? 3 : 0;
        x[2 * WIDTH + 7] += label ? 1 : 0;
        struct feature row = {.group = seed << 32 | (shift + i) / 4,
                              .text = i,
                              .label = i % 50 == 7 ? FEATURE_UNKNOWN : label,
                              .prompt_tokens = 10 + (r >> 8) % 20,
                              .answer = -1,
                              .base_right = FEATURE_UNKNOWN,
                              .adapter_right = FEATURE_UNKNOWN};
        if (long_ones && (r >> 16) % 3 == 0 && !label) row.prompt_tokens += 30;
        if (features_writer_add(w, &row, x, &e)) fail_msg("%s", e.msg);
    }
    if (features_writer_commit(w, &e)) fail_msg("%s", e.msg);
}

static struct features *open_set(const char *name)
{
    struct features *f;
    struct err e = {0};
    if (features_open(&f, scratch(name), &e)) fail_msg("%s", e.msg);
    return f;
}

static struct head_fit_config config(void)
{
    struct head_fit_config c = {.recipe = head_recipe_defaults,
                                .balance = true,
                                .train = 0.6,
                                .valid = 0.2,
                                .split_seed = 1,
                                .resamples = 200,
                                .bins = 10};
    c.recipe.learning_rate = 1e-2, c.recipe.epochs = 15, c.recipe.seed = 2;
    return c;
}

static void count(void *ctx, const struct head_try *t)
{
    uint32_t *told = ctx;
    assert_int_equal(t->depth, depths[(*told)++]);
}

/* The figures again, from the probabilities that are handed out. */
static void check_figures(const struct head_fit *h, const struct features *f)
{
    uint32_t n = h->rows[FEATURES_TEST];
    float *p = malloc(n * sizeof *p);
    uint8_t *label = malloc(n);
    struct score_rows s;
    for (uint32_t i = 0; i < n; i++) {
        p[i] = h->p[h->pick[i]];
        label[i] = features_rows(f)[h->pick[i]].label;
    }
    assert_int_equal(score_rows_create(&s, p, label, n, NULL), 0);
    assert_true(score_auc(&s, NULL) == h->auc.value);
    assert_true(score_accuracy(&s, NULL, h->threshold) == h->accuracy.value);
    assert_true(score_ece(&s, NULL, 10, NULL) == h->ece.value);
    score_rows_free(&s);
    free(p), free(label);
}

/* The head that comes of it, saved and loaded, says what it was said to. */
static void check_head(const struct head_fit *h, const struct features *f)
{
    struct head *made, *head = NULL;
    struct err e = {0};
    float *x = malloc(ROWS * WIDTH * sizeof *x);
    if (head_fit_head(&made, h, features_origin(f), 0.25, &e) ||
        head_file_save(scratch("switcher.safetensors"), made, &e) ||
        head_file_load(&head, scratch("switcher.safetensors"), &e))
        fail_msg("%s", e.msg);
    assert_true(head->c.task == HEAD_SWITCHER && head->c.pooling == POOL_MEAN && head->c.states.n == 1 &&
                head->c.states.depth[0] == 5 && head->c.width == WIDTH && head->c.hidden == 8);
    assert_true(head->c.threshold == 0.25 && head->c.temperature == h->temperature);
    assert_string_equal(head->c.base, hex_b);
    assert_string_equal(head->c.tokenizer, hex_c);
    assert_string_equal(head->c.adapter, "");
    assert_int_equal(features_states(f, h->best, x, NULL), 0);
    for (uint32_t i = 0; i < ROWS; i++)
        assert_true(fabs(head_apply(head, x + i * WIDTH) - (double)h->p[i]) < 1e-5);
    head_free(made), head_free(head);
    free(x);
    struct features_origin o = *features_origin(f);
    o.pooling = "median";
    assert_int_equal(head_fit_head(&made, h, &o, 0.5, NULL), ERR_FIELD_RANGE);
    assert_null(made);
}

static void finds_the_depth(void **state)
{
    (void)state;
    struct head_fit_config c = config();
    struct head_fit h, again;
    struct err e = {0};
    uint32_t told = 0;
    write_set("set", hex_b, 1, true);
    struct features *f = open_set("set");
    if (head_fit(&h, f, NULL, &c, NULL, count, &told, &e)) fail_msg("%s", e.msg);
    assert_int_equal(told, DEPTHS);
    assert_true(h.n_tried == DEPTHS && h.best == 1);
    assert_true(h.tried[1].auc > h.tried[2].auc && h.tried[2].auc > h.tried[0].auc + 0.1);
    assert_true(h.auc.value > 0.95 && h.auc.low < h.auc.value && h.auc.value < h.auc.high);
    assert_true(h.accuracy.value > 0.88 && h.ece.value < 0.1);
    assert_true(fabs(h.tried[0].auc - 0.5) < 0.12); /* a problem's mark is no use on other problems */
    assert_true(h.length_auc.value > 0.6 &&
                h.length_auc.value < 0.75); /* labels 0 are longer: turned round */
    assert_true(h.length_lead.value == h.auc.value - h.length_auc.value && h.length_lead.low > 0.1);
    assert_true(h.length_lead.low < h.length_lead.value && h.length_lead.value < h.length_lead.high);
    assert_int_equal(h.rows[0] + h.rows[1] + h.rows[2], ROWS - ROWS / 50);
    for (uint32_t i = 0; i < h.rows[FEATURES_VALID]; i++) {
        assert_int_equal(features_part(features_rows(f)[h.valid_pick[i]].group, 1, .6, .2), FEATURES_VALID);
        assert_true(h.valid_p[i] == h.p[h.valid_pick[i]]);
    }
    for (uint32_t i = 0; i < h.rows[FEATURES_TEST]; i++)
        assert_int_equal(features_part(features_rows(f)[h.pick[i]].group, 1, .6, .2), FEATURES_TEST);
    check_figures(&h, f);
    check_head(&h, f);
    assert_int_equal(head_fit(&again, f, NULL, &c, NULL, NULL, NULL, NULL), 0);
    assert_memory_equal(h.p, again.p, ROWS * sizeof *h.p);
    assert_true(h.threshold == again.threshold && h.temperature == again.temperature);
    head_fit_free(&h), head_fit_free(&again);
    features_close(f);
}

static void a_set_for_the_test(void **state)
{
    (void)state;
    struct head_fit_config c = config();
    struct head_fit h;
    struct err e = {0};
    write_set("set", hex_b, 1, false);
    write_set("test", hex_b, 2, false);
    write_set("other", hex_c, 3, false);
    struct features *f = open_set("set"), *test = open_set("test"), *other = open_set("other");
    c.recipe.hidden = 0;
    if (head_fit(&h, f, test, &c, NULL, NULL, NULL, &e)) fail_msg("%s", e.msg);
    assert_int_equal(h.rows[FEATURES_TEST], ROWS - ROWS / 50);
    assert_int_equal(h.rows[0] + h.rows[1], ROWS - ROWS / 50);
    assert_in_range(h.rows[0], ROWS * 0.68, ROWS * 0.8); /* 0.6 / 0.8 */
    assert_true(h.best == 1 && h.auc.value > 0.95);
    assert_true(fabs(h.length_auc.value - 0.5) < 0.06);
    check_figures(&h, test);
    head_fit_free(&h);
    assert_int_equal(head_fit(&h, f, other, &c, NULL, NULL, NULL, &e), ERR_DATA_HASH);
    assert_null(h.p);

    c.train = 0, e.code = 0; /* nothing to learn from */
    assert_int_equal(head_fit(&h, f, NULL, &c, NULL, NULL, NULL, &e), ERR_DATA_EMPTY);
    assert_non_null(strstr(e.msg, "training part"));
    features_close(f), features_close(test), features_close(other);
}

/* Labels dealt out anew, over five seeds: nothing is left to learn. */
static void shuffled(void **state)
{
    (void)state;
    struct head_fit_config c = config();
    double sum = 0, last = 0;
    write_set("set", hex_b, 1, false);
    struct features *f = open_set("set");
    c.shuffle = true, c.recipe.hidden = 0;
    for (c.recipe.seed = 0; c.recipe.seed < 5; c.recipe.seed++) {
        struct head_fit h;
        struct err e = {0};
        if (head_fit(&h, f, NULL, &c, NULL, NULL, NULL, &e)) fail_msg("%s", e.msg);
        assert_true(fabs(h.auc.value - 0.5) < 0.13 && h.auc.value != last);
        assert_int_equal(h.rows[0] + h.rows[1] + h.rows[2], ROWS - ROWS / 50);
        sum += last = h.auc.value;
        head_fit_free(&h);
    }
    assert_true(fabs(sum / 5 - 0.5) < 0.05);
    features_close(f);
}

/* Rows of problems that the test has too are not learned from. */
static void kept_apart(void **state)
{
    (void)state;
    struct head_fit_config c = config();
    struct head_fit h;
    struct err e = {0};
    write_set("set", hex_b, 1, false);
    write_set("test", hex_b, 2, false);
    struct features *f = open_set("set"), *test = open_set("test");
    c.recipe.hidden = 0;
    assert_int_equal(head_fit(&h, f, f, &c, NULL, NULL, NULL, &e), ERR_DATA_EMPTY); /* all of them */
    assert_null(h.p);
    if (head_fit(&h, f, test, &c, NULL, NULL, NULL, &e)) fail_msg("%s", e.msg);
    assert_int_equal(h.shared, 0);
    head_fit_free(&h);
    shift = 1000; /* rows of the test that carry on with the groups of the set's last */
    write_set("mixed", hex_b, 1, false);
    shift = 0;
    struct features *mixed = open_set("mixed");
    if (head_fit(&h, f, mixed, &c, NULL, NULL, NULL, &e)) fail_msg("%s", e.msg);
    assert_int_equal(h.shared, 200 - 200 / 50);
    assert_int_equal(h.rows[0] + h.rows[1], 1000 - 1000 / 50);
    for (uint32_t i = 0; i < h.rows[FEATURES_VALID]; i++) assert_true(h.valid_pick[i] < 1000);
    head_fit_free(&h);
    features_close(f), features_close(test), features_close(mixed);
}

/* Half of what tells stands at depth 2, half at depth 9: only all together have it. */
static void write_halves(const char *name)
{
    struct features_origin o = {"switcher", hex_b, hex_c, "", "mean", "", "", depths, DEPTHS, WIDTH};
    struct features_writer *w;
    struct err e = {0};
    if (features_writer_open(&w, scratch(name), &o, &e)) fail_msg("%s", e.msg);
    for (uint32_t i = 0; i < ROWS; i++) {
        float x[DEPTHS * WIDTH];
        rng_fill_normal(7, 2, (uint64_t)i * 64, x, DEPTHS * WIDTH);
        struct feature row = {.group = i,
                              .text = i,
                              .label = x[3] + x[2 * WIDTH + 5] > 0,
                              .prompt_tokens = 10,
                              .answer = -1,
                              .base_right = FEATURE_UNKNOWN,
                              .adapter_right = FEATURE_UNKNOWN};
        if (features_writer_add(w, &row, x, &e)) fail_msg("%s", e.msg);
    }
    if (features_writer_commit(w, &e)) fail_msg("%s", e.msg);
}

static void all_depths_together(void **state)
{
    (void)state;
    struct head_fit_config c = config();
    struct head_fit h;
    struct head *made;
    struct err e = {0};
    float *x = malloc(ROWS * WIDTH * sizeof *x), *all = malloc(ROWS * DEPTHS * WIDTH * sizeof *all);
    write_halves("halves");
    struct features *f = open_set("halves");
    c.together = true, c.recipe.hidden = 0, c.recipe.noise = 0;
    if (head_fit(&h, f, NULL, &c, NULL, NULL, NULL, &e) ||
        head_fit_head(&made, &h, features_origin(f), 0.5, &e))
        fail_msg("%s", e.msg);
    assert_true(h.n_tried == DEPTHS + 1 && h.best == DEPTHS && h.tried[DEPTHS].depth == HEAD_FIT_TOGETHER);
    if (!(h.auc.value > 0.95 && h.tried[0].auc < 0.9 && h.tried[1].auc < 0.65 && h.tried[2].auc < 0.9))
        fail_msg("%g of %g, %g, %g", h.auc.value, h.tried[0].auc, h.tried[1].auc, h.tried[2].auc);
    check_figures(&h, f);
    assert_int_equal(made->c.states.n, DEPTHS);
    assert_memory_equal(made->c.states.depth, depths, sizeof depths);
    for (uint32_t k = 0; k < DEPTHS; k++) {
        assert_int_equal(features_states(f, k, x, NULL), 0);
        for (uint32_t i = 0; i < ROWS; i++)
            memcpy(all + (i * DEPTHS + k) * WIDTH, x + i * WIDTH, WIDTH * sizeof *x);
    }
    for (uint32_t i = 0; i < ROWS; i++)
        assert_true(fabs(head_apply(made, all + i * DEPTHS * WIDTH) - (double)h.p[i]) < 1e-5);
    head_free(made);
    head_fit_free(&h);
    features_close(f);
    free(x), free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_depth), cmocka_unit_test(a_set_for_the_test),
        cmocka_unit_test(all_depths_together), cmocka_unit_test(shuffled), cmocka_unit_test(kept_apart)};
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
