/* Section ST of the hostile inputs: what a folder can do wrong whose safetensors files are sound (ST61-ST80).
 */
#include "checkpoints/file.h"
#include "checkpoints/hf_config.h"
#include "checkpoints/hf_model.h"
#include "checkpoints/hf_save.h"
#include "tests/support/hf_folder.h"
#include "tests/support/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SLOW = 1 };
#else
enum { SLOW = 0 };
#endif

static int check_result(const char *id, int rc, int code, const struct err *e, const char *says)
{
    if (rc == code && (!code || strstr(e->msg, says))) return 0;
    print_error("%s: got %s \"%s\", expected %s naming \"%s\"\n", id, err_name(rc), e->msg, err_name(code),
                says);
    return 1;
}

static int try_folder(const char *id, const char *dir, int code, const char *says)
{
    struct err e = {0};
    struct hf_model *m;
    int rc = hf_model_open(&m, dir, &e), bad = check_result(id, rc, code, &e, says);
    hf_model_close(m);
    return bad;
}

/* ---- tensors --------------------------------------------------------------------------------------------
 */

#define UP3   "model.layers.3.mlp.up_proj.weight"
#define EMBED "model.embed_tokens.weight"

static struct tensor *renamed(struct tensor *t, const char *name)
{
    free((void *)t->name);
    t->name = strdup(name);
    return t;
}

static struct tensor *appended(struct tensor *t, size_t *n, const char *name, const struct tensor *like)
{
    struct tensor *new = &t[(*n)++];
    *new = *like;
    new->name = strdup(name);
    new->data = memcpy(malloc(like->bytes), like->data, like->bytes);
    return new;
}

static void st61(struct tensor *t, size_t *n)
{
    struct tensor *up = hf_folder_find(t, *n, UP3), *last = &t[*n - 1], gone = *up;
    *up = *last, *last = gone;
    free((void *)last->name);
    free((void *)last->data);
    --*n;
}
static void st62(struct tensor *t, size_t *n)
{
    struct tensor *up = hf_folder_find(t, *n, UP3);
    up->shape[0] = 16, up->shape[1] = 24; /* the other way round */
}
static void st62_rank(struct tensor *t, size_t *n)
{
    struct tensor *up = hf_folder_find(t, *n, UP3);
    up->rank = 1, up->shape[0] = 384;
}
static void st63(struct tensor *t, size_t *n)
{
    appended(t, n, "model.layers.99.mlp.up_proj.weight", hf_folder_find(t, *n, UP3));
}
static void st63_zero(struct tensor *t, size_t *n)
{
    appended(t, n, "model.layers.03.mlp.up_proj.weight", hf_folder_find(t, *n, UP3));
}
static void st64(struct tensor *t, size_t *n)
{
    struct tensor *head = appended(t, n, "lm_head.weight", hf_folder_find(t, *n, EMBED));
    ((unsigned char *)(uintptr_t)head->data)[5] ^= 1;
}
static void st64_equal(struct tensor *t, size_t *n)
{
    appended(t, n, "lm_head.weight", hf_folder_find(t, *n, EMBED));
}
static void put_f32(struct tensor *t, size_t at, float v)
{
    ((float *)(uintptr_t)t->data)[at] = v;
}
static void st65_nan(struct tensor *t, size_t *n)
{
    put_f32(hf_folder_find(t, *n, UP3), 5 * 16 + 7, NAN);
}
static void st65_inf(struct tensor *t, size_t *n)
{
    put_f32(hf_folder_find(t, *n, EMBED), 639, -INFINITY);
}
static void st65_bias(struct tensor *t, size_t *n)
{
    put_f32(hf_folder_find(t, *n, "model.layers.0.self_attn.q_proj.bias"), 3, INFINITY);
}
static void largest_float(struct tensor *t, size_t *n)
{
    put_f32(hf_folder_find(t, *n, UP3), 0, 3.4e38f);
}
static void dtype_i32(struct tensor *t, size_t *n)
{
    hf_folder_find(t, *n, UP3)->dtype = DTYPE_I32;
}
static void dtype_mixed(struct tensor *t, size_t *n)
{
    struct tensor *up = hf_folder_find(t, *n, UP3);
    up->dtype = DTYPE_BF16, up->bytes /= 2;
}
static void adapter_as_base(struct tensor *t, size_t *n)
{
    for (size_t i = 0; i < *n; i++) {
        char name[200];
        snprintf(name, sizeof name, "base_model.%s.lora_A", t[i].name);
        renamed(&t[i], name);
    }
}
static void nothing(struct tensor *t, size_t *n)
{
    (void)t, (void)n;
}

static const struct {
    const char *id;
    void (*spoil)(struct tensor *t, size_t *n);
    int code;
    const char *says;
} tensors[] = {
    {"sound", nothing, 0, ""},
    {"ST61", st61, ERR_MODEL_MISSING, UP3},
    {"ST62", st62, ERR_MODEL_SHAPE, UP3 " is [16, 24], the config says [24, 16]"},
    {"ST62 rank", st62_rank, ERR_MODEL_SHAPE, UP3},
    {"ST63", st63, ERR_MODEL_EXTRA, "model.layers.99.mlp.up_proj.weight"},
    {"ST63 zero", st63_zero, ERR_MODEL_EXTRA, "model.layers.03.mlp.up_proj.weight"},
    {"ST64", st64, ERR_MODEL_TIE, "lm_head.weight"},
    {"ST64 equal is fine", st64_equal, 0, ""},
    {"ST65 NaN", st65_nan, ERR_NONFINITE, UP3 ": element [5, 7]"},
    {"ST65 Inf", st65_inf, ERR_NONFINITE, EMBED ": element [39, 15]"},
    {"ST65 bias", st65_bias, ERR_NONFINITE, "q_proj.bias: element [3]"},
    {"ST65 largest", largest_float, 0, ""},
    {"I32", dtype_i32, ERR_DTYPE, UP3},
    {"two types", dtype_mixed, ERR_DTYPE, UP3},
    {"AD40", adapter_as_base, ERR_MODEL_MISSING, "50 of the model"},
};

static void tensor_cases(void **state)
{
    (void)state;
    struct model_config c = hf_folder_config();
    int bad = 0;
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) {
        struct err e = {0};
        size_t n;
        struct tensor *t = hf_folder_tensors(&c, DTYPE_F32, 1, &n);
        tensors[i].spoil(t, &n);
        assert_int_equal(hf_save_model(scratch("tensors"), &c, t, n, NULL, &e), 0);
        bad |= try_folder(tensors[i].id, scratch("tensors"), tensors[i].code, tensors[i].says);
        hf_folder_free(t, n);
    }
    assert_false(bad);
}

static void st65_bf16(void **state)
{
    (void)state;
    struct model_config c = hf_folder_config();
    struct err e = {0};
    size_t n;
    struct tensor *t = hf_folder_tensors(&c, DTYPE_BF16, 0, &n);
    ((uint16_t *)(uintptr_t)hf_folder_find(t, n, UP3)->data)[2 * 16 + 3] = 0xff80;
    assert_int_equal(hf_save_model(scratch("bf16"), &c, t, n, NULL, &e), 0);
    assert_int_equal(try_folder("ST65 bf16", scratch("bf16"), ERR_NONFINITE, UP3 ": element [2, 3]"), 0);
    hf_folder_free(t, n);
}

/* ---- the index ------------------------------------------------------------------------------------------
 */

/* A sound folder with five shards of at most 8,000 bytes. */
static const char *sharded_folder(const char *name)
{
    struct model_config c = hf_folder_config();
    struct hf_save_options o = {.shard_bytes = 8000};
    struct err e = {0};
    size_t n;
    struct tensor *t = hf_folder_tensors(&c, DTYPE_F32, 0, &n);
    const char *dir = scratch(name);
    assert_int_equal(file_remove_tree(dir, &e), 0);
    assert_int_equal(hf_save_model(dir, &c, t, n, &o, &e), 0);
    hf_folder_free(t, n);
    return dir;
}

#define INDEX       "model.safetensors.index.json"
#define EMBED_SHARD "\"" EMBED "\": \"model-00001-of-00005.safetensors\""

static const struct {
    const char *id, *old, *new;
    int code;
    const char *says;
} indexes[] = {
    {"sound", "metadata", "metadata", 0, ""},
    {"no metadata", "metadata", "other", 0, ""},
    {"size as float", "\"total_size\": 34368", "\"total_size\": 34368.0", 0, ""},
    {"ST66", EMBED_SHARD, "\"" EMBED "\": \"../x.safetensors\"", ERR_PATH, EMBED},
    {"ST66 below", EMBED_SHARD, "\"" EMBED "\": \"sub/../../x.safetensors\"", ERR_PATH, EMBED},
    {"ST66 dots", EMBED_SHARD, "\"" EMBED "\": \"..\"", ERR_PATH, EMBED},
    {"ST66 empty", EMBED_SHARD, "\"" EMBED "\": \"\"", ERR_PATH, EMBED},
    {"ST67", EMBED_SHARD, "\"" EMBED "\": \"/etc/passwd\"", ERR_PATH, "/etc/passwd"},
    {"ST69 URL", EMBED_SHARD, "\"" EMBED "\": \"http://a/b\"", ERR_PATH, "http://a/b"},
    {"ST69 NUL", EMBED_SHARD, "\"" EMBED "\": \"a\\u0000b\"", ERR_PATH, INDEX},
    {"ST70", EMBED_SHARD, "\"" EMBED "\": \"model-9.safetensors\"", ERR_SHARD_MISSING, "model-9.safetensors"},
    {"ST71", "weight_map\": {", "weight_map\": {\n\"zz\": \"model-00002-of-00005.safetensors\",",
     ERR_SHARD_TENSOR, "zz is not in model-00002-of-00005.safetensors"},
    {"ST71 other shard", EMBED_SHARD, "\"" EMBED "\": \"model-00002-of-00005.safetensors\"", ERR_SHARD_TENSOR,
     EMBED},
    {"ST73", "\"total_size\": 34368", "\"total_size\": 34369", ERR_INDEX_SIZE, "34369"},
    {"ST73 half", "\"total_size\": 34368", "\"total_size\": 34368.5", ERR_INDEX_TYPE, "total_size"},
    {"ST74", EMBED_SHARD, "\"" EMBED "\": 1", ERR_INDEX_TYPE, EMBED},
    {"ST74 null", EMBED_SHARD, "\"" EMBED "\": null", ERR_INDEX_TYPE, EMBED},
    {"ST74 no map", "weight_map", "weight_mop", ERR_INDEX_TYPE, "weight_map"},
    {"ST74 list", NULL, "{\"weight_map\": []}", ERR_INDEX_TYPE, "weight_map"},
    {"ST74 empty", NULL, "{\"weight_map\": {}}", ERR_INDEX_TYPE, "weight_map"},
    {"ST74 root", NULL, "[]", ERR_INDEX_TYPE, "weight_map"},
    {"twice", "weight_map\": {", "weight_map\": {\n\"" EMBED "\": \"x\",", ERR_DUP_KEY, EMBED},
    {"cut", NULL, "{\"weight_map\": {", ERR_JSON_TRUNC, INDEX},
};

static void index_cases(void **state)
{
    (void)state;
    const char *dir = sharded_folder("sharded");
    int bad = 0;
    for (size_t i = 0; i < sizeof indexes / sizeof *indexes; i++) {
        char *before = hf_folder_edit(dir, INDEX, indexes[i].old, indexes[i].new);
        bad |= try_folder(indexes[i].id, dir, indexes[i].code, indexes[i].says);
        hf_folder_restore(dir, INDEX, before);
    }
    assert_false(bad);
}

static void st74_a_million_shards(void **state)
{
    (void)state;
    const char *dir = sharded_folder("million");
    char *text = malloc(64 << 20), *p = text;
    p += sprintf(p, "{\"weight_map\": {");
    for (int i = 0; i < 1000000; i++) p += sprintf(p, "%s\"t%d\": \"s%d.safetensors\"", i ? "," : "", i, i);
    sprintf(p, "}}");
    free(hf_folder_edit(dir, INDEX, NULL, text));
    free(text);
    clock_t start = clock();
    assert_int_equal(try_folder("ST74 million", dir, ERR_INDEX_TYPE, "1000 shards"), 0);
    if (!SLOW) assert_true(clock() - start < CLOCKS_PER_SEC);
}

static void link_shard(const char *dir, const char *target_dir)
{
    char from[FILE_PATH], to[FILE_PATH];
    struct err e = {0};
    assert_int_equal(file_path(from, &e, "%s/model-00001-of-00005.safetensors", dir), 0);
    assert_int_equal(file_make_dirs(target_dir, &e), 0);
    assert_int_equal(file_path(to, &e, "%s/0123abcd", target_dir), 0);
    assert_int_equal(rename(from, to), 0);
    char *real = realpath(to, NULL);
    assert_int_equal(symlink(real, from), 0);
    free(real);
}

static void st68_symlinks(void **state)
{
    (void)state;
    const char *dir = sharded_folder("linked");
    link_shard(dir, scratch("elsewhere"));
    assert_int_equal(try_folder("ST68", dir, ERR_PATH, "model-00001-of-00005.safetensors is a link to"), 0);
    dir = sharded_folder("linked");
    link_shard(dir, scratch("linked-not")); /* a sibling whose name begins alike */
    assert_int_equal(try_folder("ST68 sibling", dir, ERR_PATH, "outside"), 0);
    dir = sharded_folder("linked");
    link_shard(dir, scratch("linked/sub"));
    assert_int_equal(try_folder("link inside", dir, 0, ""), 0);
    dir = sharded_folder("hub/snapshots/abc");
    link_shard(dir, scratch("hub/blobs"));
    assert_int_equal(try_folder("Hugging Face's cache", dir, 0, ""), 0);
    dir = sharded_folder("hub/snapshots/abc");
    link_shard(dir, scratch("hub/other"));
    assert_int_equal(try_folder("ST68 beside the blobs", dir, ERR_PATH, "outside"), 0);
}

static void st72_tensor_in_two_shards(void **state)
{
    (void)state;
    const char *dir = sharded_folder("twice");
    struct model_config c = hf_folder_config();
    struct err e = {0};
    char path[FILE_PATH];
    size_t n;
    struct tensor *t = hf_folder_tensors(&c, DTYPE_F32, 0, &n);
    assert_int_equal(file_path(path, &e, "%s/model-00001-of-00005.safetensors", dir), 0);
    assert_int_equal(safetensors_save(path, t, n, NULL, &e), 0);
    assert_int_equal(try_folder("ST72", dir, ERR_DUP_TENSOR, "model.layers."), 0);
    hf_folder_free(t, n);
}

/* ---- config.json ----------------------------------------------------------------------------------------
 */

static const struct {
    const char *id, *old, *new;
    int code;
    const char *says;
} configs[] = {
    {"ST75", "\"num_attention_heads\": 4", "\"num_attention_heads\": 3", ERR_CFG_HEADS, "hidden_size 16"},
    {"ST76", "\"num_key_value_heads\": 2", "\"num_key_value_heads\": 3", ERR_CFG_HEADS,
     "num_key_value_heads is 3"},
    {"ST76 zero", "\"num_key_value_heads\": 2", "\"num_key_value_heads\": 0", ERR_CFG_HEADS,
     "num_key_value_heads"},
    {"ST77", "\"num_hidden_layers\": 4", "\"num_hidden_layers\": 0", ERR_CFG_RANGE, "num_hidden_layers is 0"},
    {"ST77 10^9", "\"num_hidden_layers\": 4", "\"num_hidden_layers\": 1000000000", ERR_CFG_RANGE,
     "num_hidden_layers"},
    {"ST77 negative", "\"num_hidden_layers\": 4", "\"num_hidden_layers\": -4", ERR_CFG_RANGE,
     "num_hidden_layers"},
    {"ST77 2^32 + 4", "\"num_hidden_layers\": 4", "\"num_hidden_layers\": 4294967300", ERR_CFG_RANGE,
     "num_hidden_lay"},
    {"no heads", "\"num_attention_heads\": 4", "\"num_attention_heads\": 0", ERR_CFG_RANGE,
     "num_attention_heads"},
    {"ST78 0", "\"rope_theta\": 1", "\"rope_theta\": 0, \"x\": 1", ERR_CFG_RANGE, "rope_theta is 0"},
    {"ST78 negative", "\"rope_theta\": 1", "\"rope_theta\": -1, \"x\": 1", ERR_CFG_RANGE, "rope_theta is -1"},
    {"ST78 NaN", "\"rope_theta\": 1", "\"rope_theta\": NaN, \"x\": 1", ERR_CFG_RANGE, "config.json"},
    {"ST78 string", "\"rope_theta\": 1", "\"rope_theta\": \"NaN\", \"x\": 1", ERR_FIELD_TYPE, "rope_theta"},
    {"ST78 eps 0", "\"rms_norm_eps\": 1e-06", "\"rms_norm_eps\": 0.0", ERR_CFG_RANGE, "rms_norm_eps is 0"},
    {"ST78 eps negative", "\"rms_norm_eps\": 1e-06", "\"rms_norm_eps\": -1e-06", ERR_CFG_RANGE,
     "rms_norm_eps"},
    {"ST80", "\"model_type\": \"qwen2\"", "\"model_type\": \"llama\"", ERR_CFG_TYPE, "llama"},
    {"ST80 absent", "\"model_type\": \"qwen2\"", "\"a\": 1", ERR_CFG_TYPE, "model_type"},
    {"activation", "\"silu\"", "\"gelu\"", ERR_CFG_TYPE, "gelu"},
    {"window", "\"use_sliding_window\": false", "\"use_sliding_window\": true", ERR_CFG_TYPE,
     "use_sliding_window"},
    {"yarn", "{", "{\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 4.0},", ERR_CFG_TYPE, "yarn"},
    {"yarn, new", "{", "{\"rope_parameters\": {\"rope_type\": \"yarn\", \"factor\": 4.0},", ERR_CFG_TYPE,
     "yarn"},
    {"two thetas", "{", "{\"rope_parameters\": {\"rope_theta\": 5.0},", ERR_CFG_RANGE, "rope_theta"},
    {"quantised", "{", "{\"quantization_config\": {\"bits\": 4},", ERR_CFG_TYPE, "quantization_config"},
    {"layer types", "{", "{\"layer_types\": [\"full_attention\", \"sliding_attention\"],", ERR_CFG_TYPE,
     "sliding"},
    {"eos too high", "\"eos_token_id\": 2", "\"eos_token_id\": 40", ERR_TOKEN_RANGE, "eos_token_id is 40"},
    {"eos negative", "\"eos_token_id\": 2", "\"eos_token_id\": -1", ERR_TOKEN_RANGE, "eos_token_id"},
    {"width absent", "\"hidden_size\"", "\"hidden\"", ERR_FIELD_MISSING, "hidden_size"},
    {"width 16.0", "\"hidden_size\": 16", "\"hidden_size\": 16.0", ERR_FIELD_TYPE, "hidden_size"},
    {"key twice", "{", "{\"model_type\": \"llama\",", ERR_DUP_KEY, "model_type"},
    {"root", NULL, "[]", ERR_FIELD_TYPE, "config.json"},
    {"ok: scaling null", "{", "{\"rope_scaling\": null,", 0, ""},
    {"ok: scaling default", "{", "{\"rope_scaling\": {\"type\": \"default\"},", 0, ""},
    {"ok: new rope", "\"rope_theta\": 1",
     "\"rope_parameters\": {\"rope_theta\": 1000000.0, \"rope_type\": \"default\"}, \"x\": 1", 0, ""},
    {"ok: new dtype", "torch_dtype", "dtype", 0, ""},
    {"ok: several eos", "\"eos_token_id\": 2", "\"eos_token_id\": [2, 1]", 0, ""},
    {"ok: head_dim", "{", "{\"head_dim\": 4,", 0, ""},
};

static void config_cases(void **state)
{
    (void)state;
    const char *dir = sharded_folder("config");
    int bad = 0;
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        char *before = hf_folder_edit(dir, "config.json", configs[i].old, configs[i].new);
        bad |= try_folder(configs[i].id, dir, configs[i].code, configs[i].says);
        hf_folder_restore(dir, "config.json", before);
    }
    assert_false(bad);
}

static void st79_vocabulary(void **state)
{
    (void)state;
    struct model_config c = hf_folder_config();
    struct err e = {0};
    assert_int_equal(hf_config_check_vocab(&c, 40, &e), 0);
    assert_int_equal(hf_config_check_vocab(&c, 41, &e), ERR_CFG_VOCAB);
    assert_non_null(strstr(e.msg, "vocab_size is 40"));
}

static const struct {
    const char *id, *text;
    int code;
    const char *says;
} generations[] = {
    {"temperature", "{\"temperature\": -1}", ERR_FIELD_RANGE, "temperature is -1"},
    {"top_p", "{\"top_p\": 1.5}", ERR_FIELD_RANGE, "top_p is 1.5"},
    {"top_k", "{\"top_k\": -1}", ERR_FIELD_RANGE, "top_k"},
    {"penalty", "{\"repetition_penalty\": 0}", ERR_FIELD_RANGE, "repetition_penalty"},
    {"eos", "{\"eos_token_id\": [1, 400]}", ERR_TOKEN_RANGE, "eos_token_id is 400"},
    {"eos text", "{\"eos_token_id\": \"</s>\"}", ERR_FIELD_TYPE, "eos_token_id"},
    {"nine eos", "{\"eos_token_id\": [1,2,3,4,5,6,7,8,9]}", ERR_TOO_MANY, "eos_token_id"},
    {"root", "3", ERR_FIELD_TYPE, "generation_config.json"},
    {"ok: empty", "{}", 0, ""},
};

static void generation_cases(void **state)
{
    (void)state;
    const char *dir = sharded_folder("generation");
    int bad = 0;
    for (size_t i = 0; i < sizeof generations / sizeof *generations; i++) {
        free(hf_folder_edit(dir, "generation_config.json", NULL, generations[i].text));
        bad |= try_folder(generations[i].id, dir, generations[i].code, generations[i].says);
    }
    assert_false(bad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensor_cases),     cmocka_unit_test(st65_bf16),
        cmocka_unit_test(index_cases),      cmocka_unit_test(st74_a_million_shards),
        cmocka_unit_test(st68_symlinks),    cmocka_unit_test(st72_tensor_in_two_shards),
        cmocka_unit_test(config_cases),     cmocka_unit_test(st79_vocabulary),
        cmocka_unit_test(generation_cases),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
