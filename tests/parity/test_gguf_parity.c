/* Files that llama.cpp's own Python package wrote (scripts/fixtures/gguf_fixtures.py): they load here, and
 * the quantiser gives its reference's bits. */
#include "checkpoints/quant.h"
#include "infer/gguf_adapter.h"
#include "infer/gguf_model.h"
#include "infer/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FIXTURES "tests/fixtures/gguf/"

static float value(uint64_t i, unsigned t)
{
    return (float)((int)((37 * i + 11 * t) % 101) - 50) / 256;
}

static struct gguf_model *opened(void)
{
    struct gguf_model *m;
    struct err e = {0};
    if (gguf_model_open(&m, FIXTURES "model.gguf", &e)) fail_msg("%s", e.msg);
    return m;
}

static void the_configuration(void **state)
{
    (void)state;
    struct gguf_model *m = opened();
    const struct model_config *c = &m->config;
    assert_int_equal(c->layers, 2);
    assert_int_equal(c->width, 64);
    assert_int_equal(c->heads, 2);
    assert_int_equal(c->kv_heads, 1);
    assert_int_equal(c->head_dim, 32);
    assert_int_equal(c->ff, 96);
    assert_int_equal(c->vocab, 288);
    assert_int_equal(c->max_positions, 256);
    assert_true(c->tied);
    assert_true(c->rope_theta == 10000);
    assert_true(c->rms_eps == 1e-6); /* stored as fp32, meant as a decimal number */
    assert_int_equal(c->n_eos, 2);
    assert_int_equal(c->eos[0], 267);
    assert_int_equal(c->eos[1], 265); /* bos and pad: the end of text */
    assert_int_equal(m->dtype, DTYPE_BF16);
    assert_string_equal(m->base, "");
    gguf_model_close(m);
}

/* Tensor number t of the script has this slot. */
static uint32_t slot_of(const struct model_config *c, unsigned t)
{
    static const enum param order[] = {P_NORM1, P_Q,  P_K,    P_V,  P_O,  P_NORM2,
                                       P_GATE,  P_UP, P_DOWN, P_QB, P_KB, P_VB};
    if (t < 2) return params_slot(c, t ? P_NORM : P_EMBED, 0);
    return params_slot(c, order[(t - 2) % 12], (t - 2) / 12);
}

static void every_type_of_tensor(void **state)
{
    (void)state;
    struct gguf_model *m = opened();
    int seen[DTYPE_END] = {0};
    for (unsigned t = 0; t < 26; t++) {
        uint32_t slot = slot_of(&m->config, t), layer;
        const struct tensor *got = m->bound[slot];
        uint64_t rows, cols;
        float before[96], row[96];
        char block[4 * 96];
        params_shape(&m->config, params_of_slot(&m->config, slot, &layer), &rows, &cols);
        const struct tensor want = {.dtype = got->dtype, .data = block};
        seen[got->dtype]++;
        for (uint64_t r = 0; r < rows; r++) {
            for (uint64_t k = 0; k < cols; k++) before[k] = value(r * cols + k, t) + (t == 1 ? 1 : 0);
            quant_row(got->dtype, QUANT_RTN, before, cols, block);
            tensor_row(&want, 0, cols, before);
            tensor_row(got, r, cols, row);
            if (memcmp(before, row, cols * sizeof *row)) fail_msg("%s, row %u", got->name, (unsigned)r);
        }
    }
    assert_true(seen[DTYPE_F32] && seen[DTYPE_F16] && seen[DTYPE_BF16] && seen[DTYPE_Q8_0] &&
                seen[DTYPE_Q4_0]);
    gguf_model_close(m);
}

static void the_model_is_made(void **state)
{
    (void)state;
    struct gguf_model *m = opened();
    struct pool *pool;
    struct model *model;
    struct err e = {0};
    assert_int_equal(pool_create(&pool, 1, &e), 0);
    if (model_create(&model, &m->config, WT_BF16, 0, m->bound, pool, cpu_detect(), &e)) fail_msg("%s", e.msg);
    assert_int_equal(model_mat(model, P_EMBED, 0)->type, WT_Q8_0);
    assert_int_equal(gguf_model_intact(m, &e), 0);
    model_free(model);
    pool_free(pool);
    gguf_model_close(m);
}

static void the_tokenizer(void **state)
{
    (void)state;
    static const int32_t want[] = {266, 259, 264, 0, 267};
    static const char text[] = "<|im_start|>hello world!<|im_end|>";
    struct gguf_model *m = opened();
    struct tokenizer *t;
    struct err e = {0};
    int32_t ids[64];
    size_t n;
    if (gguf_tokenizer(&t, m->file, &e)) fail_msg("%s", e.msg);
    assert_int_equal(tokenizer_vocab(t), 269); /* the rest is padding */
    assert_int_equal(tokenizer_kind(t, 265), TOKEN_CONTROL);
    assert_int_equal(tokenizer_kind(t, 268), TOKEN_USER);
    assert_true(tokenizer_nfc(t));
    assert_null(tokenizer_default_system(t));
    assert_true(tokenizer_is_eos(t, 267));
    assert_int_equal(tokenizer_encode(t, text, sizeof text - 1, 1, ids, 64, &n, &e), 0);
    assert_int_equal(n, 5);
    assert_memory_equal(ids, want, sizeof want);
    tokenizer_free(t);
    gguf_model_close(m);
}

static void an_adapter(void **state)
{
    (void)state;
    static const enum lora_target targets[] = {LORA_Q, LORA_V, LORA_DOWN};
    struct gguf_model *m = opened();
    struct adapter *a;
    struct adapter_info info;
    struct err e = {0};
    bool cold = true;
    unsigned t = 0;
    if (gguf_adapter_load(&a, &info, &cold, FIXTURES "adapter.gguf", &m->config, NULL, &e))
        fail_msg("%s", e.msg);
    assert_false(cold);
    assert_int_equal(a->cfg.rank, 4);
    assert_true(a->cfg.alpha == 8);
    assert_false(a->cfg.rslora);
    assert_int_equal(a->cfg.gate, GATE_ASSISTANT);
    assert_int_equal(a->cfg.targets, 1 << LORA_Q | 1 << LORA_V | 1 << LORA_DOWN);
    assert_int_equal(info.n_invocation, 3);
    assert_int_equal(info.invocation[0], 266);
    for (uint32_t layer = 0; layer < 2; layer++)
        for (int i = 0; i < 3; i++, t += 2) {
            uint64_t in, out, at = adapter_offset_a(a, layer, targets[i]),
                              bt = adapter_offset_b(a, layer, targets[i]);
            adapter_shape(&m->config, targets[i], &in, &out);
            for (uint64_t k = 0; k < 4 * in; k++) assert_true(a->weights[at + k] == value(k, t));
            for (uint64_t k = 0; k < 4 * out; k++) assert_true(a->weights[bt + k] == value(k, t + 1));
        }
    adapter_free(a);
    gguf_model_close(m);
}

/* Round to nearest to the bit, and back. */
static void the_reference_quantisers(void **state)
{
    (void)state;
    static const struct {
        const char *name, *back;
    } rows[] = {{"q8_0", "q8_0.back"}, {"q4_0", "q4_0.back"}, {"bf16", "bf16.back"}, {"f16", "f16.back"}};
    struct gguf *g;
    struct err e = {0};
    if (gguf_open(&g, FIXTURES "quant.gguf", &e)) fail_msg("%s", e.msg);
    const struct tensor *x = gguf_find(g, "x");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct tensor *q = gguf_find(g, rows[i].name), *back = gguf_find(g, rows[i].back);
        uint64_t size = q->bytes / q->shape[0];
        for (uint64_t r = 0; r < x->shape[0]; r++) {
            float before[64], after[64], wanted[64];
            char bytes[128];
            tensor_row(x, r, 64, before);
            quant_row(q->dtype, QUANT_RTN, before, 64, bytes);
            if (memcmp(bytes, (const char *)q->data + r * size, size))
                fail_msg("%s, row %u", q->name, (unsigned)r);
            tensor_row(q, r, 64, after);
            tensor_row(back, r, 64, wanted);
            for (int k = 0; k < 64; k++) assert_true(after[k] == wanted[k]); /* a zero's sign is free */
        }
    }
    gguf_close(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_configuration), cmocka_unit_test(every_type_of_tensor),
        cmocka_unit_test(the_model_is_made), cmocka_unit_test(the_tokenizer),
        cmocka_unit_test(an_adapter),        cmocka_unit_test(the_reference_quantisers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
