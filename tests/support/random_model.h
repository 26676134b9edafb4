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

/* Weights uniform with standard deviation about 1/sqrt(cols), norms near 1. isa as cpu_limit. Of a quantised
 * type the fp32 tensors hold what the quantised weights are, so that they say the same model. */
void random_model_create(struct random_model *r, const struct model_config *c, enum weight_type type,
                         unsigned threads, const char *isa, uint64_t seed);
void random_model_free(struct random_model *r);

/* The same, but computing in `type` with weights that type `snap` can hold. */
void random_model_create_snapped(struct random_model *r, const struct model_config *c, enum weight_type snap,
                                 enum weight_type type, unsigned threads, const char *isa, uint64_t seed);

/* Makes each row of w [rows][cols] what it is after being quantised to `type`. */
void weights_snap(enum weight_type type, uint64_t rows, uint64_t cols, float *w);

/* An adapter with every A and B random. */
struct adapter *random_adapter(const struct model_config *c, uint32_t rank, uint32_t targets, uint64_t seed);

/* Uniform in [-1, 1), a function of (seed, i). */
float random_at(uint64_t seed, uint64_t i);

/* A tiny shape: 7:1 GQA, odd ff and vocab. */
struct model_config tiny_config(void);
/* The same for weights of this type: ff is a multiple of 32 where groups want it. */
struct model_config tiny_config_for(enum weight_type type);

#endif
