/* Section AD of the hostile inputs: adapter folders of others (ours: test_hostile_ad_own.c). Every row starts
 * from one sound adapter (two layers, q_proj and v_proj, rank 2) and spoils one thing. */
#include "checkpoints/file.h"
#include "checkpoints/peft.h"
#include "checkpoints/safetensors.h"
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

enum { TENSORS = 8, EXTRA = 2 };
#define P "base_model.model.model.layers."

static const char *const sound_config =
    "{\"peft_type\":\"LORA\",\"r\":2,\"lora_alpha\":4,\"lora_dropout\":0.1,\"use_rslora\":false,\"use_dora\":"
    "false,"
    "\"bias\":\"none\",\"fan_in_fan_out\":false,\"target_modules\":[\"q_proj\",\"v_proj\"],\"modules_to_"
    "save\":null,"
    "\"rank_pattern\":{},\"alpha_pattern\":{},\"task_type\":\"CAUSAL_LM\"}";

/* A: [2][8]; B of q: [8][2], of v: [4][2] */
static const char *const sound_names[TENSORS] = {
    P "0.self_attn.q_proj.lora_A.weight", P "0.self_attn.q_proj.lora_B.weight",
    P "0.self_attn.v_proj.lora_A.weight", P "0.self_attn.v_proj.lora_B.weight",
    P "1.self_attn.q_proj.lora_A.weight", P "1.self_attn.q_proj.lora_B.weight",
    P "1.self_attn.v_proj.lora_A.weight", P "1.self_attn.v_proj.lora_B.weight",
};

static struct model_config small_model(void)
{
    struct model_config m;
    model_config_init(&m);
    m.layers = 2, m.width = 8, m.heads = 2, m.kv_heads = 1, m.head_dim = 4, m.ff = 6, m.vocab = 10,
    m.tied = true;
    return m;
}

struct parts {
    struct tensor t[TENSORS + EXTRA];
    size_t n;
    float data[TENSORS + EXTRA][256];
};

static void sound_parts(struct parts *p)
{
    memset(p, 0, sizeof *p);
    p->n = TENSORS;
    for (size_t i = 0; i < TENSORS + EXTRA; i++) {
        int is_b = i % 2 == 1, is_v = i / 2 % 2 == 1;
        p->t[i] = (struct tensor){.name = i < TENSORS ? sound_names[i] : "", .dtype = DTYPE_F32, .rank = 2};
        p->t[i].shape[0] = is_b ? (is_v ? 4 : 8) : 2, p->t[i].shape[1] = is_b ? 2 : 8;
        for (size_t k = 0; k < 256; k++) p->data[i][k] = (float)(i + 1) / (float)(k + 3);
        p->t[i].data = p->data[i];
    }
}

static void set_bytes(struct parts *p)
{
    for (size_t i = 0; i < p->n; i++) {
        p->t[i].bytes = dtype_bits(p->t[i].dtype) / 8;
        for (int d = 0; d < p->t[i].rank; d++) p->t[i].bytes *= p->t[i].shape[d];
    }
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

static const char *write_folder(const char *config, struct parts *p, const char *const *meta)
{
    struct err e = {0};
    const char *path = scratch("ad/adapter_model.safetensors");
    if (file_remove_tree(scratch("ad"), &e) || file_make_dirs(scratch("ad"), &e)) fail_msg("%s", e.msg);
    if (config) scratch_write("ad/adapter_config.json", config, strlen(config));
    if (p) set_bytes(p);
    if (p && safetensors_save(path, p->t, p->n, meta, &e)) fail_msg("%s", e.msg);
    return scratch("ad");
}

static int load(const char *dir, const struct adapter_expect *x, bool *cold, struct err *e)
{
    const struct model_config m = small_model();
    struct adapter *a;
    struct adapter_info info;
    int r = peft_load(&a, &info, cold, dir, &m, x, e);
    if (!a != !!r) fail_msg("result %s and pointer disagree", err_name(r));
    adapter_free(a);
    return r;
}

static void expect(const char *id, const char *dir, const struct adapter_expect *x, int code,
                   const char *says)
{
    struct err e = {0};
    int r = load(dir, x, NULL, &e);
    if (r != code || !strstr(e.msg, says))
        fail_msg("%s: %s \"%s\", expected %s with \"%s\"", id, err_name(r), e.msg, err_name(code), says);
}

/* ---- adapter_config.json
 * ------------------------------------------------------------------------------------ */

/* NaN, Infinity and 1e999 are no JSON: the reader names the offset before any key is looked at. */
static const struct {
    const char *id, *from, *to;
    int code;
    const char *says;
} configs[] = {
    {"sound", "{", "{", 0, ""},
    {"AD03", "\"LORA\"", "\"IA3\"", ERR_AD_TYPE, "peft_type"},
    {"AD03 absent", "\"peft_type\":\"LORA\",", "", ERR_AD_TYPE, "peft_type"},
    {"AD03 number", "\"LORA\"", "1", ERR_AD_TYPE, "peft_type"},
    {"AD04", "\"r\":2", "\"r\":0", ERR_AD_RANK, "r is"},
    {"AD05", "\"r\":2", "\"r\":-2", ERR_AD_RANK, "r is"},
    {"AD06 real", "\"r\":2", "\"r\":1.5", ERR_AD_RANK, "r is"},
    {"AD06 2.0", "\"r\":2", "\"r\":2.0", ERR_AD_RANK, "r is"},
    {"AD06 text", "\"r\":2", "\"r\":\"8\"", ERR_AD_RANK, "r is"},
    {"AD07 shape", "\"r\":2", "\"r\":5", ERR_AD_RANK, "v_proj"},
    {"AD07 limit", "\"r\":2", "\"r\":1025", ERR_AD_RANK, "1024"},
    {"AD07 2^64", "\"r\":2", "\"r\":18446744073709551618", ERR_AD_RANK, "1024"},
    {"AD08 NaN", "_alpha\":4", "_alpha\":NaN", ERR_JSON_NUMBER, ""},
    {"AD08 Inf", "_alpha\":4", "_alpha\":1e999", ERR_JSON_NUMBER, ""},
    {"AD08 negative", "_alpha\":4", "_alpha\":-4", ERR_AD_ALPHA, "lora_alpha"},
    {"AD08 zero", "_alpha\":4", "_alpha\":0", ERR_AD_ALPHA, "lora_alpha"},
    {"AD08 text", "_alpha\":4", "_alpha\":\"4\"", ERR_AD_ALPHA, "lora_alpha"},
    {"AD09", "rslora\":false", "rslora\":\"false\"", ERR_FIELD_TYPE, "use_rslora"},
    {"AD09 1", "rslora\":false", "rslora\":1", ERR_FIELD_TYPE, "use_rslora"},
    {"AD10", "dora\":false", "dora\":true", ERR_AD_UNSUPPORTED, "use_dora"},
    {"AD11 one", "dropout\":0.1", "dropout\":1", ERR_FIELD_RANGE, "lora_dropout"},
    {"AD11 negative", "dropout\":0.1", "dropout\":-0.1", ERR_FIELD_RANGE, "lora_dropout"},
    {"AD11 NaN", "dropout\":0.1", "dropout\":NaN", ERR_JSON_NUMBER, ""},
    {"AD11 text", "dropout\":0.1", "dropout\":\"0\"", ERR_FIELD_TYPE, "lora_dropout"},
    {"AD12", "\"none\"", "\"all\"", ERR_AD_UNSUPPORTED, "bias"},
    {"AD12 lora_only", "\"none\"", "\"lora_only\"", ERR_AD_UNSUPPORTED, "bias"},
    {"AD13", "[\"q_proj\",\"v_proj\"]", "[]", ERR_AD_TARGET, "target_modules"},
    {"AD13 absent", "\"target_modules\":[\"q_proj\",\"v_proj\"],", "", ERR_AD_TARGET, "target_modules"},
    {"AD14", "\"v_proj\"", "\"w_proj\"", ERR_AD_TARGET, "w_proj"},
    {"AD14 head", "\"v_proj\"", "\"lm_head\"", ERR_AD_TARGET, "lm_head"},
    {"AD14 number", "\"v_proj\"", "7", ERR_AD_TARGET, "integer"},
    {"AD14 twice", "\"v_proj\"", "\"q_proj\"", ERR_AD_TARGET, "twice"},
    {"AD15", "[\"q_proj\",\"v_proj\"]", "\"(q|k)+$\"", ERR_AD_TARGET, "target_modules"},
    {"AD16 array", "rank_pattern\":{}", "rank_pattern\":[2]", ERR_AD_RANK, "rank_pattern"},
    {"AD16 text", "rank_pattern\":{}", "rank_pattern\":{\"q_proj\":\"2\"}", ERR_AD_RANK, "q_proj"},
    {"AD16 negative", "alpha_pattern\":{}", "alpha_pattern\":{\"q_proj\":-1}", ERR_AD_RANK, "q_proj"},
    {"AD16 sound", "rank_pattern\":{}", "rank_pattern\":{\"q_proj\":4}", ERR_AD_UNSUPPORTED, "rank_pattern"},
    {"AD17", "to_save\":null", "to_save\":[\"v_head\"]", ERR_AD_UNSUPPORTED, "modules_to_save"},
    {"AD38", "fan_out\":false", "fan_out\":true", ERR_AD_UNSUPPORTED, "fan_in_fan_out"},
    {"AD50", "\"r\":2", "\"r\":2,\"r\":3", ERR_DUP_KEY, "r"},
    {"base-changing start", "\"r\":2", "\"r\":2,\"init_lora_weights\":\"pissa\"", ERR_AD_UNSUPPORTED,
     "pissa"},
    {"later PEFT, in use", "\"r\":2", "\"r\":2,\"use_next_thing\":true", ERR_AD_UNSUPPORTED,
     "use_next_thing"},
    {"later PEFT, off", "\"r\":2", "\"r\":2,\"use_next_thing\":false,\"next_config\":null", 0, ""},
    {"aLoRA, none", "\"r\":2", "\"r\":2,\"alora_invocation_tokens\":[]", ERR_FIELD_RANGE, "alora"},
    {"aLoRA, text", "\"r\":2", "\"r\":2,\"alora_invocation_tokens\":[\"1\"]", ERR_FIELD_TYPE, "alora"},
    {"aLoRA, id too high", "\"r\":2", "\"r\":2,\"alora_invocation_tokens\":[3,10]", ERR_TOKEN_RANGE, "10"},
    {"defaults", ",\"rank_pattern\":{},\"alpha_pattern\":{},\"task_type\":\"CAUSAL_LM\"", "", 0, ""},
};

static void config_rows(void **state)
{
    (void)state;
    struct parts p;
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        sound_parts(&p);
        expect(configs[i].id, write_folder(edited(sound_config, configs[i].from, configs[i].to), &p, NULL),
               NULL, configs[i].code, configs[i].says);
    }
}

static void missing_files(void **state)
{
    (void)state;
    struct parts p;
    sound_parts(&p);
    expect("AD01", write_folder(NULL, &p, NULL), NULL, ERR_FILE_MISSING, "adapter_config.json");
    expect("AD02", write_folder(sound_config, NULL, NULL), NULL, ERR_FILE_MISSING,
           "adapter_model.safetensors");
    expect("config is a list", write_folder("[]", &p, NULL), NULL, ERR_AD_TYPE, "peft_type");
    expect("config is empty", write_folder("", &p, NULL), NULL, ERR_JSON_TRUNC, "adapter_config.json");
}

/* ---- adapter_model.safetensors
 * ------------------------------------------------------------------------------ */

enum op { NAME, DROP, ROWS, COLS, TYPE, ALL_TYPE, VALUE, ADD, ONLY, RANK3 };

/* NAME and ADD use `name`; ROWS, COLS, TYPE, VALUE set `value` on tensor `i`. ADD appends a copy of tensor i.
 * ONLY leaves tensor i alone, under that name. */
static const struct tensor_row {
    const char *id;
    enum op op;
    int i;
    const char *name;
    double value;
    int code;
    const char *says;
} tensor_rows[] = {
    {"sound", VALUE, 0, NULL, 1, 0, ""},
    {"sound, no prefix", NAME, 0, "model.layers.0.self_attn.q_proj.lora_A.weight", 0, 0, ""},
    {"sound, .default", NAME, 0, P "0.self_attn.q_proj.lora_A.default.weight", 0, 0, ""},
    {"sound, BF16", ALL_TYPE, 0, NULL, DTYPE_BF16, 0, ""},
    {"AD20", COLS, 2, NULL, 9, ERR_AD_SHAPE, "0.self_attn.v_proj.lora_A"},
    {"AD21", ROWS, 3, NULL, 5, ERR_AD_SHAPE, "0.self_attn.v_proj.lora_B"},
    {"AD20 three dimensions", RANK3, 2, NULL, 1, ERR_AD_SHAPE, "0.self_attn.v_proj.lora_A"},
    {"AD22 A", ROWS, 4, NULL, 3, ERR_AD_RANK, "1.self_attn.q_proj.lora_A"},
    {"AD22 B", COLS, 5, NULL, 3, ERR_AD_RANK, "1.self_attn.q_proj.lora_B"},
    {"AD23", DROP, 5, NULL, 0, ERR_AD_PAIR, "1.self_attn.q_proj.lora_B.weight is missing"},
    {"AD24", DROP, 4, NULL, 0, ERR_AD_PAIR, "1.self_attn.q_proj.lora_A.weight is missing"},
    {"AD25", ADD, 0, "base_model.model.surprise", 0, ERR_AD_KEY, "surprise"},
    {"AD25 magnitude", ADD, 0, P "0.self_attn.q_proj.lora_magnitude_vector", 0, ERR_AD_KEY, "magnitude"},
    {"AD25 not a target", ADD, 0, P "0.self_attn.k_proj.lora_A.weight", 0, ERR_AD_KEY, "k_proj"},
    {"AD25 longer", ADD, 0, P "0.self_attn.q_proj.lora_A.weight.old", 0, ERR_AD_KEY, "old"},
    {"AD26", ONLY, 0, "base_model.model.transformer.h.0.attn.c_attn.lora_A.weight", 0, ERR_AD_NOMATCH,
     "c_attn"},
    {"AD27", NAME, 6, P "99.self_attn.v_proj.lora_A.weight", 0, ERR_AD_KEY, "99"},
    {"AD27 next", NAME, 6, P "2.self_attn.v_proj.lora_A.weight", 0, ERR_AD_KEY, "layers.2"},
    {"AD27 2^32", NAME, 6, P "4294967296.self_attn.v_proj.lora_A.weight", 0, ERR_AD_KEY, "4294967296"},
    {"AD28 -1", NAME, 6, P "-1.self_attn.v_proj.lora_A.weight", 0, ERR_AD_KEY, "-1"},
    {"AD28 007", NAME, 6, P "001.self_attn.v_proj.lora_A.weight", 0, ERR_AD_KEY, "001"},
    {"AD28 1e1", NAME, 6, P "1e0.self_attn.v_proj.lora_A.weight", 0, ERR_AD_KEY, "1e0"},
    {"AD28 empty", NAME, 6, P ".self_attn.v_proj.lora_A.weight", 0, ERR_AD_KEY, "layers..self"},
    {"AD30", ADD, 0, "model.layers.0.self_attn.q_proj.lora_A.weight", 0, ERR_DUP_TENSOR, "model.layers.0"},
    {"AD31", ADD, 0, P "0.self_attn.q_proj.lora_A.default.weight", 0, ERR_DUP_TENSOR, "default"},
    {"AD32", ALL_TYPE, 0, NULL, DTYPE_I8, ERR_DTYPE, "I8"},
    {"AD33", TYPE, 7, NULL, DTYPE_BF16, ERR_DTYPE, "BF16"},
    {"AD34", VALUE, 3, NULL, NAN, ERR_NONFINITE, "0.self_attn.v_proj.lora_B"},
    {"AD35", VALUE, 3, NULL, -INFINITY, ERR_NONFINITE, "index 5"},
    {"AD36", VALUE, 6, NULL, -10001, ERR_AD_NORM, "1.self_attn.v_proj.lora_A"},
    {"AD36 limit", VALUE, 6, NULL, 10000, 0, ""},
    {"AD39", ONLY, 0, "model.layers.0.self_attn.q_proj.weight", 0, ERR_AD_NOMATCH, "q_proj.weight"},
    {"AD46", ADD, 0, "../../etc/lora_A.weight", 0, ERR_PATH, "../"},
    {"AD46 inside", ADD, 0, P "0/../x", 0, ERR_PATH, "../"},
    {"AD46 absolute", ADD, 0, "/etc/x", 0, ERR_PATH, "/etc"},
    {"AD49", ADD, 1, "base_model.model.lm_head.lora_B.weight", 11, ERR_AD_SHAPE, "lm_head"},
    {"AD49 embedding", ADD, 1, "base_model.model.model.embed_tokens.weight", 11, ERR_AD_SHAPE,
     "embed_tokens"},
    {"AD49 same vocabulary", ADD, 1, "base_model.model.lm_head.lora_B.weight", 10, ERR_AD_UNSUPPORTED,
     "lm_head"},
};

static void spoil(struct parts *p, const struct tensor_row *row)
{
    struct tensor *t = &p->t[row->i];
    switch (row->op) {
    case NAME:
        t->name = row->name;
        break;
    case DROP:
        memmove(t, t + 1, (--p->n - (size_t)row->i) * sizeof *t);
        break;
    case ROWS:
        t->shape[0] = (uint64_t)row->value;
        break;
    case COLS:
        t->shape[1] = (uint64_t)row->value;
        break;
    case RANK3:
        t->rank = 3, t->shape[2] = 1;
        break;
    case TYPE:
        t->dtype = (enum dtype)row->value;
        break;
    case ALL_TYPE:
        for (size_t i = 0; i < p->n; i++)
            p->t[i].dtype = (enum dtype)row->value, memset(p->data[i], 1, sizeof p->data[i]);
        break;
    case VALUE:
        p->data[row->i][5] = (float)row->value;
        break;
    case ADD:
        p->t[p->n] = *t, p->t[p->n].name = row->name;
        if (row->value > 0) p->t[p->n].shape[0] = (uint64_t)row->value;
        p->n++;
        break;
    case ONLY:
        p->n = 1, t->name = row->name;
        break;
    }
}

static void tensor_table(void **state)
{
    (void)state;
    struct parts p;
    for (size_t i = 0; i < sizeof tensor_rows / sizeof *tensor_rows; i++) {
        const struct tensor_row *row = &tensor_rows[i];
        sound_parts(&p);
        spoil(&p, row);
        expect(row->id, write_folder(sound_config, &p, NULL), NULL, row->code, row->says);
    }
}

/* A name with a NUL cannot leave the header's JSON. */
static void nul_in_a_name(void **state)
{
    (void)state;
    struct parts p;
    char *data;
    size_t n;
    sound_parts(&p);
    p.t[0].name = "a|b";
    const char *dir = write_folder(sound_config, &p, NULL), *path = scratch("ad/adapter_model.safetensors");
    assert_int_equal(file_load(path, 1 << 20, &data, &n, NULL), 0);
    for (size_t i = 8; i < n; i++)
        if (data[i] == '|') data[i] = 0;
    assert_int_equal(file_save(path, data, n, NULL), 0);
    free(data);
    expect("AD46 NUL", dir, NULL, ERR_NAME_CHAR, "");
}

static void partial(void **state)
{
    (void)state;
    struct parts p;
    sound_parts(&p);
    p.n = 6; /* layer 1's v_proj */
    expect("AD29", write_folder(sound_config, &p, NULL), NULL, ERR_AD_PARTIAL, "1.self_attn.v_proj");
    sound_parts(&p);
    expect("AD29 nowhere",
           write_folder(edited(sound_config, "\"v_proj\"", "\"v_proj\",\"up_proj\""), &p, NULL), NULL,
           ERR_AD_PARTIAL, "up_proj");
}

static void cold(void **state)
{
    (void)state;
    struct parts p;
    struct err e = {0};
    bool is_cold = false;
    sound_parts(&p);
    const char *dir = write_folder(sound_config, &p, NULL);
    assert_int_equal(load(dir, &(struct adapter_expect){.strict = true}, &is_cold, &e), 0);
    assert_false(is_cold);
    for (int i = 1; i < TENSORS; i += 2) memset(p.data[i], 0, sizeof p.data[i]);
    dir = write_folder(sound_config, &p, NULL);
    assert_int_equal(load(dir, NULL, &is_cold, &e), 0);
    assert_true(is_cold);
    expect("AD37 strict", dir, &(struct adapter_expect){.strict = true}, ERR_AD_COLD, "B");
}

static void given_as_base(void **state)
{
    (void)state;
    const struct model_config m = small_model();
    const struct tensor *bound[2 * P_LAYER_COUNT + 3];
    struct parts p;
    struct err e = {0};
    sound_parts(&p);
    set_bytes(&p);
    int r = params_bind(&m, PARAMS_HF, p.t, p.n, bound, &e);
    if (r != ERR_MODEL_MISSING || !strstr(e.msg, "model.layers.0.input_layernorm.weight"))
        fail_msg("AD40: %s \"%s\"", err_name(r), e.msg);
}

/* ---- what terse adds to the metadata
 * ------------------------------------------------------------------------ */

static const char *const hex_a = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
static const char *const hex_b = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

static void metadata_rows(void **state)
{
    (void)state;
    struct parts p;
    sound_parts(&p);
    const char *newer[] = {"format", "pt", "terse.version", "2", NULL};
    expect("AD41", write_folder(sound_config, &p, newer), NULL, ERR_VERSION, "terse.version is \"2\"");
    const char *half[] = {"format", "pt", "terse.version", "1", NULL};
    expect("AD42 half of it", write_folder(sound_config, &p, half), NULL, ERR_HASH, "terse.data");
    const char *wrong[] = {
        "terse.version", "1",   "terse.gate", "all", "terse.base", "", "terse.tokenizer", "",
        "terse.config",  hex_a, "terse.data", hex_b, NULL};
    expect("AD42", write_folder(sound_config, &p, wrong), NULL, ERR_HASH, "bbbb");
}

/* Elsewhere: AD51 in test_export_gguf.c (an adapter fits every rounding of its own base, by design; a
 * quantised base of another model is BASE_HASH), AD52 and AD53 in test_hostile_ad_device.c, AD56 in
 * fault/test_fault_peft.c. The rest of the section has nothing to attack. */
static const struct {
    const char *id, *why;
} absent[] = {
    {"AD45", "adapters are not signed"},
    {"AD47", "one adapter at a time, none are stacked"},
    {"AD48", "one adapter at a time, none are stacked"},
};

static void not_applicable(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
        print_message("skip: %s: %s\n", absent[i].id, absent[i].why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(config_rows),   cmocka_unit_test(missing_files), cmocka_unit_test(tensor_table),
        cmocka_unit_test(nul_in_a_name), cmocka_unit_test(partial),       cmocka_unit_test(cold),
        cmocka_unit_test(given_as_base), cmocka_unit_test(metadata_rows), cmocka_unit_test(not_applicable),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
