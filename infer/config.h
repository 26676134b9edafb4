/* The shape of a Qwen2/2.5 model: what config.json says, whoever read it. */
#ifndef TERSE_INFER_CONFIG_H
#define TERSE_INFER_CONFIG_H

#include "infer/err.h"

#include <stdbool.h>
#include <stdint.h>

enum { CONFIG_MAX_EOS = 8 };

struct model_config {
    uint32_t layers;        /* L, 1..1024 */
    uint32_t width;         /* D, hidden_size */
    uint32_t heads;         /* H, query heads */
    uint32_t kv_heads;      /* G, key/value heads; divides H */
    uint32_t head_dim;      /* K, D / H unless the config says otherwise; even */
    uint32_t ff;            /* F, intermediate_size */
    uint32_t vocab;         /* V, rows of the embedding (padding included) */
    uint32_t max_positions; /* longest context the model was made for */
    double rope_theta;      /* base of the rotary frequencies */
    double rms_eps;
    bool tied;        /* the head is the embedding */
    double init_std;  /* initializer_range, for random weights */
    int32_t bos, pad; /* -1: none */
    int32_t eos[CONFIG_MAX_EOS];
    uint32_t n_eos;
    /* generation_config.json; what a user gets who asks for nothing */
    double temperature, top_p, repetition_penalty;
    uint32_t top_k; /* 0: off */
};

/* The fields of a model whose files say nothing: no eos, temperature 1, top_p 1, penalty 1, eps 1e-6 ... */
void model_config_init(struct model_config *c);

/* Refuses impossible shapes: CFG_HEADS, CFG_RANGE. */
int model_config_check(const struct model_config *c, struct err *e);

/* The named shapes of Qwen2.5: "qwen2.5-0.5b", "-1.5b", "-3b", "-7b". Returns 0, or KEY_UNKNOWN with the
 * list. */
int model_config_named(struct model_config *c, const char *name, struct err *e);

/* Parameters of the whole model (a tied head counts once). */
uint64_t model_config_params(const struct model_config *c);

#endif
