/* The models of tests/fixtures/model, loaded as a user's would be. */
#ifndef TERSE_TESTS_FIXTURE_MODEL_H
#define TERSE_TESTS_FIXTURE_MODEL_H

#include "checkpoints/hf_model.h"
#include "checkpoints/safetensors.h"
#include "infer/lora.h"
#include "infer/model.h"

#define FIXTURE_MODELS "tests/fixtures/model/"

struct fixture_model {
    struct pool *pool;
    struct hf_model *hf;
    struct model *m;
    struct adapter *adapter; /* from the folder named, or NULL */
    struct lora *lora;
};

/* name: "tied-k64-gqa7" ...; adapter_dir: "adapter" ... or NULL. Fails the running test on any error. */
void fixture_model_open(struct fixture_model *f, const char *name, const char *adapter_dir,
                        enum weight_type type, unsigned threads);
void fixture_model_close(struct fixture_model *f);

/* A file of numbers of a fixture ("forward.safetensors"), and tensors in it; fails the test when absent. */
struct safetensors *fixture_open(const char *name, const char *file);
const float *fixture_f32(const struct safetensors *s, const char *tensor, uint64_t *count);
const double *fixture_f64(const struct safetensors *s, const char *tensor, uint64_t *count);
const int32_t *fixture_i32(const struct safetensors *s, const char *tensor, uint64_t *count);

#endif
