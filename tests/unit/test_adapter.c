/* infer/adapter.c: the flat buffer's layout, its limits, its first values. */
#include "infer/adapter.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct model_config small_model(void)
{
    struct model_config m;
    model_config_init(&m);
    m.layers = 3, m.width = 12, m.heads = 4, m.kv_heads = 2, m.head_dim = 4, m.ff = 20, m.vocab = 30;
    return m;
}

static const struct adapter_config sound = {.rank = 4, .alpha = 8, .targets = LORA_ALL, .gate = GATE_ALL};

static void scale_follows_the_rule(void **state)
{
    (void)state;
    struct adapter_config c = sound;
    assert_true(adapter_scale(&c) == 2.0);
    c.rslora = true;
    assert_true(adapter_scale(&c) == 4.0);
    c.rank = 8, c.alpha = 16;
    assert_true(adapter_scale(&c) == 16 / sqrt(8));
}

static void counts_match_the_published_sizes(void **state)
{
    (void)state;
    const struct {
        const char *name;
        uint64_t count;
    } rows[] = {{"qwen2.5-0.5b", 70385664}, {"qwen2.5-3b", 239468544}, {"qwen2.5-7b", 322961408}};
    struct adapter_config c = sound;
    c.rank = 128;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct model_config m;
        assert_int_equal(model_config_named(&m, rows[i].name, NULL), 0);
        assert_int_equal(adapter_count(&m, &c), rows[i].count);
    }
}

/* Layer by layer, target by target, A then B: no hole, no overlap, and the end is the count. */
static void offsets_tile_the_buffer(void **state)
{
    (void)state;
    const struct model_config m = small_model();
    for (uint32_t targets = 1; targets <= LORA_ALL; targets += 9) {
        struct adapter_config c = sound;
        struct adapter *a;
        uint64_t at = 0, in, out;
        c.targets = targets;
        assert_int_equal(adapter_create(&a, &m, &c, NULL), 0);
        for (uint32_t layer = 0; layer < m.layers; layer++)
            for (int t = 0; t < LORA_TARGETS; t++) {
                int on = targets >> t & 1;
                adapter_shape(&m, (enum lora_target)t, &in, &out);
                assert_true(adapter_offset_a(a, layer, (enum lora_target)t) == (on ? at : UINT64_MAX));
                if (on) at += in * c.rank;
                assert_true(adapter_offset_b(a, layer, (enum lora_target)t) == (on ? at : UINT64_MAX));
                if (on) at += out * c.rank;
            }
        assert_int_equal(at, a->count);
        adapter_free(a);
    }
}

static void shapes_are_those_of_the_weights(void **state)
{
    (void)state;
    const struct model_config m = small_model();
    const uint64_t in[] = {12, 12, 12, 16, 12, 12, 20}, out[] = {16, 8, 8, 12, 20, 20, 12};
    const char *name[] = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"};
    for (int t = 0; t < LORA_TARGETS; t++) {
        uint64_t i, o;
        adapter_shape(&m, (enum lora_target)t, &i, &o);
        assert_int_equal(i, in[t]);
        assert_int_equal(o, out[t]);
        assert_string_equal(params[lora_param[t]].target, name[t]);
    }
}

static void limits_are_named(void **state)
{
    (void)state;
    const struct model_config m = small_model();
    const struct {
        struct adapter_config c;
        int code;
        const char *says;
    } rows[] = {
        {{.rank = 0, .alpha = 8, .targets = LORA_ALL}, ERR_AD_RANK, "r is 0"},
        {{.rank = 1025, .alpha = 8, .targets = LORA_ALL}, ERR_AD_RANK, "r is 1025"},
        {{.rank = 9, .alpha = 8, .targets = LORA_ALL}, ERR_AD_RANK, "k_proj"},
        {{.rank = 8, .alpha = 8, .targets = LORA_ALL}, 0, ""},
        {{.rank = 12, .alpha = 8, .targets = 1 << LORA_DOWN}, 0, ""},
        {{.rank = 13, .alpha = 8, .targets = 1 << LORA_DOWN}, ERR_AD_RANK, "down_proj"},
        {{.rank = 4, .alpha = 0, .targets = LORA_ALL}, ERR_AD_ALPHA, "alpha is 0"},
        {{.rank = 4, .alpha = -1, .targets = LORA_ALL}, ERR_AD_ALPHA, "-1"},
        {{.rank = 4, .alpha = NAN, .targets = LORA_ALL}, ERR_AD_ALPHA, "nan"},
        {{.rank = 4, .alpha = INFINITY, .targets = LORA_ALL}, ERR_AD_ALPHA, "inf"},
        {{.rank = 4, .alpha = 8, .targets = 0}, ERR_AD_TARGET, "0x0"},
        {{.rank = 4, .alpha = 8, .targets = 0x80}, ERR_AD_TARGET, "0x80"},
        {{.rank = 4, .alpha = 8, .dropout = 1, .targets = LORA_ALL}, ERR_FIELD_RANGE, "dropout is 1"},
        {{.rank = 4, .alpha = 8, .dropout = -0.1, .targets = LORA_ALL}, ERR_FIELD_RANGE, "-0.1"},
        {{.rank = 4, .alpha = 8, .dropout = NAN, .targets = LORA_ALL}, ERR_FIELD_RANGE, "nan"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err e = {0};
        struct adapter *a;
        int r = adapter_create(&a, &m, &rows[i].c, &e);
        if (r != rows[i].code || !strstr(e.msg, rows[i].says) || !a != !!r)
            fail_msg("row %zu: %s \"%s\", expected %s", i, err_name(r), e.msg, err_name(rows[i].code));
        adapter_free(a);
    }
}

/* Mean and variance of n numbers drawn from +-bound, within five standard errors. */
static void assert_uniform(const float *w, uint64_t n, double bound)
{
    double sum = 0, square = 0;
    for (uint64_t i = 0; i < n; i++) {
        assert_true(fabs(w[i]) <= bound);
        sum += w[i], square += (double)w[i] * w[i];
    }
    double third = bound * bound / 3;
    assert_true(fabs(sum / (double)n) < 5 * sqrt(third / (double)n));
    assert_true(fabs(square / (double)n / third - 1) < 5 * sqrt(0.8 / (double)n));
}

static void random_start_is_pefts(void **state)
{
    (void)state;
    struct model_config m;
    struct adapter_config c = sound;
    struct adapter *a, *b;
    assert_int_equal(model_config_named(&m, "qwen2.5-0.5b", NULL), 0);
    m.layers = 1, c.rank = 16;
    assert_int_equal(adapter_create(&a, &m, &c, NULL), 0);
    assert_int_equal(adapter_create(&b, &m, &c, NULL), 0);
    for (uint64_t i = 0; i < a->count; i++) a->weights[i] = 7; /* all of it must be set */
    adapter_init_random(a, 42);
    adapter_init_random(b, 42);
    assert_memory_equal(a->weights, b->weights, a->count * sizeof *a->weights);
    for (int t = 0; t < LORA_TARGETS; t++) {
        uint64_t in, out;
        adapter_shape(&m, (enum lora_target)t, &in, &out);
        assert_uniform(a->weights + adapter_offset_a(a, 0, (enum lora_target)t), in * c.rank,
                       1 / sqrt((double)in));
        const float *w = a->weights + adapter_offset_b(a, 0, (enum lora_target)t);
        for (uint64_t i = 0; i < out * c.rank; i++) assert_true(w[i] == 0);
    }
    adapter_init_random(b, 43);
    assert_true(memcmp(a->weights, b->weights, a->count * sizeof *a->weights) != 0);
    /* q and k have the same A shape: they must not have the same numbers */
    assert_true(memcmp(a->weights + adapter_offset_a(a, 0, LORA_Q),
                       a->weights + adapter_offset_a(a, 0, LORA_K), 896 * sizeof *a->weights) != 0);
    adapter_free(a);
    adapter_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scale_follows_the_rule),  cmocka_unit_test(counts_match_the_published_sizes),
        cmocka_unit_test(offsets_tile_the_buffer), cmocka_unit_test(shapes_are_those_of_the_weights),
        cmocka_unit_test(limits_are_named),        cmocka_unit_test(random_start_is_pefts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
