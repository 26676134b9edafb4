/* A LoRA adapter on the host: fp32 master weights in one flat buffer.
 * y = W x + g * scale * B (A x), scale = alpha / R, or alpha / sqrt(R) for rsLoRA. A [R][in], B [out][R]. */
#ifndef TERSE_INFER_ADAPTER_H
#define TERSE_INFER_ADAPTER_H

#include "infer/params.h"

/* The seven products of a layer that can carry an adapter, in the order of the flat buffer. */
enum lora_target { LORA_Q, LORA_K, LORA_V, LORA_O, LORA_GATE, LORA_UP, LORA_DOWN, LORA_TARGETS };
enum { LORA_ALL = (1 << LORA_TARGETS) - 1, LORA_MAX_RANK = 1024 };

/* Where the adapter begins to act (g = 1): aLoRA's rule, from the last assistant header on; from the first
 * response token on; everywhere. */
enum lora_gate { GATE_ASSISTANT, GATE_RESPONSE, GATE_ALL };

struct adapter_config {
    uint32_t rank;    /* R, 1..1024 */
    double alpha;     /* finite, > 0 */
    double dropout;   /* [0, 1), training only */
    bool rslora;      /* scale = alpha / sqrt(R) */
    uint32_t targets; /* bit 1 << enum lora_target */
    enum lora_gate gate;
};

struct adapter {
    struct adapter_config cfg;
    struct model_config model; /* the shape it belongs to */
    uint64_t count;            /* floats in `weights` */
    float *weights;            /* layer by layer, target by target: A then B; owned; NULL once dropped */
};

enum { ADAPTER_MAX_INVOCATION = 64, ADAPTER_MAX_BASE = 1024, ADAPTER_DIGEST = 65 };

/* What a file says of an adapter beside its numbers. */
struct adapter_info {
    char base_name[ADAPTER_MAX_BASE];           /* what the base was called; "" none. Never opened by us */
    int32_t invocation[ADAPTER_MAX_INVOCATION]; /* aLoRA's invocation tokens */
    uint32_t n_invocation;                      /* 0: no aLoRA */
    char base[ADAPTER_DIGEST], tokenizer[ADAPTER_DIGEST]; /* digests in hex; "" unknown */
    char
        self[ADAPTER_DIGEST]; /* the adapter's own, by which heads that read its states know it; "" unknown */
};

/* What the caller has in hand; NULL members are not checked. */
struct adapter_expect {
    const char *base, *tokenizer; /* digests, checked when the file names its own */
    bool strict;                  /* an adapter whose B is all zero is an error, not a remark */
};

extern const char *const lora_gate_names[];       /* "assistant", "response", "all" */
extern const enum param lora_param[LORA_TARGETS]; /* the weight each target sits on */

double adapter_scale(const struct adapter_config *c);
/* Offsets into the flat buffer; sizes are rank * in and out * rank. UINT64_MAX when the target is not
 * adapted. */
uint64_t adapter_offset_a(const struct adapter *a, uint32_t layer, enum lora_target t);
uint64_t adapter_offset_b(const struct adapter *a, uint32_t layer, enum lora_target t);
/* in and out sizes of a target. */
void adapter_shape(const struct model_config *m, enum lora_target t, uint64_t *in, uint64_t *out);
/* Floats of an adapter of this shape. */
uint64_t adapter_count(const struct model_config *m, const struct adapter_config *c);

/* Refuses what no adapter of this model can be: AD_RANK (also above the smaller side of an adapted matrix),
 * AD_ALPHA, AD_TARGET, FIELD_RANGE (dropout). */
int adapter_config_check(const struct model_config *m, const struct adapter_config *c, struct err *e);

/* Allocates a zeroed adapter. Errors: AD_RANK, AD_ALPHA, AD_TARGET, FIELD_RANGE, NOMEM. Free with
 * adapter_free. */
int adapter_create(struct adapter **out, const struct model_config *m, const struct adapter_config *c,
                   struct err *e);
void adapter_free(struct adapter *a);
/* Keeps what describes it and lets go of the fp32 weights, once they are packed and nobody trains them. */
void adapter_drop_weights(struct adapter *a);
/* PEFT's initialisation: A uniform in +-1/sqrt(in) (kaiming with a = sqrt 5), B zero; keyed by `seed`. */
void adapter_init_random(struct adapter *a, uint64_t seed);

#endif
