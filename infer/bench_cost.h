/* What passes take at least: multiplications and additions, and bytes from memory. Counted, not measured;
 * norms, softmax and activations are left out. */
#ifndef TERSE_INFER_BENCH_COST_H
#define TERSE_INFER_BENCH_COST_H

#include "infer/kv.h"
#include "infer/lora.h"
#include "infer/machine.h"

struct bench_cost {
    double flops;  /* of products with bf16 or fp32 activations, attention's included */
    double flops8; /* of products with 8-bit activations */
    double bytes;  /* of weights, and of keys and values, each once a pass */
};

/* A pass of `rows` tokens of a prompt that starts at position `pos`; logits of the last one when `logits`. */
void bench_cost_prompt(struct bench_cost *c, const struct model *m, const struct lora *lora, enum kv_type kv,
                       uint32_t pos, uint32_t rows, bool logits);
/* A pass of one token for each of `streams` at position `pos`, which share what whole pages the first
 * `shared` positions fill. */
void bench_cost_step(struct bench_cost *c, const struct model *m, const struct lora *lora, enum kv_type kv,
                     uint32_t streams, uint32_t shared, uint32_t pos);

/* Seconds that a machine with these limits cannot go below: arithmetic and memory at once, the slower counts.
 * *compute (may be NULL): 1 when that is arithmetic. */
double bench_cost_seconds(const struct bench_cost *c, const struct model *m, const struct machine_limits *l,
                          int *compute);
/* GFLOP/s of the instructions that the model's products with bf16 or fp32 activations could use. */
double bench_cost_peak(const struct model *m, const struct machine_limits *l);

/* Bytes of all weights in memory, padding included; rotary tables are not weights. */
uint64_t bench_weight_bytes(const struct model *m);

#endif
