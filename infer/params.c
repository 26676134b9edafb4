#include "infer/params.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define LAYER "model.layers.%u."

const struct param_spec params[P_COUNT] = {
    [P_NORM1] = {LAYER "input_layernorm.weight", "blk.%u.attn_norm.weight", PARAM_NORM, 'D', 0, NULL},
    [P_Q] = {LAYER "self_attn.q_proj.weight", "blk.%u.attn_q.weight", PARAM_MATRIX, 'Q', 'D', "q_proj"},
    [P_QB] = {LAYER "self_attn.q_proj.bias", "blk.%u.attn_q.bias", PARAM_BIAS, 'Q', 0, NULL},
    [P_K] = {LAYER "self_attn.k_proj.weight", "blk.%u.attn_k.weight", PARAM_MATRIX, 'G', 'D', "k_proj"},
    [P_KB] = {LAYER "self_attn.k_proj.bias", "blk.%u.attn_k.bias", PARAM_BIAS, 'G', 0, NULL},
    [P_V] = {LAYER "self_attn.v_proj.weight", "blk.%u.attn_v.weight", PARAM_MATRIX, 'G', 'D', "v_proj"},
    [P_VB] = {LAYER "self_attn.v_proj.bias", "blk.%u.attn_v.bias", PARAM_BIAS, 'G', 0, NULL},
    [P_O] = {LAYER "self_attn.o_proj.weight", "blk.%u.attn_output.weight", PARAM_MATRIX, 'D', 'Q', "o_proj"},
    [P_NORM2] = {LAYER "post_attention_layernorm.weight", "blk.%u.ffn_norm.weight", PARAM_NORM, 'D', 0, NULL},
    [P_GATE] = {LAYER "mlp.gate_proj.weight", "blk.%u.ffn_gate.weight", PARAM_MATRIX, 'F', 'D', "gate_proj"},
    [P_UP] = {LAYER "mlp.up_proj.weight", "blk.%u.ffn_up.weight", PARAM_MATRIX, 'F', 'D', "up_proj"},
    [P_DOWN] = {LAYER "mlp.down_proj.weight", "blk.%u.ffn_down.weight", PARAM_MATRIX, 'D', 'F', "down_proj"},
    [P_EMBED] = {"model.embed_tokens.weight", "token_embd.weight", PARAM_EMBED, 'V', 'D', NULL},
    [P_NORM] = {"model.norm.weight", "output_norm.weight", PARAM_NORM, 'D', 0, NULL},
    [P_HEAD] = {"lm_head.weight", "output.weight", PARAM_MATRIX, 'V', 'D', NULL},
};

uint32_t params_slots(const struct model_config *c)
{
    return c->layers * P_LAYER_COUNT + P_COUNT - P_LAYER_COUNT;
}

uint32_t params_slot(const struct model_config *c, enum param p, uint32_t layer)
{
    return p < P_LAYER_COUNT ? layer * P_LAYER_COUNT + p : c->layers * P_LAYER_COUNT + p - P_LAYER_COUNT;
}

enum param params_of_slot(const struct model_config *c, uint32_t slot, uint32_t *layer)
{
    *layer = slot / P_LAYER_COUNT;
    if (*layer < c->layers) return (enum param)(slot % P_LAYER_COUNT);
    *layer = 0;
    return (enum param)(slot - c->layers * P_LAYER_COUNT + P_LAYER_COUNT);
}

int params_has(const struct model_config *c, enum param p)
{
    return p != P_HEAD || !c->tied;
}

static uint64_t size_of_letter(const struct model_config *c, char letter)
{
    switch (letter) {
    case 'V':
        return c->vocab;
    case 'D':
        return c->width;
    case 'F':
        return c->ff;
    case 'Q':
        return (uint64_t)c->heads * c->head_dim;
    case 'G':
        return (uint64_t)c->kv_heads * c->head_dim;
    default:
        return 1;
    }
}

void params_shape(const struct model_config *c, enum param p, uint64_t *rows, uint64_t *cols)
{
    *rows = size_of_letter(c, params[p].rows);
    *cols = size_of_letter(c, params[p].cols);
}

static const char *spec_name(enum param p, enum params_names as)
{
    return as == PARAMS_GGUF ? params[p].gguf : params[p].hf;
}

void params_name_as(const struct model_config *c, enum params_names as, uint32_t slot, char *name,
                    size_t size)
{
    uint32_t layer;
    const char *spec = spec_name(params_of_slot(c, slot, &layer), as), *mark = strstr(spec, "%u");
    if (mark)
        snprintf(name, size, "%.*s%u%s", (int)(mark - spec), spec, layer, mark + 2);
    else
        snprintf(name, size, "%s", spec);
}

void params_name(const struct model_config *c, uint32_t slot, char *name, size_t size)
{
    params_name_as(c, PARAMS_HF, slot, name, size);
}

/* ---- from names to slots --------------------------------------------------------------------------------
 */

/* Reads a layer number as we write it: no sign, no leading zero. Moves *s past it; false when there is none.
 */
static bool read_layer(const char **s, uint64_t *layer)
{
    const char *p = *s;
    if (*p == '0' && p[1] >= '0' && p[1] <= '9') return false;
    *layer = 0;
    while (*p >= '0' && *p <= '9' && p - *s < 10) *layer = *layer * 10 + (uint64_t)(*p++ - '0');
    bool some = p != *s;
    *s = p;
    return some;
}

int64_t params_find_as(const struct model_config *c, enum params_names as, const char *name)
{
    for (int p = P_LAYER_COUNT; p < P_COUNT; p++)
        if (!strcmp(name, spec_name((enum param)p, as))) return params_slot(c, (enum param)p, 0);
    const char *spec = spec_name(P_NORM1, as), *rest;
    size_t head = (size_t)(strstr(spec, "%u") - spec);
    uint64_t layer;
    if (strncmp(name, spec, head)) return -1;
    rest = name + head;
    if (!read_layer(&rest, &layer) || layer >= c->layers) return -1;
    for (int p = 0; p < P_LAYER_COUNT; p++)
        if (!strcmp(rest, spec_name((enum param)p, as) + head + 2))
            return params_slot(c, (enum param)p, (uint32_t)layer);
    return -1;
}

int64_t params_find(const struct model_config *c, const char *name)
{
    return params_find_as(c, PARAMS_HF, name);
}

/* ---- binding --------------------------------------------------------------------------------------------
 */

/* "151936, 896"; four sizes at most. */
static void shape_text(char *out, size_t size, const uint64_t *shape, int rank)
{
    size_t n = 0;
    *out = 0;
    for (int i = 0; i < rank && i < 4; i++)
        n += (size_t)snprintf(out + n, size - n, i ? ", %llu" : "%llu", (unsigned long long)shape[i]);
    if (rank > 4) snprintf(out + n, size - n, ", ...");
}

static int shape_check(const struct model_config *c, enum param p, const struct tensor *t, struct err *e)
{
    uint64_t expect[2];
    char found[128], due[64];
    int rank = params[p].cols ? 2 : 1;
    params_shape(c, p, &expect[0], &expect[1]);
    if (t->rank == rank && !memcmp(t->shape, expect, (size_t)rank * sizeof *expect)) return 0;
    shape_text(found, sizeof found, t->shape, t->rank);
    shape_text(due, sizeof due, expect, rank);
    return err_set(e, ERR_MODEL_SHAPE, "tensor %s is [%s], the config says [%s]", t->name, found, due);
}

/* Hugging Face's folders: F32 or BF16, one for all matrices. */
static int hf_dtype_check(enum param p, const struct tensor *t, const struct tensor **first_matrix,
                          struct err *e)
{
    if (t->dtype != DTYPE_F32 && t->dtype != DTYPE_BF16)
        return err_set(e, ERR_DTYPE, "tensor %s is %s, expected F32 or BF16", t->name, dtype_name(t->dtype));
    if (!params[p].cols) return 0;
    if (!*first_matrix) *first_matrix = t;
    if ((*first_matrix)->dtype != t->dtype)
        return err_set(e, ERR_DTYPE, "tensor %s is %s but %s is %s, expected one type for all matrices",
                       t->name, dtype_name(t->dtype), (*first_matrix)->name,
                       dtype_name((*first_matrix)->dtype));
    return 0;
}

static int gguf_dtype_check(enum param p, const struct tensor *t, struct err *e)
{
    if (t->dtype == DTYPE_F32 || t->dtype == DTYPE_BF16 || t->dtype == DTYPE_F16) return 0;
    if (params[p].cols && dtype_quantised(t->dtype)) return 0;
    return err_set(e, ERR_DTYPE, "tensor %s is %s, expected F32, F16%s", t->name, dtype_name(t->dtype),
                   params[p].cols ? ", BF16, Q8_0 or Q4_0" : " or BF16");
}

/* Puts the head of a tied model aside again, after a look. */
static int tie_check(const struct model_config *c, const struct tensor **bound, struct err *e)
{
    const struct tensor *embed = bound[params_slot(c, P_EMBED, 0)],
                        **head = &bound[params_slot(c, P_HEAD, 0)];
    if (!c->tied || !*head) return 0;
    const struct tensor *h = *head;
    *head = NULL;
    if (h->dtype == embed->dtype && h->bytes == embed->bytes && !memcmp(h->data, embed->data, h->bytes))
        return 0;
    return err_set(e, ERR_MODEL_TIE,
                   "tensor %s differs from %s, but the config says tie_word_embeddings: true", h->name,
                   embed->name);
}

static int missing_check(const struct model_config *c, enum params_names as, const struct tensor **bound,
                         struct err *e)
{
    char first[96];
    uint32_t missing = 0, layer;
    for (uint32_t s = 0; s < params_slots(c); s++) {
        if (bound[s] || !params_has(c, params_of_slot(c, s, &layer))) continue;
        if (!missing++) params_name_as(c, as, s, first, sizeof first);
    }
    if (!missing) return 0;
    return err_set(e, ERR_MODEL_MISSING, "no tensor %s (%u of the model's tensors are missing)", first,
                   missing);
}

int params_bind(const struct model_config *c, enum params_names as, const struct tensor *tensors, size_t n,
                const struct tensor **bound, struct err *e)
{
    const struct tensor *extra = NULL, *matrix = NULL;
    uint32_t layer;
    int r = 0;
    memset(bound, 0, params_slots(c) * sizeof *bound);
    for (size_t i = 0; i < n && !r; i++) {
        const struct tensor *t = &tensors[i];
        int64_t slot = params_find_as(c, as, t->name);
        if (slot < 0) {
            if (!extra) extra = t;
            continue;
        }
        enum param p = params_of_slot(c, (uint32_t)slot, &layer);
        if (bound[slot]) return err_set(e, ERR_DUP_TENSOR, "tensor %s is given twice", t->name);
        bound[slot] = t;
        r = as == PARAMS_HF ? hf_dtype_check(p, t, &matrix, e) : gguf_dtype_check(p, t, e);
        if (!r) r = shape_check(c, p, t, e);
    }
    /* missing before extra: of a file that is no model at all, every tensor is extra */
    if (!r) r = missing_check(c, as, bound, e);
    if (!r) r = tie_check(c, bound, e);
    if (r || !extra) return r;
    return err_set(e, ERR_MODEL_EXTRA, "tensor %s is not one of a model with %u layers", extra->name,
                   c->layers);
}
