#include "infer/gguf_adapter.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- names --------------------------------------------------------------------------------------------- */

static int parse_name(struct adapter_slot *s, const char *name, uint32_t layers)
{
    const struct model_config c = {.layers = layers};
    size_t n = strlen(name), tail = sizeof ".lora_a" - 1;
    char weight[ADAPTER_NAME];
    if (n <= tail || n >= sizeof weight) return 0;
    const char *end = name + n - tail;
    if (strcmp(end, ".lora_a") && strcmp(end, ".lora_b")) return 0;
    snprintf(weight, sizeof weight, "%.*s", (int)(end - name), name);
    int64_t slot = params_find_as(&c, PARAMS_GGUF, weight);
    if (slot < 0 || slot >= (int64_t)layers * P_LAYER_COUNT) return 0;
    enum param p = params_of_slot(&c, (uint32_t)slot, &s->layer);
    s->is_b = name[n - 1] == 'b';
    for (int t = 0; t < LORA_TARGETS; t++)
        if (lora_param[t] == p) return s->target = (enum lora_target)t, 1;
    return 0;
}

static void write_name(char name[ADAPTER_NAME], struct adapter_slot s)
{
    const struct model_config c = {.layers = s.layer + 1};
    char weight[96];
    params_name_as(&c, PARAMS_GGUF, params_slot(&c, lora_param[s.target], s.layer), weight, sizeof weight);
    snprintf(name, ADAPTER_NAME, "%s.lora_%c", weight, s.is_b ? 'b' : 'a');
}

const struct adapter_naming gguf_adapter_naming = {parse_name, write_name, {"output.", "token_embd."}};

/* ---- keys ---------------------------------------------------------------------------------------------- */

static int check_kind(const struct gguf *g, struct err *e)
{
    static const struct {
        const char *key, *want;
    } rows[] = {{"general.type", "adapter"}, {"adapter.type", "lora"}, {"general.architecture", "qwen2"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *s = "(absent)";
        size_t n = 8;
        int r = gguf_get_string(g, rows[i].key, false, &s, &n, e);
        if (r) return r;
        if (!gguf_is(g, rows[i].key, rows[i].want))
            return err_set(e, ERR_AD_TYPE, "%s: %s is %.*s, expected \"%s\"%s", gguf_label(g), rows[i].key,
                           (int)(n < 60 ? n : 60), s, rows[i].want,
                           i ? "" : "; a whole model goes to -m, not to --lora");
    }
    return 0;
}

/* A short text; `out` keeps what it was when the key is absent. */
static int get_text(const struct gguf *g, const char *key, char *out, size_t size, struct err *e)
{
    const char *s = NULL;
    size_t n = 0;
    int r = gguf_get_string(g, key, false, &s, &n, e);
    if (r || !s) return r;
    if (n >= size)
        return err_set(e, ERR_FIELD_RANGE, "%s: %s has %zu bytes, expected less than %zu", gguf_label(g), key,
                       n, size);
    memcpy(out, s, n);
    out[n] = 0;
    return 0;
}

static int get_invocation(struct adapter_info *info, const struct gguf *g, struct err *e)
{
    const struct gguf_kv *kv;
    int r = gguf_get_array(g, "adapter.alora.invocation_tokens", false, GGUF_U32, &kv, e);
    if (r || !kv) return r;
    if (kv->n > ADAPTER_MAX_INVOCATION)
        return err_set(e, ERR_TOO_MANY, "%s: %llu invocation tokens, the limit is %d", gguf_label(g),
                       (unsigned long long)kv->n, ADAPTER_MAX_INVOCATION);
    for (uint64_t i = 0; i < kv->n; i++) {
        int64_t id;
        if (!gguf_int_at(kv, i, &id) || id < 0 || id > INT32_MAX) id = INT32_MAX; /* no model has it */
        info->invocation[info->n_invocation++] = (int32_t)id;
    }
    return 0;
}

/* alpha as llama.cpp takes it: scale = alpha / R, and 0 stands for a scale of 1. Ours, if it is there, has to
 * agree with that. */
static int get_alpha(struct adapter_config *c, const struct gguf *g, struct err *e)
{
    double alpha = 0, trained = 0;
    int r = gguf_get_float(g, "adapter.lora.alpha", true, &alpha, e);
    if (!r) r = gguf_get_float(g, "terse.alpha", false, &trained, e);
    if (!r) r = gguf_get_bool(g, "terse.rslora", false, &c->rslora, e);
    if (r) return r;
    c->alpha = alpha != 0 ? alpha : c->rank;
    if (trained == 0) {
        c->rslora = false;
        return 0;
    }
    c->alpha = trained;
    if ((float)(adapter_scale(c) * c->rank) == (float)alpha) return 0;
    return err_set(e, ERR_AD_ALPHA, "%s: adapter.lora.alpha is %g, but terse.alpha %g%s makes it %g",
                   gguf_label(g), alpha, trained, c->rslora ? " (rsLoRA)" : "", adapter_scale(c) * c->rank);
}

static int get_keys(struct adapter_config *c, struct adapter_info *info, const struct gguf *g, struct err *e)
{
    char gate[32] = "";
    int r = get_text(g, "terse.gate", gate, sizeof gate, e);
    if (!r) r = get_text(g, "terse.base", info->base, sizeof info->base, e);
    if (!r) r = get_text(g, "terse.tokenizer", info->tokenizer, sizeof info->tokenizer, e);
    if (!r) r = get_text(g, "terse.adapter", info->self, sizeof info->self, e);
    if (!r) r = get_text(g, "general.base_model.0.name", info->base_name, sizeof info->base_name, e);
    if (!r) r = get_invocation(info, g, e);
    if (!r) r = adapter_gate_read(&c->gate, *gate ? gate : NULL, info->n_invocation, gguf_label(g), e);
    return r ? r : get_alpha(c, g, e);
}

/* ---- tensors ------------------------------------------------------------------------------------------- */

/* What the names say is adapted, and the first A's rank. */
static void derive(struct adapter_config *c, const struct gguf *g, const struct model_config *m)
{
    for (size_t i = 0; i < gguf_count(g); i++) {
        const struct tensor *t = gguf_at(g, i);
        struct adapter_slot s;
        if (!parse_name(&s, t->name, m->layers)) continue;
        c->targets |= 1u << s.target;
        if (!c->rank && !s.is_b && t->rank == 2 && t->shape[0] <= UINT32_MAX) c->rank = (uint32_t)t->shape[0];
    }
}

static int match(struct adapter **out, bool *cold, const struct gguf *g, const struct model_config *m,
                 const struct adapter_config *c, struct err *e)
{
    size_t n = gguf_count(g);
    const struct tensor **all = calloc(n + 1, sizeof *all), **found = calloc(adapter_slots(m), sizeof *found);
    int r = all && found ? 0 : err_set(e, ERR_NOMEM, "no memory to sort %zu tensors", n);
    for (size_t i = 0; !r && i < n; i++) all[i] = gguf_at(g, i);
    if (!r) r = adapter_match(found, all, n, m, c, &gguf_adapter_naming, e);
    if (!r) r = adapter_create(out, m, c, e);
    if (!r) r = adapter_fill(*out, found, cold, e);
    free(all);
    free(found);
    return r;
}

int gguf_adapter_read(struct adapter **out, struct adapter_info *info, bool *cold, const struct gguf *g,
                      const struct model_config *m, const struct adapter_expect *x, struct err *e)
{
    struct adapter_config c = {0};
    struct err why = {0};
    bool is_cold = false;
    *out = NULL;
    *info = (struct adapter_info){0};
    int r = check_kind(g, e);
    if (r) return r;
    derive(&c, g, m);
    r = get_keys(&c, info, g, e);
    if (!r) r = adapter_invocation_check(info, m, gguf_label(g), e);
    if (!r && x) r = adapter_expect_check(info, x, gguf_label(g), e);
    if (r) return r;
    r = match(out, &is_cold, g, m, &c, &why);
    if (r) err_set(e, r, "%s: %s", gguf_label(g), why.msg);
    if (!r && is_cold && x && x->strict)
        r = err_set(e, ERR_AD_COLD, "%s: every B is zero, the adapter changes nothing", gguf_label(g));
    if (r) adapter_free(*out), *out = NULL;
    if (cold) *cold = is_cold;
    return r;
}

int gguf_adapter_load(struct adapter **out, struct adapter_info *info, bool *cold, const char *path,
                      const struct model_config *m, const struct adapter_expect *x, struct err *e)
{
    struct gguf *g;
    struct err why = {0};
    *out = NULL;
    int r = gguf_open(&g, path, e);
    if (r) return r;
    r = gguf_adapter_read(out, info, cold, g, m, x, &why);
    int changed = gguf_intact(g, e);
    if (r && !changed) err_set(e, r, "%s", why.msg);
    if (changed) {
        adapter_free(*out);
        *out = NULL;
    }
    gguf_close(g);
    return changed ? changed : r;
}
