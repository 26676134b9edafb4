/* Small models with random weights, for tests that need no file. */
#ifndef TERSE_TESTS_RANDOM_MODEL_H
#define TERSE_TESTS_RANDOM_MODEL_H

#include "infer/adapter.h"
#include "infer/lora.h"
#include "infer/model.h"

struct random_model {
    struct pool *pool;
    struct model *m;
    struct tensor *tensors; /* [params_slots] fp32 */
    const struct tensor **bound;
    uint32_t slots;
};

/* Weights uniform with standard deviation about 1/sqrt(cols), norms near 1. isa as cpu_limit. */
void random_model_create(struct random_model *r, const struct model_config *c, enum weight_type type,
                         unsigned threads, const char *isa, uint64_t seed);
void random_model_free(struct random_model *r);

/* An adapter with every A and B random. */
struct adapter *random_adapter(const struct model_config *c, uint32_t rank, uint32_t targets, uint64_t seed);

/* Uniform in [-1, 1), a function of (seed, i). */
float random_at(uint64_t seed, uint64_t i);

/* A tiny shape: 7:1 GQA, odd ff and vocab. */
struct model_config tiny_config(void);

#endif
