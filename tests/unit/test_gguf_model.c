/* What only a model's or an adapter's GGUF file can do wrong: keys that contradict each other, tensors that
 * are not the model's, a tokenizer that is none (GG47). */
#include "infer/gguf_adapter.h"
#include "infer/gguf_model.h"
#include "tests/support/gguf_tiny.h"
#include "tests/support/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PUT(name, call)                                                                                      \
    static void name(struct gguf_keys *k)                                                                    \
    {                                                                                                        \
        call;                                                                                                \
    }

PUT(arch_llama, gguf_put_string(k, "general.architecture", "llama"))
PUT(type_adapter, gguf_put_string(k, "general.type", "adapter"))
PUT(type_mmproj, gguf_put_string(k, "general.type", "mmproj"))
PUT(heads_3, gguf_put_u32(k, "qwen2.attention.head_count_kv", 3))
PUT(heads_0, gguf_put_u32(k, "qwen2.attention.head_count", 0))
PUT(layers_text, gguf_put_string(k, "qwen2.block_count", "1"))
PUT(layers_many, gguf_put_u32(k, "qwen2.block_count", 4000000000))
PUT(layers_2, gguf_put_u32(k, "qwen2.block_count", 2))
PUT(width_64, gguf_put_u32(k, "qwen2.embedding_length", 64))
PUT(eps_nan, gguf_put_f32(k, "qwen2.attention.layer_norm_rms_epsilon", NAN))
PUT(eps_0, gguf_put_f32(k, "qwen2.attention.layer_norm_rms_epsilon", 0))
PUT(eps_i, gguf_put_u32(k, "qwen2.attention.layer_norm_rms_epsilon", 1))
PUT(yarn, gguf_put_string(k, "qwen2.rope.scaling.type", "yarn");
    gguf_put_f32(k, "qwen2.rope.scaling.factor", 4))
PUT(yarn_1, gguf_put_string(k, "qwen2.rope.scaling.type", "yarn");
    gguf_put_f32(k, "qwen2.rope.scaling.factor", 1))
PUT(rope_half, gguf_put_u32(k, "qwen2.rope.dimension_count", 16))
PUT(vocab_key, gguf_put_u32(k, "qwen2.vocab_size", 263))
PUT(eos_far, gguf_put_u32(k, "tokenizer.ggml.eos_token_id", 264))
PUT(eos_many, gguf_put_array(k, "terse.eos_token_ids", GGUF_U32, ((uint32_t[9]){0}), 9))
PUT(eos_list, gguf_put_array(k, "terse.eos_token_ids", GGUF_U32, ((uint32_t[2]){3, 300}), 2))
PUT(top_p_2, gguf_put_f32(k, "general.sampling.top_p", 2))
PUT(base_text, gguf_put_string(k, "terse.base", "abc"))
PUT(w4, gguf_put_bool(k, "terse.w4", true))
PUT(w4_text, gguf_put_string(k, "terse.w4", "yes"))
PUT(tokens_3, gguf_put_array(k, "tokenizer.ggml.tokens", GGUF_STRING, NULL, 3); gguf_add_string(k, "a", 1);
    gguf_add_string(k, "b", 1); gguf_add_string(k, "c", 1))
PUT(tokens_u32, gguf_put_array(k, "tokenizer.ggml.tokens", GGUF_U32, ((uint32_t[1]){0}), 1))

static const struct {
    const char *id;
    struct gguf_change c;
    int code;
    const char *says;
} models[] = {
    {"sound", {0}, 0, ""},
    {"no architecture", {.drop = "general.architecture"}, ERR_FIELD_MISSING, "general.architecture"},
    {"llama", {.drop = "general.architecture", .put = arch_llama}, ERR_CFG_TYPE, "\"llama\""},
    {"adapter", {.put = type_adapter}, ERR_CFG_TYPE, "--lora"},
    {"mmproj", {.put = type_mmproj}, ERR_CFG_TYPE, "\"mmproj\""},
    {"no layers", {.drop = "qwen2.block_count"}, ERR_FIELD_MISSING, "qwen2.block_count"},
    {"layers as text",
     {.drop = "qwen2.block_count", .put = layers_text},
     ERR_FIELD_TYPE,
     "qwen2.block_count"},
    {"many layers", {.drop = "qwen2.block_count", .put = layers_many}, ERR_CFG_RANGE, "4000000000"},
    {"2 layers", {.drop = "qwen2.block_count", .put = layers_2}, ERR_MODEL_MISSING, "blk.1.attn_norm.weight"},
    {"width", {.drop = "qwen2.embedding_length", .put = width_64}, ERR_MODEL_SHAPE, "attn_norm.weight"},
    {"heads", {.drop = "qwen2.attention.head_count_kv", .put = heads_3}, ERR_CFG_HEADS, "3"},
    {"no heads", {.drop = "qwen2.attention.head_count", .put = heads_0}, ERR_CFG_HEADS, "head_count is 0"},
    {"eps NaN",
     {.drop = "qwen2.attention.layer_norm_rms_epsilon", .put = eps_nan},
     ERR_FIELD_RANGE,
     "rms_epsilon"},
    {"eps 0",
     {.drop = "qwen2.attention.layer_norm_rms_epsilon", .put = eps_0},
     ERR_CFG_RANGE,
     "rms_norm_eps"},
    {"eps integer",
     {.drop = "qwen2.attention.layer_norm_rms_epsilon", .put = eps_i},
     ERR_FIELD_TYPE,
     "rms_epsilon"},
    {"yarn", {.put = yarn}, ERR_CFG_TYPE, "yarn, factor 4"},
    {"yarn that does nothing", {.put = yarn_1}, 0, ""},
    {"partly rotated", {.put = rope_half}, ERR_CFG_TYPE, "16 rotated"},
    {"vocabulary", {.put = vocab_key}, ERR_MODEL_SHAPE, "264 rows"},
    {"eos", {.drop = "tokenizer.ggml.eos_token_id", .put = eos_far}, ERR_TOK_SPECIAL, "264"},
    {"9 eos", {.put = eos_many}, ERR_TOK_SPECIAL, "at most 8"},
    {"far eos", {.put = eos_list}, ERR_TOK_SPECIAL, "below 264"},
    {"top_p", {.put = top_p_2}, ERR_FIELD_RANGE, "top_p 2"},
    {"digest", {.put = base_text}, ERR_FIELD_RANGE, "terse.base"},
    {"GG47 fewer tokens", {.drop = "tokenizer.ggml.tokens", .put = tokens_3}, ERR_TOK_VOCAB, "3 tokens"},
    {"tokens of numbers", {.drop = "tokenizer.ggml.tokens", .put = tokens_u32}, ERR_FIELD_TYPE, "strings"},
    {"no embedding", {.tensor = "token_embd.weight", .dtype = -1}, ERR_MODEL_MISSING, "token_embd.weight"},
    {"no bias", {.tensor = "blk.0.attn_k.bias", .dtype = -1}, ERR_MODEL_MISSING, "blk.0.attn_k.bias"},
    {"another tensor",
     {.tensor = "blk.0.attn_k.bias", .rename = "blk.0.attn_x.bias"},
     ERR_MODEL_MISSING,
     "blk.0.attn_k.bias"},
    {"a head too many",
     {.put = NULL, .tensor = "output_norm.weight", .rename = "output.weight"},
     ERR_MODEL_SHAPE,
     "output.weight"},
    {"rows", {.tensor = "blk.0.ffn_up.weight", .rows = 33}, ERR_MODEL_SHAPE, "[33, 32]"},
    {"integers", {.tensor = "blk.0.ffn_up.weight", .dtype = DTYPE_I32}, ERR_DTYPE, "I32"},
    {"quantised norm",
     {.tensor = "output_norm.weight", .dtype = DTYPE_Q8_0},
     ERR_DTYPE,
     "output_norm.weight"},
    {"quantised", {.tensor = "blk.0.ffn_up.weight", .dtype = DTYPE_Q8_0}, 0, ""},
    {"NaN", {.tensor = "blk.0.ffn_up.weight", .nan = true}, ERR_NONFINITE, "blk.0.ffn_up.weight"},
    {"NaN scale",
     {.tensor = "blk.0.ffn_up.weight", .dtype = DTYPE_Q4_0, .nan = true},
     ERR_NONFINITE,
     "ffn_up"},
    {"W4", {.put = w4, .tensor = "blk.0.ffn_up.weight", .dtype = DTYPE_Q4_0}, 0, ""},
    {"W4 with two scales",
     {.put = w4, .tensor = "blk.0.ffn_down.weight", .dtype = DTYPE_Q4_0},
     ERR_GG_BLOCK,
     "row 0 differ"},
    {"W4 as text", {.put = w4_text}, ERR_FIELD_TYPE, "terse.w4"},
};

static int check_result(const char *id, int rc, int code, const struct err *e, const char *says,
                        const void *out)
{
    if (rc == code && !out == (rc != 0) && (!code || (strstr(e->msg, says) && strstr(e->msg, ".gguf"))))
        return 0;
    print_error("%s: got %s \"%s\", expected %s naming \"%s\" and the file\n", id, err_name(rc), e->msg,
                err_name(code), says);
    return 1;
}

static void bad_models(void **state)
{
    (void)state;
    int bad = 0;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        struct gguf_model *m;
        struct err e = {0};
        gguf_tiny_model(scratch("case.gguf"), &models[i].c);
        int rc = gguf_model_open(&m, scratch("case.gguf"), &e);
        bad |= check_result(models[i].id, rc, models[i].code, &e, models[i].says, m);
        gguf_model_close(m);
    }
    assert_false(bad);
}

static void w4_is_a_type_of_its_own(void **state)
{
    (void)state;
    const struct gguf_change c = {.put = w4, .tensor = "token_embd.weight", .dtype = DTYPE_Q4_0};
    struct gguf_model *m;
    struct err e = {0};
    gguf_tiny_model(scratch("w4.gguf"), &c);
    if (gguf_model_open(&m, scratch("w4.gguf"), &e)) fail_msg("%s", e.msg);
    const struct tensor *t = m->bound[params_slot(&m->config, P_EMBED, 0)];
    assert_int_equal(t->dtype, DTYPE_W4);
    assert_string_equal(t->name, "model.embed_tokens.weight");
    assert_int_equal(m->dtype, DTYPE_BF16);
    gguf_model_close(m);
}

/* ---- the tokenizer ------------------------------------------------------------------------------------- */

static void types_of(struct gguf_keys *k, int32_t at, int32_t type)
{
    gguf_put_array(k, "tokenizer.ggml.token_type", GGUF_I32, NULL, 264);
    for (int32_t id = 0, t; id < 264; id++) {
        t = id == at ? type : id <= 256 ? 1 : id < 260 ? 3 : 5;
        gguf_add_bytes(k, &t, sizeof t);
    }
}
static void merge_of(struct gguf_keys *k, const char *merge)
{
    gguf_put_array(k, "tokenizer.ggml.merges", GGUF_STRING, NULL, 1);
    gguf_add_string(k, merge, strlen(merge));
}

PUT(model_spm, gguf_put_string(k, "tokenizer.ggml.model", "llama"))
PUT(pre_llama, gguf_put_string(k, "tokenizer.ggml.pre", "llama-bpe"))
PUT(add_bos, gguf_put_bool(k, "tokenizer.ggml.add_bos_token", true))
PUT(type_7, types_of(k, 5, 7))
PUT(type_0, types_of(k, 5, 0))
PUT(type_2, types_of(k, 256, 2))
PUT(type_byte, types_of(k, 5, 6))
PUT(type_negative, types_of(k, 5, -1))
PUT(type_control, types_of(k, 256, 3))
PUT(types_short, gguf_put_array(k, "tokenizer.ggml.token_type", GGUF_I32, ((int32_t[2]){1, 1}), 2))
PUT(merge_bad, merge_of(k, "he"))
PUT(merge_oov, merge_of(k, "he y"))
PUT(merge_utf8, merge_of(k, "h \xff"))
PUT(template_other, gguf_put_string(k, "tokenizer.chat_template", "{{ messages }}"))

static const struct {
    const char *id;
    struct gguf_change c;
    int code;
    const char *says;
} tokenizers[] = {
    {"sound", {0}, 0, ""},
    {"SPM", {.drop = "tokenizer.ggml.model", .put = model_spm}, ERR_TOK_UNSUPPORTED, "\"llama\""},
    {"no model", {.drop = "tokenizer.ggml.model"}, ERR_FIELD_MISSING, "tokenizer.ggml.model"},
    {"another split", {.drop = "tokenizer.ggml.pre", .put = pre_llama}, ERR_TOK_PATTERN, "\"llama-bpe\""},
    {"bos", {.put = add_bos}, ERR_TOK_UNSUPPORTED, "add_bos_token"},
    {"no tokens", {.drop = "tokenizer.ggml.tokens"}, ERR_FIELD_MISSING, "tokens"},
    {"no types", {.drop = "tokenizer.ggml.token_type"}, ERR_FIELD_MISSING, "token_type"},
    {"GG47 fewer types", {.drop = "tokenizer.ggml.token_type", .put = types_short}, ERR_TOK_VOCAB, "2 types"},
    {"GG47 type 7",
     {.drop = "tokenizer.ggml.token_type", .put = type_7},
     ERR_TOK_VOCAB,
     "token_type[5] is 7"},
    {"type 0", {.drop = "tokenizer.ggml.token_type", .put = type_0}, ERR_TOK_VOCAB, "token_type[5] is 0"},
    {"type unknown",
     {.drop = "tokenizer.ggml.token_type", .put = type_2},
     ERR_TOK_VOCAB,
     "token_type[256] is 2"},
    {"type byte",
     {.drop = "tokenizer.ggml.token_type", .put = type_byte},
     ERR_TOK_VOCAB,
     "token_type[5] is 6"},
    {"type -1",
     {.drop = "tokenizer.ggml.token_type", .put = type_negative},
     ERR_TOK_VOCAB,
     "token_type[5] is -1"},
    {"merge makes a control token",
     {.drop = "tokenizer.ggml.token_type", .put = type_control},
     ERR_TOK_SPECIAL,
     "merge 0"},
    {"no merges", {.drop = "tokenizer.ggml.merges"}, ERR_FIELD_MISSING, "merges"},
    {"merge of one", {.drop = "tokenizer.ggml.merges", .put = merge_bad}, ERR_TOK_MERGE, "merge 0 \"he\""},
    {"merge to nothing", {.drop = "tokenizer.ggml.merges", .put = merge_oov}, ERR_TOK_MERGE_OOV, "merge 0"},
    {"merge not UTF-8", {.drop = "tokenizer.ggml.merges", .put = merge_utf8}, ERR_UTF8, "merges[0]"},
    {"template", {.put = template_other}, ERR_TPL_UNKNOWN, "chat_template"},
};

static void bad_tokenizers(void **state)
{
    (void)state;
    int bad = 0;
    for (size_t i = 0; i < sizeof tokenizers / sizeof *tokenizers; i++) {
        struct gguf *g;
        struct tokenizer *t;
        struct err e = {0};
        gguf_tiny_model(scratch("case.gguf"), &tokenizers[i].c);
        if (gguf_open(&g, scratch("case.gguf"), &e)) fail_msg("%s", e.msg);
        int rc = gguf_tokenizer(&t, g, &e);
        /* what tokenizer_create finds names no file: it knows none */
        if (rc == ERR_TOK_SPECIAL || rc == ERR_TOK_MERGE_OOV) snprintf(e.msg + strlen(e.msg), 8, ".gguf");
        bad |= check_result(tokenizers[i].id, rc, tokenizers[i].code, &e, tokenizers[i].says, t);
        tokenizer_free(t);
        gguf_close(g);
    }
    assert_false(bad);
}

/* ---- adapters ------------------------------------------------------------------------------------------ */

#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

PUT(alpha_0, gguf_put_f32(k, "adapter.lora.alpha", 0))
PUT(alpha_negative, gguf_put_f32(k, "adapter.lora.alpha", -1))
PUT(alpha_nan, gguf_put_f32(k, "adapter.lora.alpha", NAN))
PUT(alpha_other, gguf_put_f64(k, "terse.alpha", 7))
PUT(alpha_rslora, gguf_put_f64(k, "terse.alpha", 4); gguf_put_bool(k, "terse.rslora", true))
PUT(adapter_of_kind, gguf_put_string(k, "adapter.type", "control_vector"))
PUT(gate_unknown, gguf_put_string(k, "terse.gate", "sometimes"))
PUT(invocation_far, gguf_put_array(k, "adapter.alora.invocation_tokens", GGUF_U32, ((uint32_t[1]){264}), 1))
PUT(invocation_negative,
    gguf_put_array(k, "adapter.alora.invocation_tokens", GGUF_I32, ((int32_t[1]){-1}), 1))
PUT(invocation_many, gguf_put_array(k, "adapter.alora.invocation_tokens", GGUF_U32, ((uint32_t[65]){0}), 65))
PUT(invocation_text, gguf_put_string(k, "adapter.alora.invocation_tokens", "assistant"))
PUT(other_base, gguf_put_string(k, "terse.base", DIGEST))
PUT(other_tokenizer, gguf_put_string(k, "terse.tokenizer", DIGEST))
PUT(long_base, gguf_put_string(k, "terse.base", DIGEST "0"))

#define QA "blk.0.attn_q.weight.lora_a"
#define QB "blk.0.attn_q.weight.lora_b"

static const struct {
    const char *id;
    struct gguf_change c;
    int code;
    const char *says;
} adapters[] = {
    {"sound", {0}, 0, ""},
    {"no alpha", {.drop = "adapter.lora.alpha"}, ERR_FIELD_MISSING, "adapter.lora.alpha"},
    {"alpha 0", {.drop = "adapter.lora.alpha", .put = alpha_0}, 0, ""},
    {"alpha -1", {.drop = "adapter.lora.alpha", .put = alpha_negative}, ERR_AD_ALPHA, "-1"},
    {"alpha NaN", {.drop = "adapter.lora.alpha", .put = alpha_nan}, ERR_FIELD_RANGE, "adapter.lora.alpha"},
    {"two alphas", {.put = alpha_other}, ERR_AD_ALPHA, "terse.alpha 7"},
    {"rsLoRA", {.put = alpha_rslora}, 0, ""},
    {"not LoRA", {.drop = "adapter.type", .put = adapter_of_kind}, ERR_AD_TYPE, "control_vector"},
    {"no type", {.drop = "general.type"}, ERR_AD_TYPE, "(absent)"},
    {"architecture", {.drop = "general.architecture", .put = arch_llama}, ERR_AD_TYPE, "llama"},
    {"gate", {.put = gate_unknown}, ERR_FIELD_RANGE, "sometimes"},
    {"far invocation", {.put = invocation_far}, ERR_TOKEN_RANGE, "264"},
    {"invocation -1", {.put = invocation_negative}, ERR_TOKEN_RANGE, "2147483647"},
    {"65 invocation tokens", {.put = invocation_many}, ERR_TOO_MANY, "65"},
    {"invocation text", {.put = invocation_text}, ERR_FIELD_TYPE, "invocation_tokens"},
    {"other base", {.put = other_base}, ERR_BASE_HASH, "0123456789abcdef"},
    {"other tokenizer", {.put = other_tokenizer}, ERR_TOK_HASH, "0123456789abcdef"},
    {"long digest", {.put = long_base}, ERR_FIELD_RANGE, "terse.base"},
    {"no A", {.tensor = QA, .dtype = -1}, ERR_AD_PAIR, QA},
    {"no B", {.tensor = QB, .dtype = -1}, ERR_AD_PAIR, QB},
    {"unknown part", {.tensor = QA, .rename = "blk.0.attn_q.weight.lora_c"}, ERR_AD_KEY, "lora_c"},
    {"a norm", {.tensor = QA, .rename = "blk.0.attn_norm.weight.lora_a"}, ERR_AD_KEY, "attn_norm"},
    {"layer 1", {.tensor = QA, .rename = "blk.1.attn_q.weight.lora_a"}, ERR_AD_KEY, "blk.1"},
    {"the head", {.tensor = QA, .rename = "output.weight.lora_a"}, ERR_AD_UNSUPPORTED, "output.weight"},
    {"the embedding", {.tensor = QA, .rename = "token_embd.weight.lora_a"}, ERR_AD_UNSUPPORTED, "token_embd"},
    {"a path", {.tensor = QA, .rename = "../blk.0.attn_q.weight.lora_a"}, ERR_PATH, "../blk"},
    {"two ranks", {.tensor = "blk.0.attn_v.weight.lora_a", .rows = 5}, ERR_AD_RANK, "attn_v"},
    {"rank 33", {.tensor = QA, .rows = 33}, ERR_AD_RANK, "33"},
    {"B of other size", {.tensor = QB, .rows = 31}, ERR_AD_SHAPE, QB},
    {"two types", {.tensor = QB, .dtype = DTYPE_F16}, ERR_DTYPE, QB},
    {"quantised", {.tensor = QA, .dtype = DTYPE_Q8_0}, ERR_DTYPE, QA},
    {"NaN", {.tensor = QB, .nan = true}, ERR_NONFINITE, QB},
};

static void bad_adapters(void **state)
{
    (void)state;
    const struct model_config m = gguf_tiny_config();
    const struct adapter_expect x = {.base = "another", .tokenizer = "another"};
    int bad = 0;
    for (size_t i = 0; i < sizeof adapters / sizeof *adapters; i++) {
        struct adapter *a;
        struct adapter_info info;
        struct err e = {0};
        bool cold = false;
        gguf_tiny_adapter(scratch("case.gguf"), &adapters[i].c);
        int rc = gguf_adapter_load(&a, &info, &cold, scratch("case.gguf"), &m, &x, &e);
        bad |= check_result(adapters[i].id, rc, adapters[i].code, &e, adapters[i].says, a);
        if (!rc && !cold) bad = 1, print_error("%s: B is zero and nobody says so\n", adapters[i].id);
        adapter_free(a);
    }
    assert_false(bad);
}

static void what_an_adapter_says(void **state)
{
    (void)state;
    const struct model_config m = gguf_tiny_config();
    const struct gguf_change rslora = {.put = alpha_rslora};
    const struct adapter_expect strict = {.strict = true};
    struct adapter *a;
    struct adapter_info info;
    struct err e = {0};
    gguf_tiny_adapter(scratch("rslora.gguf"), &rslora);
    if (gguf_adapter_load(&a, &info, NULL, scratch("rslora.gguf"), &m, NULL, &e)) fail_msg("%s", e.msg);
    assert_true(a->cfg.rslora && a->cfg.alpha == 4 && a->cfg.rank == 4 && a->cfg.gate == GATE_ALL);
    assert_true(adapter_scale(&a->cfg) == 2);
    adapter_free(a);
    assert_int_equal(gguf_adapter_load(&a, &info, NULL, scratch("rslora.gguf"), &m, &strict, &e),
                     ERR_AD_COLD);
    assert_null(a);
}

/* ---- files that change --------------------------------------------------------------------------------- */

static void a_model_cut_short(void **state)
{
    (void)state;
    struct gguf_model *m;
    struct err e = {0};
    gguf_tiny_model(scratch("cut.gguf"), NULL);
    if (gguf_model_open(&m, scratch("cut.gguf"), &e)) fail_msg("%s", e.msg);
    assert_int_equal(gguf_model_intact(m, &e), 0);
    assert_int_equal(truncate(scratch("cut.gguf"), 4096), 0);
    assert_int_equal(gguf_model_intact(m, &e), ERR_CHANGED);
    gguf_model_close(m);
    assert_true(gguf_is_file(scratch("cut.gguf")));
    assert_false(gguf_is_file(scratch("")));
    assert_false(gguf_is_file(scratch("absent")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_models),           cmocka_unit_test(w4_is_a_type_of_its_own),
        cmocka_unit_test(bad_tokenizers),       cmocka_unit_test(bad_adapters),
        cmocka_unit_test(what_an_adapter_says), cmocka_unit_test(a_model_cut_short),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
