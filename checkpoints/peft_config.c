#include "checkpoints/json.h"
#include "checkpoints/peft_parts.h"

#include <math.h>
#include <string.h>

enum { CONFIG_MAX_BYTES = 1 << 20, CONFIG_MAX_VALUES = 10000, PEFT_DEFAULT_RANK = 8 };

/* Keys read below, and keys that change nothing for us. Any other must be off: null, false, 0, empty. So what
 * some later PEFT invents is refused when it is used and no sooner. */
static const char *const known_keys[] = {
    "peft_type",      "r",
    "lora_alpha",     "lora_dropout",
    "use_rslora",     "bias",
    "target_modules", "rank_pattern",
    "alpha_pattern",  "init_lora_weights",
    "task_type",      "base_model_name_or_path",
    "inference_mode", "alora_invocation_tokens",
    "revision",       "peft_version",
    "auto_mapping",   "megatron_core",
    "runtime_config", "qalora_group_size",
    "loftq_config",   "ensure_weight_tying",
};

static bool is_known(const char *key)
{
    for (size_t i = 0; i < sizeof known_keys / sizeof *known_keys; i++)
        if (!strcmp(key, known_keys[i])) return true;
    return false;
}

static bool is_off(const struct js *v)
{
    double x;
    switch (js_type(v)) {
    case JS_NULL:
        return true;
    case JS_BOOL:
        return !js_true(v);
    case JS_STRING:
    case JS_ARRAY:
    case JS_OBJECT:
        return js_size(v) == 0;
    default:
        return js_number(v, &x) && x == 0;
    }
}

static int others_check(const struct js *o, const char *path, struct err *e)
{
    for (struct js_iter it = {0}; js_next(o, &it);)
        if (!is_known(it.key) && !is_off(it.value))
            return err_set(e, ERR_AD_UNSUPPORTED,
                           "%s: \"%.64s\" is in use (%s), which terse does not support", path, it.key,
                           js_type_name(js_type(it.value)));
    return 0;
}

static int bias_check(const struct js *o, const char *path, struct err *e)
{
    const struct js *bias = js_get(o, "bias");
    if (js_type(bias) == JS_NULL || js_is(bias, "none")) return 0;
    return err_set(e, ERR_AD_UNSUPPORTED, "%s: bias is not \"none\"; terse adapts no biases", path);
}

/* PiSSA, OLoRA, CorDA, LoftQ ... rewrite the base's weights when they start: such an A and B fit no plain
 * base. */
static int init_check(const struct js *o, const char *path, struct err *e)
{
    const struct js *init = js_get(o, "init_lora_weights");
    if (js_type(init) == JS_NULL || js_type(init) == JS_BOOL) return 0;
    if (js_is(init, "gaussian") || js_is(init, "eva") || js_is(init, "orthogonal")) return 0;
    return err_set(e, ERR_AD_UNSUPPORTED,
                   "%s: init_lora_weights is %.32s, expected true, false, \"gaussian\", \"eva\" or "
                   "\"orthogonal\"",
                   path, js_string(init, NULL) ? js_string(init, NULL) : js_type_name(js_type(init)));
}

/* {} alone is supported; anything else is told apart for the message: malformed, or well-formed but not ours.
 */
static int pattern_check(const struct js *o, const char *key, const char *path, struct err *e)
{
    const struct js *v = js_get(o, key);
    if (js_type(v) == JS_NULL) return 0;
    if (js_type(v) != JS_OBJECT)
        return err_set(e, ERR_AD_RANK, "%s: %s is %s, expected an object", path, key,
                       js_type_name(js_type(v)));
    for (struct js_iter it = {0}; js_next(v, &it);) {
        double x;
        if (!js_number(it.value, &x) || !(x > 0))
            return err_set(e, ERR_AD_RANK, "%s: %s has no positive number for \"%.64s\"", path, key, it.key);
    }
    if (js_size(v) == 0) return 0;
    return err_set(e, ERR_AD_UNSUPPORTED,
                   "%s: %s is not empty; terse gives every module one rank and one alpha", path, key);
}

static int rank_read(struct adapter_config *c, const struct js *o, const char *path, struct err *e)
{
    const struct js *v = js_get(o, "r");
    int64_t r = PEFT_DEFAULT_RANK;
    if (v && (!js_int(v, &r) || r < 1 || r > LORA_MAX_RANK))
        return err_set(e, ERR_AD_RANK, "%s: r is no integer from 1 to %d", path, LORA_MAX_RANK);
    c->rank = (uint32_t)r;
    return 0;
}

static int alpha_read(struct adapter_config *c, const struct js *o, const char *path, struct err *e)
{
    const struct js *v = js_get(o, "lora_alpha");
    c->alpha = PEFT_DEFAULT_RANK;
    if (v && (!js_number(v, &c->alpha) || !isfinite(c->alpha) || !(c->alpha > 0)))
        return err_set(e, ERR_AD_ALPHA, "%s: lora_alpha is no finite number above 0", path);
    return 0;
}

static int dropout_read(struct adapter_config *c, const struct js *o, const char *path, struct err *e)
{
    c->dropout = 0;
    int r = js_want_number(o, path, "lora_dropout", &c->dropout, e);
    if (r || (c->dropout >= 0 && c->dropout < 1)) return r;
    return err_set(e, ERR_FIELD_RANGE, "%s: lora_dropout is %g, expected 0 to below 1", path, c->dropout);
}

static int target_read(uint32_t *targets, const struct js *v, const char *path, struct err *e)
{
    const char *name = js_string(v, NULL);
    for (int t = 0; name && t < LORA_TARGETS; t++) {
        if (strcmp(name, params[lora_param[t]].target)) continue;
        if (*targets >> t & 1)
            return err_set(e, ERR_AD_TARGET, "%s: target_modules names %s twice", path, name);
        *targets |= 1u << t;
        return 0;
    }
    return err_set(e, ERR_AD_TARGET,
                   "%s: target_modules holds %.64s, expected q_proj, k_proj, v_proj, o_proj, gate_proj, "
                   "up_proj or down_proj",
                   path, name ? name : js_type_name(js_type(v)));
}

/* A list of names. A lone string would be a regular expression to PEFT and is never run; "all-linear" is the
 * one that is no expression. */
static int targets_read(struct adapter_config *c, const struct js *o, const char *path, struct err *e)
{
    const struct js *v = js_get(o, "target_modules");
    c->targets = js_is(v, "all-linear") ? LORA_ALL : 0;
    if (c->targets) return 0;
    if (js_type(v) != JS_ARRAY || js_size(v) == 0)
        return err_set(e, ERR_AD_TARGET, "%s: target_modules is %s, expected a list of module names", path,
                       js_type(v) == JS_ARRAY ? "empty" : js_type_name(js_type(v)));
    for (struct js_iter it = {0}; js_next(v, &it);) {
        int r = target_read(&c->targets, it.value, path, e);
        if (r) return r;
    }
    return 0;
}

static int invocation_read(struct adapter_info *info, const struct js *o, const char *path, struct err *e)
{
    const struct js *v = NULL;
    int r = js_want(o, path, "alora_invocation_tokens", JS_ARRAY, &v, e);
    if (r || !v) return r;
    if (js_size(v) < 1 || js_size(v) > ADAPTER_MAX_INVOCATION)
        return err_set(e, ERR_FIELD_RANGE, "%s: alora_invocation_tokens has %zu tokens, expected 1 to %d",
                       path, js_size(v), ADAPTER_MAX_INVOCATION);
    for (struct js_iter it = {0}; js_next(v, &it);) {
        int64_t id;
        if (!js_int(it.value, &id) || id < 0 || id > INT32_MAX)
            return err_set(e, ERR_FIELD_TYPE, "%s: alora_invocation_tokens[%zu] is no token id", path,
                           it.index);
        info->invocation[info->n_invocation++] = (int32_t)id;
    }
    return 0;
}

static int base_read(struct adapter_info *info, const struct js *o, const char *path, struct err *e)
{
    const char *name = "";
    int r = js_want_string(o, path, "base_model_name_or_path", &name, e);
    if (r) return r;
    if (strlen(name) >= sizeof info->base_name)
        return err_set(e, ERR_NAME_LEN, "%s: base_model_name_or_path has %zu bytes, expected at most %zu",
                       path, strlen(name), sizeof info->base_name - 1);
    strcpy(info->base_name, name);
    return 0;
}

static int config_read(struct adapter_config *c, struct adapter_info *info, const struct js *o,
                       const char *path, struct err *e)
{
    if (js_type(o) != JS_OBJECT || !js_is(js_get(o, "peft_type"), "LORA"))
        return err_set(e, ERR_AD_TYPE, "%s: peft_type is not \"LORA\"", path);
    *c = (struct adapter_config){.gate = GATE_ALL};
    int r = rank_read(c, o, path, e);
    if (!r) r = alpha_read(c, o, path, e);
    if (!r) r = dropout_read(c, o, path, e);
    if (!r) r = js_want_bool(o, path, "use_rslora", &c->rslora, e);
    if (!r) r = targets_read(c, o, path, e);
    if (!r) r = pattern_check(o, "rank_pattern", path, e);
    if (!r) r = pattern_check(o, "alpha_pattern", path, e);
    if (!r) r = bias_check(o, path, e);
    if (!r) r = init_check(o, path, e);
    if (!r) r = invocation_read(info, o, path, e);
    if (!r) r = base_read(info, o, path, e);
    if (!r) r = others_check(o, path, e);
    return r;
}

int peft_config_load(struct adapter_config *c, struct adapter_info *info, const char *path, struct err *e)
{
    const struct js_limits limits = {.bytes = CONFIG_MAX_BYTES, .values = CONFIG_MAX_VALUES, .depth = 8};
    struct js *root = NULL;
    int r = js_load(&root, path, &limits, e);
    if (!r) r = config_read(c, info, root, path, e);
    js_free(root);
    return r;
}

static void put_targets(struct js_out *w, uint32_t targets)
{
    js_array(w, "target_modules");
    for (int t = 0; t < LORA_TARGETS; t++)
        if (targets >> t & 1) js_put_string(w, NULL, params[lora_param[t]].target);
    js_close(w);
}

static void put_invocation(struct js_out *w, const struct adapter_info *info)
{
    if (!info->n_invocation) return;
    js_array(w, "alora_invocation_tokens");
    for (uint32_t i = 0; i < info->n_invocation; i++) js_put_int(w, NULL, info->invocation[i]);
    js_close(w);
}

static void put_empty(struct js_out *w, const char *key)
{
    js_object(w, key);
    js_close(w);
}

/* PEFT declares lora_alpha an int and copes with a float. */
static void put_alpha(struct js_out *w, double alpha)
{
    if (alpha == floor(alpha) && alpha < 1e15)
        js_put_int(w, "lora_alpha", (int64_t)alpha);
    else
        js_put_real(w, "lora_alpha", alpha);
}

int peft_config_save(const char *path, const struct adapter_config *c, const struct adapter_info *info,
                     struct err *e)
{
    struct js_out w;
    js_out_init(&w, 2);
    js_object(&w, NULL);
    put_invocation(&w, info);
    put_empty(&w, "alpha_pattern");
    if (info->base_name[0])
        js_put_string(&w, "base_model_name_or_path", info->base_name);
    else
        js_put_null(&w, "base_model_name_or_path");
    js_put_string(&w, "bias", "none");
    js_put_bool(&w, "fan_in_fan_out", false);
    js_put_bool(&w, "inference_mode", true);
    js_put_bool(&w, "init_lora_weights", true);
    put_alpha(&w, c->alpha);
    js_put_real(&w, "lora_dropout", c->dropout);
    js_put_null(&w, "modules_to_save");
    js_put_string(&w, "peft_type", "LORA");
    js_put_int(&w, "r", c->rank);
    put_empty(&w, "rank_pattern");
    js_put_null(&w, "revision");
    put_targets(&w, c->targets);
    js_put_string(&w, "task_type", "CAUSAL_LM");
    js_put_bool(&w, "use_dora", false);
    js_put_bool(&w, "use_rslora", c->rslora);
    js_close(&w);
    return js_out_save(&w, path, e);
}
