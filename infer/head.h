/* A small head on hidden states: the switcher, which says before a turn is answered whether thinking will
 * pay, and the verifier, which says of a finished chain whether it is right. Linear, or one hidden layer:
 *
 *     z_i = (x_i - mean_i) * scale_i                        (as it is where the head has no mean)
 *     logit = b + sum_i w_i z_i                             (hidden 0)
 *     logit = b2 + sum_j w2_j max(0, b1_j + sum_i w1_ji z_i)
 *     probability = 1 / (1 + exp(-logit / temperature))
 *
 * x is what infer/states.h pools of the head's depths, one after the other. A head is files of two kinds:
 * safetensors (checkpoints/head_file.h) and GGUF (infer/gguf_head.h). */
#ifndef TERSE_INFER_HEAD_H
#define TERSE_INFER_HEAD_H

#include "infer/adapter_match.h"
#include "infer/states.h"

enum head_task { HEAD_SWITCHER, HEAD_VERIFIER, HEAD_TASKS };
extern const char *const head_task_names[HEAD_TASKS]; /* "switcher", "verifier" */

enum { HEAD_MAX_HIDDEN = 4096, HEAD_PROMPT = 1024 };

/* What is appended to a finished chain before its last state is read, where nothing else was chosen. */
#define HEAD_VERIFY_PROMPT "\nIs the answer above correct? Answer Yes or No:"

/* What a head is, beside its numbers. */
struct head_config {
    enum head_task task;
    enum pooling pooling;
    struct states_config states; /* depths, at least one */
    uint32_t width;              /* of one state: the model's */
    uint32_t hidden;             /* 0: linear */
    bool standardised;           /* there are mean and scale */
    double threshold;            /* of the probability, [0, 1]: from here on it is yes */
    double temperature;          /* finite, > 0 */
    char prompt[HEAD_PROMPT];    /* verifier: appended to a chain; "" reads the chain's own last token */
    /* Digests in hex of what it was trained on; "" unknown. adapter: whose states it reads; "" the base's. */
    char base[ADAPTER_DIGEST], tokenizer[ADAPTER_DIGEST], adapter[ADAPTER_DIGEST];
};

struct head {
    struct head_config c;
    uint64_t count;      /* floats in `data` */
    float *data;         /* owned; the parts below lie in it, in this order */
    float *mean, *scale; /* [inputs], NULL unless standardised; a scale of 0 leaves an input out */
    float *w1;           /* [hidden][inputs]; linear: NULL */
    float *b1;           /* [hidden]; linear: NULL */
    float *w2;           /* [hidden]; linear: [inputs] */
    float *b2;           /* [1] */
};

/* The tensors of a head as files have them, in the order of `data`. */
enum { HEAD_PARTS = 6 };
struct head_part {
    const char *name;    /* input.mean, input.scale, hidden.weight, hidden.bias, output.weight, output.bias */
    uint64_t rows, cols; /* a vector has rows 0 */
    float *data;         /* [rows][cols], or [cols] */
};
/* Those that a head of this kind has; returns how many. */
uint32_t head_parts(const struct head *h, struct head_part out[HEAD_PARTS]);

/* Inputs: states of all depths. */
uint32_t head_inputs(const struct head_config *c);
/* Numbers that it has. */
uint64_t head_count(const struct head_config *c);
/* FIELD_RANGE unless a head can be so. */
int head_config_check(const struct head_config *c, struct err *e);
/* All zero, scale one. *out is the caller's to head_free, NULL after an error: FIELD_RANGE, NOMEM. */
int head_create(struct head **out, const struct head_config *c, struct err *e);
/* NULL is fine. */
void head_free(struct head *h);
/* Looks at the numbers: NONFINITE, AD_NORM (above 1e6), naming the tensor; FIELD_RANGE (a scale of 0 or
 * less). */
int head_values_check(const struct head *h, struct err *e);

/* The logit and the probability of x [inputs]. Sums are doubles in ascending order: the same bits everywhere.
 * Allocates nothing; any thread. */
double head_logit(const struct head *h, const float *x);
double head_apply(const struct head *h, const float *x);

/* Whose states a head is to read; NULL digests are not checked. adapter: of the adapter that acts, "" when
 * there is none or its file does not say. */
struct head_expect {
    const struct model_config *model;
    const char *base, *tokenizer, *adapter;
};
/* One sentence, naming `path`, when the head is not for this: HEAD_LAYER, HEAD_WIDTH, BASE_HASH, TOK_HASH,
 * AD_HASH. A head fits every rounding of its base; what a file does not say is not held against it. */
int head_check(const struct head *h, const struct head_expect *x, const char *path, struct err *e);

#endif
