#include "checkpoints/hf_random.h"
#include "checkpoints/hf_save.h"
#include "infer/params.h"
#include "kernels/math.h"

#include <stdlib.h>
#include <string.h>

enum { UNIT = 4096 }; /* elements a thread makes at a time */

struct random_model {
    const struct model_config *c;
    enum dtype dtype;
    uint64_t seed, written;
    const struct tensor *t;
    struct pool *pool;
    struct progress *progress;
    /* the chunk being made */
    uint32_t slot;
    uint64_t first;
    size_t count;
    void *dst;
};

static void make_unit(void *ctx, int64_t unit, unsigned thread)
{
    (void)thread;
    const struct random_model *r = ctx;
    size_t at = (size_t)unit * UNIT, n = r->count - at < UNIT ? r->count - at : UNIT;
    float value[UNIT];
    uint16_t half[UNIT];
    params_random(r->c, r->slot, r->seed, r->first + at, value, n);
    if (r->dtype == DTYPE_F32) {
        memcpy((char *)r->dst + at * 4, value, n * 4);
        return;
    }
    for (size_t i = 0; i < n; i++) half[i] = f32_to_bf16(value[i]);
    memcpy((char *)r->dst + at * 2, half, n * 2);
}

static int fill(void *ctx, size_t i, uint64_t offset, void *dst, size_t n, struct err *e)
{
    struct random_model *r = ctx;
    unsigned width = dtype_bits(r->dtype) / 8;
    (void)e;
    r->slot = (uint32_t)params_find(r->c, r->t[i].name);
    r->first = offset / width, r->count = n / width, r->dst = dst;
    pool_for(r->pool, (int64_t)((r->count + UNIT - 1) / UNIT), make_unit, r);
    r->written += n;
    if (r->progress) progress_update(r->progress, r->written / 1000000, NULL);
    return 0;
}

int hf_random_save(const char *dir, const struct model_config *c, enum dtype dtype, uint64_t seed,
                   uint64_t shard_bytes, struct pool *pool, struct progress *progress, struct err *e)
{
    struct tensor *t;
    size_t n;
    if (dtype != DTYPE_F32 && dtype != DTYPE_BF16)
        return err_set(e, ERR_DTYPE, "random weights are F32 or BF16, not %s", dtype_name(dtype));
    int rc = hf_tensor_list(&t, &n, c, dtype, e);
    if (rc) return rc;
    struct random_model r = {
        .c = c, .dtype = dtype, .seed = seed, .t = t, .pool = pool, .progress = progress};
    rc = hf_save_model(dir, c, t, n, &(struct hf_save_options){shard_bytes, fill, &r}, e);
    free(t);
    return rc;
}
