/* Section AD of the hostile inputs: adapters that terse saved, read for another base, cut and changed; and
 * saves that must not happen. */
#include "checkpoints/file.h"
#include "checkpoints/peft.h"
#include "tests/support/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define P "base_model.model.model.layers."

static const char *const hex_a = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
static const char *const hex_b = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

static struct model_config small_model(void)
{
    struct model_config m;
    model_config_init(&m);
    m.layers = 2, m.width = 8, m.heads = 2, m.kv_heads = 1, m.head_dim = 4, m.ff = 6, m.vocab = 10,
    m.tied = true;
    return m;
}

static struct adapter *small_adapter(void)
{
    const struct model_config m = small_model();
    const struct adapter_config c = {
        .rank = 2, .alpha = 4, .targets = 1 << LORA_Q | 1 << LORA_V, .gate = GATE_RESPONSE};
    struct adapter *a;
    assert_int_equal(adapter_create(&a, &m, &c, NULL), 0);
    for (uint64_t i = 0; i < a->count; i++) a->weights[i] = 1 / (float)(i + 3);
    return a;
}

static const char *save_ours(void)
{
    struct adapter *a = small_adapter();
    struct adapter_info info = {.base_name = "base"};
    struct err e = {0};
    strcpy(info.base, hex_a);
    strcpy(info.tokenizer, hex_b);
    if (peft_save(scratch("ours"), a, &info, &(struct peft_save_options){DTYPE_F32, true}, &e))
        fail_msg("%s", e.msg);
    adapter_free(a);
    return scratch("ours");
}

/* `text` with the first `from` replaced by `to`, in a static buffer. */
static const char *edited(const char *text, const char *from, const char *to)
{
    static char out[8192];
    const char *at = strstr(text, from);
    assert_non_null(at);
    snprintf(out, sizeof out, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    return out;
}

static int load(const char *dir, const struct adapter_expect *x, struct err *e)
{
    const struct model_config m = small_model();
    struct adapter *a;
    struct adapter_info info;
    int r = peft_load(&a, &info, NULL, dir, &m, x, e);
    if (!a != !!r) fail_msg("result %s and pointer disagree", err_name(r));
    adapter_free(a);
    return r;
}

static void expect(const char *id, const char *dir, const struct adapter_expect *x, int code,
                   const char *says)
{
    struct err e = {0};
    int r = load(dir, x, &e);
    if (r != code || !strstr(e.msg, says))
        fail_msg("%s: %s \"%s\", expected %s with \"%s\"", id, err_name(r), e.msg, err_name(code), says);
}

static void another_base(void **state)
{
    (void)state;
    const char *dir = save_ours();
    expect("same", dir, &(struct adapter_expect){.base = hex_a, .tokenizer = hex_b}, 0, "");
    expect("unasked", dir, NULL, 0, "");
    expect("AD18", dir, &(struct adapter_expect){.base = hex_b}, ERR_BASE_HASH, "bbbb");
    expect("AD19", dir, &(struct adapter_expect){.tokenizer = hex_a}, ERR_TOK_HASH, "aaaa");
}

/* Another alpha in the config than the one the weights were saved with. */
static void config_of_another_adapter(void **state)
{
    (void)state;
    const char *dir = save_ours(), *path = scratch("ours/adapter_config.json");
    char *text;
    size_t n;
    assert_int_equal(file_load(path, 1 << 20, &text, &n, NULL), 0);
    const char *other = edited(text, "\"lora_alpha\": 4", "\"lora_alpha\": 8");
    assert_int_equal(file_save(path, other, strlen(other), NULL), 0);
    free(text);
    expect("AD42 config", dir, NULL, ERR_HASH, "adapter_config.json");
}

static void cut_anywhere(void **state)
{
    (void)state;
    char *data;
    size_t n;
    save_ours();
    assert_int_equal(file_load(scratch("ours/adapter_model.safetensors"), 1 << 20, &data, &n, NULL), 0);
    for (size_t i = 0; i < n; i++) {
        struct err e = {0};
        scratch_write("ours/adapter_model.safetensors", data, i);
        if (load(scratch("ours"), NULL, &e) == 0) fail_msg("AD43: cut at byte %zu was not noticed", i);
    }
    scratch_write("ours/adapter_model.safetensors", data, n);
    expect("AD43 put back", scratch("ours"), NULL, 0, "");
    free(data);
}

/* Every byte counts but those of "format":"pt", which only other programs read. */
static void flipped_anywhere(void **state)
{
    (void)state;
    static const unsigned char flips[] = {0x01, 0x04, 0x20, 0x80, 0xff};
    char *data;
    size_t n;
    save_ours();
    assert_int_equal(file_load(scratch("ours/adapter_model.safetensors"), 1 << 20, &data, &n, NULL), 0);
    const char *format = memmem(data, n, "\"format\":\"pt\"", 13);
    assert_non_null(format);
    for (size_t i = 0; i < n; i++)
        for (size_t f = 0; f < sizeof flips; f++) {
            struct err e = {0};
            if (data + i > format && data + i < format + 12) continue;
            data[i] = (char)(data[i] ^ flips[f]);
            scratch_write("ours/adapter_model.safetensors", data, n);
            if (load(scratch("ours"), NULL, &e) == 0)
                fail_msg("AD44: byte %zu xor %02x was not noticed", i, flips[f]);
            data[i] = (char)(data[i] ^ flips[f]);
        }
    scratch_write("ours/adapter_model.safetensors", data, n);
    expect("AD44 put back", scratch("ours"), NULL, 0, "");
    free(data);
}

/* ---- writing
 * ------------------------------------------------------------------------------------------------ */

static void not_finite_is_not_written(void **state)
{
    (void)state;
    const float bad[] = {NAN, INFINITY, 2e4f};
    const int code[] = {ERR_NONFINITE, ERR_NONFINITE, ERR_AD_NORM};
    for (int i = 0; i < 3; i++) {
        struct adapter *a = small_adapter();
        struct err e = {0};
        a->weights[adapter_offset_b(a, 1, LORA_V) + 3] = bad[i];
        int r = peft_save(scratch("bad"), a, &(struct adapter_info){0},
                          &(struct peft_save_options){DTYPE_BF16, true}, &e);
        if (r != code[i] || !strstr(e.msg, P "1.self_attn.v_proj.lora_B.weight") || !strstr(e.msg, "index 3"))
            fail_msg("AD54: %s \"%s\"", err_name(r), e.msg);
        assert_false(file_exists(scratch("bad")));
        assert_false(file_exists(scratch("bad.tmp")));
        adapter_free(a);
    }
}

static void nothing_is_replaced_unasked(void **state)
{
    (void)state;
    const struct peft_save_options polite = {DTYPE_F32, false};
    struct adapter *a = small_adapter();
    struct err e = {0};
    save_ours();
    int r = peft_save(scratch("ours"), a, &(struct adapter_info){0}, &polite, &e);
    if (r != ERR_EXISTS || !strstr(e.msg, "adapter_model.safetensors"))
        fail_msg("AD55: %s \"%s\"", err_name(r), e.msg);
    assert_int_equal(file_remove_tree(scratch("ours/adapter_model.safetensors"), NULL), 0);
    e = (struct err){0};
    r = peft_save(scratch("ours"), a, &(struct adapter_info){0}, &polite, &e);
    if (r != ERR_EXISTS || !strstr(e.msg, "adapter_config.json"))
        fail_msg("AD55: %s \"%s\"", err_name(r), e.msg);
    adapter_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_base),
        cmocka_unit_test(config_of_another_adapter),
        cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(flipped_anywhere),
        cmocka_unit_test(not_finite_is_not_written),
        cmocka_unit_test(nothing_is_replaced_unasked),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
