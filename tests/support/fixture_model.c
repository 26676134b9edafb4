#include "tests/support/fixture_model.h"
#include "checkpoints/peft.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void must(int r, const struct err *e)
{
    if (r) fail_msg("%s: %s", err_name(r), e->msg);
}

static void adapter_open(struct fixture_model *f, const char *dir, struct err *e)
{
    struct adapter_info info;
    struct adapter_expect none = {0};
    must(peft_load(&f->adapter, &info, NULL, dir, &f->hf->config, &none, e), e);
    must(lora_create(&f->lora, f->m, f->adapter, e), e);
}

void fixture_model_open(struct fixture_model *f, const char *name, const char *adapter_dir,
                        enum weight_type type, unsigned threads)
{
    struct err e = {0};
    char path[512];
    memset(f, 0, sizeof *f);
    snprintf(path, sizeof path, FIXTURE_MODELS "%s", name);
    must(hf_model_open(&f->hf, path, &e), &e);
    must(pool_create(&f->pool, threads, &e), &e);
    must(model_create(&f->m, &f->hf->config, type, 0, f->hf->bound, f->pool, cpu_detect(), &e), &e);
    snprintf(path, sizeof path, FIXTURE_MODELS "%s/%s", name, adapter_dir ? adapter_dir : "");
    if (adapter_dir) adapter_open(f, path, &e);
}

void fixture_model_close(struct fixture_model *f)
{
    lora_free(f->lora);
    adapter_free(f->adapter);
    model_free(f->m);
    pool_free(f->pool);
    hf_model_close(f->hf);
}

struct safetensors *fixture_open(const char *name, const char *file)
{
    struct err e = {0};
    struct safetensors *s;
    char path[512];
    snprintf(path, sizeof path, FIXTURE_MODELS "%s/%s", name, file);
    must(safetensors_open(&s, path, &e), &e);
    return s;
}

static const struct tensor *find(const struct safetensors *s, const char *name, enum dtype type,
                                 uint64_t *count)
{
    const struct tensor *t = safetensors_find(s, name);
    if (!t || t->dtype != type) fail_msg("the fixture has no %s tensor %s", dtype_name(type), name);
    *count = t->bytes * 8 / dtype_bits(type);
    return t;
}

const float *fixture_f32(const struct safetensors *s, const char *tensor, uint64_t *count)
{
    return find(s, tensor, DTYPE_F32, count)->data;
}

const double *fixture_f64(const struct safetensors *s, const char *tensor, uint64_t *count)
{
    return find(s, tensor, DTYPE_F64, count)->data;
}

const int32_t *fixture_i32(const struct safetensors *s, const char *tensor, uint64_t *count)
{
    return find(s, tensor, DTYPE_I32, count)->data;
}
