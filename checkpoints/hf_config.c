#include "checkpoints/hf_config.h"
#include "checkpoints/file.h"
#include "checkpoints/json.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* A JSON object and how to call it in messages. */
struct source {
    struct js *root;
    char path[FILE_PATH];
};

static int source_load(struct source *s, struct err *e)
{
    struct err why = {0};
    int rc = js_load(&s->root, s->path, &(struct js_limits){.bytes = 16 << 20, .values = 1 << 18}, &why);
    /* Python writes NaN and Infinity as such: to the reader of a config that is a value out of range */
    if (rc == ERR_JSON_NUMBER) rc = ERR_CFG_RANGE;
    if (rc) return err_set(e, rc, "%s", why.msg);
    if (js_type(s->root) == JS_OBJECT) return 0;
    return err_set(e, ERR_FIELD_TYPE, "%s is %s, expected an object", s->path,
                   js_type_name(js_type(s->root)));
}

static int get_u32(const struct source *s, const char *key, uint32_t *out, struct err *e)
{
    int64_t v;
    int rc = js_need_int(s->root, s->path, key, INT64_MIN, INT64_MAX, &v, e);
    if (rc) return rc;
    if (v < 0 || v > UINT32_MAX)
        return err_set(e, ERR_CFG_RANGE, "%s: %s is %" PRId64 ", out of range", s->path, key, v);
    *out = (uint32_t)v;
    return 0;
}

static bool given(const struct source *s, const char *key)
{
    return js_type(js_get(s->root, key)) != JS_NULL;
}

/* ---- token ids ------------------------------------------------------------------------------------------
 */

static int read_id(const struct source *s, const struct js *v, const char *key, uint32_t vocab, int32_t *out,
                   struct err *e)
{
    int64_t id;
    if (!js_int(v, &id))
        return err_set(e, ERR_FIELD_TYPE, "%s: %s is %s, expected a token id", s->path, key,
                       js_type_name(js_type(v)));
    if (id < 0 || id >= vocab)
        return err_set(e, ERR_TOKEN_RANGE, "%s: %s is %" PRId64 ", but the vocabulary has %u tokens", s->path,
                       key, id, vocab);
    *out = (int32_t)id;
    return 0;
}

/* One id or a list of them; absent or null leaves what was. */
static int read_eos(const struct source *s, struct model_config *c, struct err *e)
{
    const char *key = "eos_token_id";
    const struct js *v = js_get(s->root, key);
    size_t n = js_type(v) == JS_ARRAY ? js_size(v) : 1;
    if (!given(s, key)) return 0;
    if (n > CONFIG_MAX_EOS)
        return err_set(e, ERR_TOO_MANY, "%s: %s lists %zu tokens, at most %d are supported", s->path, key, n,
                       CONFIG_MAX_EOS);
    for (size_t i = 0; i < n; i++) {
        int rc = read_id(s, js_type(v) == JS_ARRAY ? js_at(v, i) : v, key, c->vocab, &c->eos[i], e);
        if (rc) return rc;
    }
    c->n_eos = (uint32_t)n;
    return 0;
}

static int read_tokens(const struct source *s, struct model_config *c, struct err *e)
{
    int rc = read_eos(s, c, e);
    if (!rc && given(s, "bos_token_id"))
        rc = read_id(s, js_get(s->root, "bos_token_id"), "bos_token_id", c->vocab, &c->bos, e);
    if (!rc && given(s, "pad_token_id"))
        rc = read_id(s, js_get(s->root, "pad_token_id"), "pad_token_id", c->vocab, &c->pad, e);
    return rc;
}

/* ---- config.json ----------------------------------------------------------------------------------------
 */

static int refuse(const struct source *s, const char *what, const char *value, struct err *e)
{
    return err_set(e, ERR_CFG_TYPE, "%s: %s %s is not supported", s->path, what,
                   value ? value : "of this kind");
}

static int check_type(const struct source *s, struct err *e)
{
    const char *type = NULL, *act = "silu";
    bool window = false;
    int rc = js_want_string(s->root, s->path, "model_type", &type, e);
    if (!rc) rc = js_want_string(s->root, s->path, "hidden_act", &act, e);
    if (!rc) rc = js_want_bool(s->root, s->path, "use_sliding_window", &window, e);
    if (rc) return rc;
    if (!js_is(js_get(s->root, "model_type"), "qwen2"))
        return err_set(e, ERR_CFG_TYPE, "%s: model_type is \"%.40s\", expected \"qwen2\"", s->path,
                       type ? type : "");
    if (!js_is(js_get(s->root, "hidden_act"), "silu") && given(s, "hidden_act"))
        return refuse(s, "hidden_act", act, e);
    if (window) return refuse(s, "use_sliding_window", "true", e);
    if (given(s, "quantization_config")) return refuse(s, "quantization_config", "(quantised weights)", e);
    for (struct js_iter it = {0}; js_next(js_get(s->root, "layer_types"), &it);)
        if (!js_is(it.value, "full_attention")) return refuse(s, "layer_types", js_string(it.value, NULL), e);
    return 0;
}

/* rope_theta in one of its two places, and no scaling in either. */
static int read_rope(const struct source *s, struct model_config *c, struct err *e)
{
    static const char *const places[] = {"rope_scaling", "rope_parameters"};
    double outer = NAN, inner = NAN;
    int rc = js_want_number(s->root, s->path, "rope_theta", &outer, e);
    for (int i = 0; i < 2 && !rc; i++) {
        const struct js *o = NULL;
        const char *type = "default";
        rc = js_want(s->root, s->path, places[i], JS_OBJECT, &o, e);
        if (rc || !o) continue;
        rc = js_want_string(o, s->path, "type", &type, e); /* the older name of rope_type */
        if (!rc) rc = js_want_string(o, s->path, "rope_type", &type, e);
        if (!rc && i == 1) rc = js_want_number(o, s->path, "rope_theta", &inner, e);
        if (!rc && strcmp(type, "default")) rc = refuse(s, places[i], type, e);
    }
    if (rc) return rc;
    if (isfinite(outer) && isfinite(inner) && outer != inner)
        return err_set(e, ERR_CFG_RANGE, "%s: rope_theta is %g, but %g in rope_parameters", s->path, outer,
                       inner);
    c->rope_theta = isfinite(inner) ? inner : isfinite(outer) ? outer : 10000; /* Hugging Face's default */
    return 0;
}

static int read_heads(const struct source *s, struct model_config *c, struct err *e)
{
    int rc = get_u32(s, "num_attention_heads", &c->heads, e);
    if (!rc) rc = get_u32(s, "num_key_value_heads", &c->kv_heads, e);
    if (!rc && given(s, "head_dim")) return get_u32(s, "head_dim", &c->head_dim, e);
    if (rc || !c->heads) return rc;
    c->head_dim = c->width / c->heads;
    if (c->width % c->heads == 0) return 0;
    return err_set(e, ERR_CFG_HEADS, "%s: hidden_size %u is not a multiple of num_attention_heads %u",
                   s->path, c->width, c->heads);
}

static int read_config(const struct source *s, struct model_config *c, struct err *e)
{
    struct err why = {0};
    model_config_init(c);
    int rc = check_type(s, e);
    if (!rc) rc = get_u32(s, "num_hidden_layers", &c->layers, e);
    if (!rc) rc = get_u32(s, "hidden_size", &c->width, e);
    if (!rc) rc = get_u32(s, "intermediate_size", &c->ff, e);
    if (!rc) rc = get_u32(s, "vocab_size", &c->vocab, e);
    if (!rc && given(s, "max_position_embeddings"))
        rc = get_u32(s, "max_position_embeddings", &c->max_positions, e);
    if (!rc) rc = read_heads(s, c, e);
    if (!rc) rc = read_rope(s, c, e);
    if (!rc) rc = js_want_number(s->root, s->path, "rms_norm_eps", &c->rms_eps, e);
    if (!rc) rc = js_want_number(s->root, s->path, "initializer_range", &c->init_std, e);
    if (!rc) rc = js_want_bool(s->root, s->path, "tie_word_embeddings", &c->tied, e);
    if (rc) return rc;
    if (!(c->init_std >= 0 && c->init_std < 1e3))
        return err_set(e, ERR_CFG_RANGE, "%s: initializer_range is %g, expected 0 or more", s->path,
                       c->init_std);
    rc = model_config_check(c, &why);
    if (rc) return err_set(e, rc, "%s: %s", s->path, why.msg);
    return read_tokens(s, c, e);
}

/* ---- generation_config.json -----------------------------------------------------------------------------
 */

static int read_sampling(const struct source *s, struct model_config *c, struct err *e)
{
    int64_t top_k = c->top_k;
    bool sample = true;
    int rc = js_want_number(s->root, s->path, "temperature", &c->temperature, e);
    if (!rc) rc = js_want_number(s->root, s->path, "top_p", &c->top_p, e);
    if (!rc) rc = js_want_number(s->root, s->path, "repetition_penalty", &c->repetition_penalty, e);
    if (!rc) rc = js_want_int(s->root, s->path, "top_k", 0, INT32_MAX, &top_k, e);
    if (!rc) rc = js_want_bool(s->root, s->path, "do_sample", &sample, e);
    if (rc) return rc;
    if (!(c->temperature >= 0 && c->temperature <= 100))
        return err_set(e, ERR_FIELD_RANGE, "%s: temperature is %g, expected 0 to 100", s->path,
                       c->temperature);
    if (!(c->top_p > 0 && c->top_p <= 1))
        return err_set(e, ERR_FIELD_RANGE, "%s: top_p is %g, expected more than 0, at most 1", s->path,
                       c->top_p);
    if (!(c->repetition_penalty > 0 && c->repetition_penalty <= 100))
        return err_set(e, ERR_FIELD_RANGE, "%s: repetition_penalty is %g, expected more than 0, at most 100",
                       s->path, c->repetition_penalty);
    c->top_k = (uint32_t)top_k;
    if (!sample) c->temperature = 0;
    return 0;
}

static int load_generation(struct model_config *c, const char *dir, struct err *e)
{
    struct source s = {0};
    int rc = file_path(s.path, e, "%s/generation_config.json", dir);
    if (rc || !file_exists(s.path)) return rc;
    rc = source_load(&s, e);
    if (!rc) rc = read_tokens(&s, c, e);
    if (!rc) rc = read_sampling(&s, c, e);
    js_free(s.root);
    return rc;
}

/* ---- both -----------------------------------------------------------------------------------------------
 */

int hf_config_load_file(struct model_config *c, const char *path, struct err *e)
{
    struct source s = {0};
    int rc = file_path(s.path, e, "%s", path);
    if (!rc) rc = source_load(&s, e);
    if (!rc) rc = read_config(&s, c, e);
    js_free(s.root);
    return rc;
}

int hf_config_shape(struct model_config *c, const char *shape, struct err *e)
{
    size_t n = strlen(shape);
    bool file = n > 5 && !strcmp(shape + n - 5, ".json");
    return file ? hf_config_load_file(c, shape, e) : model_config_named(c, shape, e);
}

int hf_config_load(struct model_config *c, const char *dir, struct err *e)
{
    char path[FILE_PATH];
    int rc = file_path(path, e, "%s/config.json", dir);
    if (!rc) rc = hf_config_load_file(c, path, e);
    return rc ? rc : load_generation(c, dir, e);
}

int hf_config_check_vocab(const struct model_config *c, int64_t tokens, struct err *e)
{
    if (tokens <= (int64_t)c->vocab) return 0;
    return err_set(e, ERR_CFG_VOCAB, "vocab_size is %u, but the tokenizer has ids up to %" PRId64, c->vocab,
                   tokens - 1);
}

/* ---- writing --------------------------------------------------------------------------------------------
 */

static void put_id(struct js_out *w, const char *key, int32_t id)
{
    if (id >= 0) js_put_int(w, key, id);
}

static int save_config(const struct model_config *c, enum dtype dtype, const char *path, struct err *e)
{
    struct js_out w;
    js_out_init(&w, 2);
    js_object(&w, NULL);
    js_array(&w, "architectures");
    js_put_string(&w, NULL, "Qwen2ForCausalLM");
    js_close(&w);
    js_put_real(&w, "attention_dropout", 0);
    put_id(&w, "bos_token_id", c->bos);
    if (c->n_eos) js_put_int(&w, "eos_token_id", c->eos[0]);
    if ((uint64_t)c->head_dim * c->heads != c->width) js_put_uint(&w, "head_dim", c->head_dim);
    js_put_string(&w, "hidden_act", "silu");
    js_put_uint(&w, "hidden_size", c->width);
    js_put_real(&w, "initializer_range", c->init_std);
    js_put_uint(&w, "intermediate_size", c->ff);
    js_put_uint(&w, "max_position_embeddings", c->max_positions);
    js_put_uint(&w, "max_window_layers", c->layers);
    js_put_string(&w, "model_type", "qwen2");
    js_put_uint(&w, "num_attention_heads", c->heads);
    js_put_uint(&w, "num_hidden_layers", c->layers);
    js_put_uint(&w, "num_key_value_heads", c->kv_heads);
    js_put_real(&w, "rms_norm_eps", c->rms_eps);
    js_put_real(&w, "rope_theta", c->rope_theta);
    js_put_uint(&w, "sliding_window", c->max_positions);
    js_put_bool(&w, "tie_word_embeddings", c->tied);
    js_put_string(&w, "torch_dtype", dtype == DTYPE_BF16 ? "bfloat16" : "float32");
    js_put_string(&w, "transformers_version", "4.43.1");
    js_put_bool(&w, "use_cache", true);
    js_put_bool(&w, "use_sliding_window", false);
    js_put_uint(&w, "vocab_size", c->vocab);
    js_close(&w);
    return js_out_save(&w, path, e);
}

static int save_generation(const struct model_config *c, const char *path, struct err *e)
{
    struct js_out w;
    bool sample = c->temperature > 0;
    js_out_init(&w, 2);
    js_object(&w, NULL);
    put_id(&w, "bos_token_id", c->bos);
    js_put_bool(&w, "do_sample", sample);
    if (c->n_eos) js_array(&w, "eos_token_id");
    for (uint32_t i = 0; i < c->n_eos; i++) js_put_int(&w, NULL, c->eos[i]);
    if (c->n_eos) js_close(&w);
    put_id(&w, "pad_token_id", c->pad);
    js_put_real(&w, "repetition_penalty", c->repetition_penalty);
    if (sample) {
        js_put_real(&w, "temperature", c->temperature);
        js_put_uint(&w, "top_k", c->top_k);
        js_put_real(&w, "top_p", c->top_p);
    }
    js_put_string(&w, "transformers_version", "4.43.1");
    js_close(&w);
    return js_out_save(&w, path, e);
}

int hf_config_save(const struct model_config *c, enum dtype dtype, const char *dir, struct err *e)
{
    char path[FILE_PATH];
    int rc = file_path(path, e, "%s/config.json", dir);
    if (!rc) rc = save_config(c, dtype, path, e);
    if (!rc) rc = file_path(path, e, "%s/generation_config.json", dir);
    return rc ? rc : save_generation(c, path, e);
}
