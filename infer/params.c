#include "infer/params.h"

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

uint32_t params_slots(const struct model_config *c) { return c->layers * P_LAYER_COUNT + P_COUNT - P_LAYER_COUNT; }

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

int params_has(const struct model_config *c, enum param p) { return p != P_HEAD || !c->tied; }

static uint64_t size_of_letter(const struct model_config *c, char letter)
{
    switch (letter) {
    case 'V': return c->vocab;
    case 'D': return c->width;
    case 'F': return c->ff;
    case 'Q': return (uint64_t)c->heads * c->head_dim;
    case 'G': return (uint64_t)c->kv_heads * c->head_dim;
    default: return 1;
    }
}

void params_shape(const struct model_config *c, enum param p, uint64_t *rows, uint64_t *cols)
{
    *rows = size_of_letter(c, params[p].rows);
    *cols = size_of_letter(c, params[p].cols);
}

void params_name(const struct model_config *c, uint32_t slot, char *name, size_t size)
{
    uint32_t layer;
    enum param p = params_of_slot(c, slot, &layer);
    const char *spec = params[p].hf, *mark = strstr(spec, "%u");
    if (mark)
        snprintf(name, size, "%.*s%u%s", (int)(mark - spec), spec, layer, mark + 2);
    else
        snprintf(name, size, "%s", spec);
}
