/* checkpoints/peft.c with sound adapters: those PEFT wrote (tests/fixtures/model) and our own, there and
 * back. */
#include "checkpoints/file.h"
#include "checkpoints/json.h"
#include "checkpoints/peft.h"
#include "checkpoints/safetensors.h"
#include "kernels/math.h"
#include "tests/support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FIXTURES "tests/fixtures/model/"

static const struct shape {
    const char *name;
    uint32_t layers, width, heads, kv_heads, head_dim, ff, vocab;
} shapes[] = {
    {"tied-k64-gqa7", 2, 32, 7, 1, 64, 64, 160},
    {"untied-k128", 1, 32, 2, 2, 128, 64, 96},
    {"odd-k64-gqa2", 1, 128, 2, 1, 64, 50, 101},
};
enum { SHAPES = sizeof shapes / sizeof *shapes, ODD = 2 };

static struct model_config model_of(int i)
{
    const struct shape *s = &shapes[i];
    struct model_config m;
    model_config_init(&m);
    m.layers = s->layers, m.width = s->width, m.heads = s->heads, m.kv_heads = s->kv_heads;
    m.head_dim = s->head_dim, m.ff = s->ff, m.vocab = s->vocab;
    return m;
}

static struct adapter *load(const char *dir, int model, struct adapter_info *info)
{
    const struct model_config m = model_of(model);
    struct adapter *a;
    struct err e = {0};
    bool cold = true;
    if (peft_load(&a, info, &cold, dir, &m, NULL, &e)) fail_msg("%s: %s", dir, e.msg);
    assert_false(cold);
    return a;
}

static struct adapter *load_fixture(int model, const char *sub, struct adapter_info *info)
{
    char dir[256];
    snprintf(dir, sizeof dir, FIXTURES "%s/%s", shapes[model].name, sub);
    return load(dir, model, info);
}

static void save(const char *dir, const struct adapter *a, const struct adapter_info *info, enum dtype dtype)
{
    struct err e = {0};
    if (peft_save(dir, a, info, &(struct peft_save_options){dtype, true}, &e)) fail_msg("%s", e.msg);
}

static void reads_what_peft_wrote(void **state)
{
    (void)state;
    for (int i = 0; i < SHAPES; i++) {
        struct adapter_info info;
        char base[256];
        struct adapter *a = load_fixture(i, "adapter", &info);
        snprintf(base, sizeof base, FIXTURES "%s", shapes[i].name);
        assert_string_equal(info.base_name, base);
        assert_int_equal(a->cfg.rank, 8);
        assert_int_equal(a->cfg.targets, LORA_ALL);
        assert_int_equal(a->cfg.gate, GATE_ALL);
        assert_int_equal(info.n_invocation, 0);
        assert_true(adapter_scale(&a->cfg) == 2);
        adapter_free(a);
    }
}

static void reads_rslora_and_alora(void **state)
{
    (void)state;
    struct adapter_info info;
    struct adapter *a = load_fixture(ODD, "adapter-rslora", &info);
    assert_true(a->cfg.rslora);
    assert_true(adapter_scale(&a->cfg) == 16 / sqrt(8));
    adapter_free(a);
    a = load_fixture(ODD, "adapter-assistant", &info);
    assert_int_equal(a->cfg.gate, GATE_ASSISTANT);
    assert_int_equal(info.n_invocation, 3);
    assert_int_equal(info.invocation[0], 90);
    assert_int_equal(info.invocation[2], 9);
    adapter_free(a);
}

/* Names, shapes and bytes of our file are those of PEFT's. */
static void writes_the_tensors_peft_writes(void **state)
{
    (void)state;
    for (int i = 0; i < SHAPES; i++) {
        struct adapter_info info;
        struct safetensors *ours, *theirs;
        char path[256];
        struct adapter *a = load_fixture(i, "adapter", &info);
        save(scratch("peft"), a, &info, DTYPE_F32);
        snprintf(path, sizeof path, FIXTURES "%s/adapter/adapter_model.safetensors", shapes[i].name);
        assert_int_equal(safetensors_open(&theirs, path, NULL), 0);
        assert_int_equal(safetensors_open(&ours, scratch("peft/adapter_model.safetensors"), NULL), 0);
        assert_string_equal(safetensors_meta(ours, "format"), "pt");
        assert_int_equal(safetensors_count(ours), safetensors_count(theirs));
        for (size_t k = 0; k < safetensors_count(theirs); k++) {
            const struct tensor *t = safetensors_at(theirs, k), *o = safetensors_at(ours, k);
            assert_string_equal(o->name, t->name);
            assert_int_equal(o->dtype, t->dtype);
            assert_int_equal(o->rank, t->rank);
            assert_memory_equal(o->shape, t->shape, sizeof *t->shape * (size_t)t->rank);
            assert_memory_equal(o->data, t->data, t->bytes);
        }
        safetensors_close(ours);
        safetensors_close(theirs);
        adapter_free(a);
    }
}

/* The recommended keys and no others: old PEFT releases refuse what they do not know. */
static void writes_the_config_adapter_expects(void **state)
{
    (void)state;
    static const char *const text[] = {
        "alora_invocation_tokens",
        "[90,77,9]",
        "alpha_pattern",
        "{}",
        "base_model_name_or_path",
        "\"some/base\"",
        "bias",
        "\"none\"",
        "fan_in_fan_out",
        "false",
        "inference_mode",
        "true",
        "init_lora_weights",
        "true",
        "lora_alpha",
        "16",
        "lora_dropout",
        "0.1",
        "modules_to_save",
        "null",
        "peft_type",
        "\"LORA\"",
        "r",
        "8",
        "rank_pattern",
        "{}",
        "revision",
        "null",
        "target_modules",
        "[\"q_proj\",\"k_proj\",\"v_proj\",\"o_proj\",\"gate_proj\",\"up_proj\",\"down_proj\"]",
        "task_type",
        "\"CAUSAL_LM\"",
        "use_dora",
        "false",
        "use_rslora",
        "false",
    };
    struct adapter_info info;
    struct js *root;
    size_t n = 0;
    struct adapter *a = load_fixture(ODD, "adapter-assistant", &info);
    a->cfg.dropout = 0.1;
    strcpy(info.base_name, "some/base");
    save(scratch("config"), a, &info, DTYPE_F32);
    assert_int_equal(js_load(&root, scratch("config/adapter_config.json"), NULL, NULL), 0);
    for (struct js_iter it = {0}; js_next(root, &it); n++) {
        struct js_out w;
        js_out_init(&w, 0);
        js_put(&w, NULL, it.value);
        assert_int_equal(js_out_end(&w, NULL), 0);
        assert_true(2 * n + 1 < sizeof text / sizeof *text);
        assert_string_equal(it.key, text[2 * n]);
        assert_string_equal(w.text, text[2 * n + 1]);
        js_out_free(&w);
    }
    assert_int_equal(2 * n, sizeof text / sizeof *text);
    js_free(root);
    adapter_free(a);
}

static void assert_there_and_back(const struct adapter *a, const struct adapter_info *info, enum dtype dtype)
{
    struct adapter_info again;
    save(scratch("round"), a, info, dtype);
    struct adapter *b = load(scratch("round"), 0, &again);
    assert_int_equal(b->count, a->count);
    for (uint64_t i = 0; i < a->count; i++) {
        float w = dtype == DTYPE_F32 ? a->weights[i] : bf16_to_f32(f32_to_bf16(a->weights[i]));
        assert_true(b->weights[i] == w);
    }
    assert_int_equal(b->cfg.rank, a->cfg.rank);
    assert_true(b->cfg.alpha == a->cfg.alpha && b->cfg.dropout == a->cfg.dropout);
    assert_int_equal(b->cfg.rslora, a->cfg.rslora);
    assert_int_equal(b->cfg.targets, a->cfg.targets);
    assert_int_equal(b->cfg.gate, a->cfg.gate);
    assert_string_equal(again.base, info->base);
    assert_string_equal(again.base_name, info->base_name);
    assert_int_equal(again.n_invocation, info->n_invocation);
    adapter_free(b);
}

static void there_and_back(void **state)
{
    (void)state;
    const struct model_config m = model_of(0);
    for (uint32_t targets = 1; targets <= LORA_ALL; targets += 42)
        for (int k = 0; k < 6; k++) {
            struct adapter_config c = {.rank = 3 + (uint32_t)k,
                                       .alpha = 7.25 * (k + 1),
                                       .dropout = 0.05,
                                       .rslora = k % 2,
                                       .targets = targets,
                                       .gate = (enum lora_gate)(k % 3)};
            struct adapter_info info = {.base_name = "Qwen/\"quoted\" \xc3\xa4", .invocation = {5, 6}};
            struct adapter *a;
            assert_int_equal(adapter_create(&a, &m, &c, NULL), 0);
            adapter_init_random(a, targets);
            for (uint64_t i = 0; i < a->count; i++) a->weights[i] += 0.01f;
            info.n_invocation = c.gate == GATE_ALL ? 0 : (uint32_t)(k % 2) * 2;
            memset(info.base, k % 2 ? 'c' : 0, 64);
            assert_there_and_back(a, &info, k < 3 ? DTYPE_F32 : DTYPE_BF16);
            adapter_free(a);
        }
}

static void reads_half_precision(void **state)
{
    (void)state;
    static const struct {
        uint16_t bits;
        float value;
    } rows[] = {{0x3c00, 1},           {0xc000, -2},       {0x3555, 0x1.554p-2f}, {0x0001, 0x1p-24f},
                {0x83ff, -0x3ffp-24f}, {0x0400, 0x1p-14f}, {0x70e2, 10000},       {0x0000, 0}};
    const struct model_config m = model_of(0);
    const char *config = "{\"peft_type\":\"LORA\",\"r\":1,\"lora_alpha\":1,\"target_modules\":[\"v_proj\"]}";
    uint16_t data[64];
    for (int i = 0; i < 64; i++) data[i] = rows[i % 8].bits;
    struct tensor t[4];
    char name[4][128];
    for (int i = 0; i < 4; i++) {
        snprintf(name[i], sizeof name[i], "base_model.model.model.layers.%d.self_attn.v_proj.lora_%c.weight",
                 i / 2, i % 2 ? 'B' : 'A');
        t[i] = (struct tensor){.name = name[i],
                               .dtype = DTYPE_F16,
                               .rank = 2,
                               .shape = {i % 2 ? 64 : 1, i % 2 ? 1 : 32},
                               .data = data,
                               .bytes = i % 2 ? 128 : 64};
    }
    struct adapter *a;
    struct adapter_info info;
    struct err e = {0};
    assert_int_equal(file_make_dirs(scratch("half"), NULL), 0);
    scratch_write("half/adapter_config.json", config, strlen(config));
    assert_int_equal(safetensors_save(scratch("half/adapter_model.safetensors"), t, 4, NULL, NULL), 0);
    if (peft_load(&a, &info, NULL, scratch("half"), &m, NULL, &e)) fail_msg("%s", e.msg);
    for (int i = 0; i < 32 + 64; i++) assert_true(a->weights[i] == rows[i % 8].value);
    adapter_free(a);
}

/* A forced save touches its two files and nothing else in the folder. */
static void leaves_other_files_alone(void **state)
{
    (void)state;
    struct adapter_info info;
    struct adapter *a = load_fixture(0, "adapter", &info);
    save(scratch("full/adapter/"), a, &info, DTYPE_F32);
    scratch_write("full/adapter/README.md", "mine", 4);
    a->weights[0] = 0.5f;
    save(scratch("full/adapter/"), a, &info, DTYPE_F32);
    assert_true(file_exists(scratch("full/adapter/README.md")));
    assert_false(file_exists(scratch("full/adapter.tmp")));
    struct adapter *b = load(scratch("full/adapter"), 0, &info);
    assert_true(b->weights[0] == 0.5f);
    adapter_free(b);
    adapter_free(a);
}

static void refuses_what_it_cannot_say(void **state)
{
    (void)state;
    struct adapter_info info;
    struct err e = {0};
    struct adapter *a = load_fixture(0, "adapter", &info);
    int r = peft_save(scratch("no"), a, &info, &(struct peft_save_options){DTYPE_F16, false}, &e);
    assert_int_equal(r, ERR_DTYPE);
    e = (struct err){0};
    info.n_invocation = 1;
    r = peft_save(scratch("no"), a, &info, &(struct peft_save_options){DTYPE_F32, false}, &e);
    assert_int_equal(r, ERR_CFG_CONFLICT);
    assert_false(file_exists(scratch("no")));
    adapter_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_peft_wrote),
        cmocka_unit_test(reads_rslora_and_alora),
        cmocka_unit_test(writes_the_tensors_peft_writes),
        cmocka_unit_test(writes_the_config_adapter_expects),
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(reads_half_precision),
        cmocka_unit_test(leaves_other_files_alone),
        cmocka_unit_test(refuses_what_it_cannot_say),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
